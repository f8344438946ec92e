//! The methods that the shipped one is measured against, with the settings that their authors
//! publish. Each ranks the products for one customer, the likeliest first.

use std::collections::HashMap;

use super::split::{Past, Split};

/// Products by how likely they are.
type Scores = HashMap<u32, f64>;

/// The `limit` most likely. Equals by what the shop sells more of, then by the product's number.
fn best(scores: Scores, popularity: &[u32], limit: usize) -> Vec<u32> {
    let mut scores: Vec<_> = scores.into_iter().filter(|(_, score)| *score > 0.0).collect();
    scores.sort_unstable_by(|a, b| {
        let sold = |product: u32| popularity[product as usize];
        b.1.total_cmp(&a.1).then_with(|| sold(b.0).cmp(&sold(a.0))).then(a.0.cmp(&b.0))
    });
    scores.into_iter().take(limit).map(|(product, _)| product).collect()
}

/// Baskets of all histories that hold each product.
pub(super) fn popularity(split: &Split) -> Vec<u32> {
    let mut popularity = vec![0; split.products.len()];
    let baskets = split.trials.iter().flat_map(|trial| &trial.history);
    for product in baskets.flat_map(|basket| &basket.products) {
        popularity[*product as usize] += 1;
    }
    popularity
}

/// What the shop sells most.
pub(super) fn most_popular(popularity: &[u32], limit: usize) -> Vec<u32> {
    let scores = popularity.iter().zip(0..).map(|(count, product)| (product, f64::from(*count)));
    best(scores.collect(), popularity, limit)
}

/// What the customer buys most (P-TopFreq), in the last `recent` baskets.
pub(super) fn frequency(
    history: &[Past],
    recent: usize,
    popularity: &[u32],
    limit: usize,
) -> Vec<u32> {
    best(shares(history, recent), popularity, limit)
}

/// Share of the last `recent` baskets that hold each product.
fn shares(history: &[Past], recent: usize) -> Scores {
    let baskets = &history[history.len().saturating_sub(recent)..];
    let mut shares = Scores::new();
    for product in baskets.iter().flat_map(|basket| &basket.products) {
        *shares.entry(*product).or_default() += 1.0 / baskets.len() as f64;
    }
    shares
}

/// Sparse vectors of all customers, and which of them have what.
struct Vectors {
    rows: Vec<Vec<(u32, f64)>>,
    /// By product: customers and their values.
    columns: Vec<Vec<(u32, f64)>>,
}

impl Vectors {
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

    /// Products of one row with all.
    fn dots(&self, row: usize) -> Vec<f64> {
        let mut dots = vec![0.0; self.rows.len()];
        for (product, value) in &self.rows[row] {
            for (customer, theirs) in &self.columns[*product as usize] {
                dots[*customer as usize] += value * theirs;
            }
        }
        dots
    }
}

/// UP-CF (Faggioli, Polato, Aiolli, UMAP 2020): the recent shares of customers who buy alike, with
/// the defaults of the published program: 10 recent baskets, asymmetry 0.75, locality 10, 100
/// neighbours, and everyone most like themselves.
pub(super) struct UpCf {
    bought: Vectors,
    recent: Vec<Scores>,
}

impl UpCf {
    const RECENT: usize = 10;
    const ASYMMETRY: f64 = 0.75;
    const LOCALITY: i32 = 10;
    const NEIGHBOURS: usize = 100;

    pub fn new(split: &Split) -> Self {
        let histories = || split.trials.iter().map(|trial| trial.history.as_slice());
        let bought = histories().map(|history| {
            shares(history, usize::MAX).into_keys().map(|product| (product, 1.0)).collect()
        });
        Self {
            bought: Vectors::new(bought, split.products.len()),
            recent: histories().map(|history| shares(history, Self::RECENT)).collect(),
        }
    }

    pub fn rank(&self, customer: usize, popularity: &[u32], limit: usize) -> Vec<u32> {
        let size = |customer: usize| self.bought.rows[customer].len() as f64;
        let mine = size(customer).powf(Self::ASYMMETRY);
        let alike = |(other, common): (usize, f64)| {
            let likeness = common / (mine * size(other).powf(1.0 - Self::ASYMMETRY));
            (if other == customer { f64::INFINITY } else { likeness }, other)
        };
        let dots = self.bought.dots(customer).into_iter().enumerate();
        let mut neighbours: Vec<_> = dots.filter(|(_, common)| *common > 0.0).map(alike).collect();
        neighbours.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut scores = Scores::new();
        for (likeness, other) in neighbours.into_iter().take(Self::NEIGHBOURS + 1) {
            let weight = likeness.min(1.0).powi(Self::LOCALITY);
            for (product, share) in &self.recent[other] {
                *scores.entry(*product).or_default() += weight * share;
            }
        }
        best(scores, popularity, limit)
    }
}

/// TIFU-KNN (Hu et al., SIGIR 2020) with the settings that its authors publish for Ta-Feng: 7
/// groups, decays 0.9 within and 0.7 between them, 300 neighbours, 0.7 of oneself.
pub(super) struct TifuKnn {
    vectors: Vectors,
    squares: Vec<f64>,
}

impl TifuKnn {
    const GROUPS: usize = 7;
    const WITHIN: f64 = 0.9;
    const BETWEEN: f64 = 0.7;
    const NEIGHBOURS: usize = 300;
    const OWN: f64 = 0.7;

    pub fn new(split: &Split) -> Self {
        let rows = split.trials.iter().map(|trial| Self::vector(&trial.history));
        let vectors = Vectors::new(rows, split.products.len());
        let square = |row: &Vec<(u32, f64)>| row.iter().map(|(_, value)| value * value).sum();
        let squares = vectors.rows.iter().map(square).collect();
        Self { vectors, squares }
    }

    /// A history as one vector: the mean over groups of neighbouring baskets, older ones less.
    fn vector(history: &[Past]) -> Scores {
        let groups = Self::GROUPS.min(history.len());
        let mut vector = Scores::new();
        for group in 0..groups {
            let end = |group: usize| group * history.len() / groups;
            let baskets = &history[end(group)..end(group + 1)];
            let between = Self::BETWEEN.powi((groups - 1 - group) as i32);
            for (place, basket) in baskets.iter().enumerate() {
                let within = Self::WITHIN.powi((baskets.len() - 1 - place) as i32);
                for product in &basket.products {
                    *vector.entry(*product).or_default() +=
                        between * within / (baskets.len() * groups) as f64;
                }
            }
        }
        vector
    }

    pub fn rank(&self, customer: usize, popularity: &[u32], limit: usize) -> Vec<u32> {
        let dots = self.vectors.dots(customer);
        // Nearest by Euclid; one's own square is the same for all.
        let far = |other: &usize| self.squares[*other] - 2.0 * dots[*other];
        let mut others: Vec<_> = (0..dots.len()).filter(|other| *other != customer).collect();
        others.sort_unstable_by(|a, b| far(a).total_cmp(&far(b)).then(a.cmp(b)));
        others.truncate(Self::NEIGHBOURS);
        let mut scores = Scores::new();
        for (product, value) in &self.vectors.rows[customer] {
            *scores.entry(*product).or_default() += Self::OWN * value;
        }
        let each = (1.0 - Self::OWN) / others.len().max(1) as f64;
        for (product, value) in others.into_iter().flat_map(|other| &self.vectors.rows[other]) {
            *scores.entry(*product).or_default() += each * value;
        }
        best(scores, popularity, limit)
    }
}
