//! Baseline methods with the settings that their authors publish. Each method ranks the products for
//! one customer, the most likely product first.

use std::collections::HashMap;

use super::split::{Basket, Split};

/// Scores of products.
type Scores = HashMap<u32, f64>;

/// Returns the `limit` products with the highest positive scores. Equal scores are ordered by
/// popularity, then by the index of the product.
fn top_products(scores: Scores, popularity: &[u32], limit: usize) -> Vec<u32> {
    let mut scores: Vec<_> = scores.into_iter().filter(|(_, score)| *score > 0.0).collect();
    scores.sort_unstable_by(|a, b| {
        let count = |product: u32| popularity[product as usize];
        b.1.total_cmp(&a.1).then_with(|| count(b.0).cmp(&count(a.0))).then(a.0.cmp(&b.0))
    });
    scores.into_iter().take(limit).map(|(product, _)| product).collect()
}

/// Returns the number of baskets of all histories that contain each product.
pub(super) fn popularity(split: &Split) -> Vec<u32> {
    let mut popularity = vec![0; split.products.len()];
    let baskets = split.trials.iter().flat_map(|trial| &trial.history);
    for product in baskets.flat_map(|basket| &basket.products) {
        popularity[*product as usize] += 1;
    }
    popularity
}

/// Ranks products by their popularity.
pub(super) fn most_popular(popularity: &[u32], limit: usize) -> Vec<u32> {
    let scores = popularity.iter().zip(0..).map(|(count, product)| (product, f64::from(*count)));
    top_products(scores.collect(), popularity, limit)
}

/// Ranks products by their frequency in the last `recent` baskets of the customer (P-TopFreq).
pub(super) fn frequency(
    history: &[Basket],
    recent: usize,
    popularity: &[u32],
    limit: usize,
) -> Vec<u32> {
    top_products(basket_shares(history, recent), popularity, limit)
}

/// Returns the share of the last `recent` baskets that contain each product.
fn basket_shares(history: &[Basket], recent: usize) -> Scores {
    let baskets = &history[history.len().saturating_sub(recent)..];
    let mut shares = Scores::new();
    for product in baskets.iter().flat_map(|basket| &basket.products) {
        *shares.entry(*product).or_default() += 1.0 / baskets.len() as f64;
    }
    shares
}

/// Sparse matrix of customers and products, by rows and by columns.
struct SparseMatrix {
    /// Products and their values, by customer.
    rows: Vec<Vec<(u32, f64)>>,
    /// Customers and their values, by product.
    columns: Vec<Vec<(u32, f64)>>,
}

impl SparseMatrix {
    /// Builds the matrix from its rows.
    fn new(rows: impl Iterator<Item = Scores>, products: usize) -> Self {
        let rows: Vec<Vec<_>> = rows
            .map(|row| {
                let mut row: Vec<_> = row.into_iter().collect();
                row.sort_unstable_by_key(|entry| entry.0);
                row
            })
            .collect();
        let mut columns = vec![Vec::new(); products];
        for (row, customer) in rows.iter().zip(0..) {
            for (product, value) in row {
                columns[*product as usize].push((customer, *value));
            }
        }
        Self { rows, columns }
    }

    /// Returns the dot products of one row with all rows.
    fn dot_products(&self, row: usize) -> Vec<f64> {
        let mut dot_products = vec![0.0; self.rows.len()];
        for (product, value) in &self.rows[row] {
            for (customer, other_value) in &self.columns[*product as usize] {
                dot_products[*customer as usize] += value * other_value;
            }
        }
        dot_products
    }
}

/// UP-CF (Faggioli, Polato, Aiolli, UMAP 2020): recent basket shares of similar customers, with the
/// defaults of the published program. Customers are their own most similar neighbour.
pub(super) struct UpCf {
    /// Purchased products, with a value of 1.
    purchased: SparseMatrix,
    /// Shares in the recent baskets, by customer.
    recent: Vec<Scores>,
}

impl UpCf {
    /// Number of recent baskets.
    const RECENT_BASKETS: usize = 10;
    /// Asymmetry of the similarity.
    const ASYMMETRY: f64 = 0.75;
    /// Exponent of the similarity.
    const LOCALITY: i32 = 10;
    /// Number of neighbours.
    const NEIGHBOURS: usize = 100;

    /// Prepares the method for a split.
    pub fn new(split: &Split) -> Self {
        let histories = || split.trials.iter().map(|trial| trial.history.as_slice());
        let purchased = histories().map(|history| {
            basket_shares(history, usize::MAX).into_keys().map(|product| (product, 1.0)).collect()
        });
        Self {
            purchased: SparseMatrix::new(purchased, split.products.len()),
            recent: histories()
                .map(|history| basket_shares(history, Self::RECENT_BASKETS))
                .collect(),
        }
    }

    /// Ranks the products for a customer.
    pub fn rank(&self, customer: usize, popularity: &[u32], limit: usize) -> Vec<u32> {
        let size = |customer: usize| self.purchased.rows[customer].len() as f64;
        let own_size = size(customer).powf(Self::ASYMMETRY);
        let similarity_of = |(other, common): (usize, f64)| {
            let similarity = common / (own_size * size(other).powf(1.0 - Self::ASYMMETRY));
            (if other == customer { f64::INFINITY } else { similarity }, other)
        };
        let dot_products = self.purchased.dot_products(customer).into_iter().enumerate();
        let mut neighbours: Vec<_> =
            dot_products.filter(|(_, common)| *common > 0.0).map(similarity_of).collect();
        neighbours.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut scores = Scores::new();
        for (similarity, other) in neighbours.into_iter().take(Self::NEIGHBOURS + 1) {
            let weight = similarity.min(1.0).powi(Self::LOCALITY);
            for (product, share) in &self.recent[other] {
                *scores.entry(*product).or_default() += weight * share;
            }
        }
        top_products(scores, popularity, limit)
    }
}

/// TIFU-KNN (Hu et al., SIGIR 2020) with the settings that its authors publish for Ta-Feng.
pub(super) struct TifuKnn {
    /// Customer vectors.
    vectors: SparseMatrix,
    /// Squared norms of the customer vectors.
    squares: Vec<f64>,
}

impl TifuKnn {
    /// Maximum number of groups of adjacent baskets.
    const GROUPS: usize = 7;
    /// Factor per older basket within a group.
    const DECAY_WITHIN: f64 = 0.9;
    /// Factor per older group.
    const DECAY_BETWEEN: f64 = 0.7;
    /// Number of neighbours.
    const NEIGHBOURS: usize = 300;
    /// Weight of the customer's own vector.
    const OWN_WEIGHT: f64 = 0.7;

    /// Prepares the method for a split.
    pub fn new(split: &Split) -> Self {
        let rows = split.trials.iter().map(|trial| Self::vector(&trial.history));
        let vectors = SparseMatrix::new(rows, split.products.len());
        let square = |row: &Vec<(u32, f64)>| row.iter().map(|(_, value)| value * value).sum();
        let squares = vectors.rows.iter().map(square).collect();
        Self { vectors, squares }
    }

    /// Returns a history as one vector: the mean over groups of adjacent baskets, with decays for
    /// older baskets and groups.
    fn vector(history: &[Basket]) -> Scores {
        let groups = Self::GROUPS.min(history.len());
        let mut vector = Scores::new();
        for group in 0..groups {
            let end = |group: usize| group * history.len() / groups;
            let baskets = &history[end(group)..end(group + 1)];
            let between = Self::DECAY_BETWEEN.powi((groups - 1 - group) as i32);
            for (index, basket) in baskets.iter().enumerate() {
                let within = Self::DECAY_WITHIN.powi((baskets.len() - 1 - index) as i32);
                for product in &basket.products {
                    *vector.entry(*product).or_default() +=
                        between * within / (baskets.len() * groups) as f64;
                }
            }
        }
        vector
    }

    /// Ranks the products for a customer.
    pub fn rank(&self, customer: usize, popularity: &[u32], limit: usize) -> Vec<u32> {
        let dot_products = self.vectors.dot_products(customer);
        // Squared Euclidean distance without the customer's own squared norm, which is the same for all
        // other customers.
        let distance = |other: &usize| self.squares[*other] - 2.0 * dot_products[*other];
        let mut neighbours: Vec<_> =
            (0..dot_products.len()).filter(|other| *other != customer).collect();
        neighbours.sort_unstable_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.cmp(b)));
        neighbours.truncate(Self::NEIGHBOURS);
        let mut scores = Scores::new();
        for (product, value) in &self.vectors.rows[customer] {
            *scores.entry(*product).or_default() += Self::OWN_WEIGHT * value;
        }
        let weight = (1.0 - Self::OWN_WEIGHT) / neighbours.len().max(1) as f64;
        for (product, value) in neighbours.into_iter().flat_map(|other| &self.vectors.rows[other]) {
            *scores.entry(*product).or_default() += weight * value;
        }
        top_products(scores, popularity, limit)
    }
}
