//! User-based collaborative filtering on the number of baskets per product, as in UP-CF (Faggioli,
//! Polato, Aiolli: "Recency Aware Collaborative Filtering for Next Basket Recommendation", UMAP
//! 2020), but without its window of recent baskets.

use instored_domain::CustomerId;

use super::purchase_index::{CustomerIndex, ProductIndex, PurchaseIndex};

/// Maximum number of neighbours (most similar customers), as in the published implementation of
/// UP-CF.
const MAX_NEIGHBOURS: usize = 100;

/// Computes a score from 0 to 1 for each product: the share of the neighbours' baskets that contain
/// the product, weighted by the neighbours' cosine similarity to `customer`. `counts` has the
/// number of the customer's baskets with each product.
///
/// Similarities are computed from integers, and neighbours are processed by similarity and customer
/// id. The result therefore does not depend on the sequence in which orders were added.
pub(super) fn collaborative_scores(
    index: &PurchaseIndex,
    customer: CustomerIndex,
    counts: &[(ProductIndex, u32)],
) -> Vec<f32> {
    let mut scores = vec![0.0f32; index.products().len()];
    let mut dot_products = vec![0u64; index.customers().len()];
    for &(product, count) in counts {
        for &(buyer, baskets) in &index.product(product).buyers {
            dot_products[buyer as usize] += u64::from(count) * u64::from(baskets);
        }
    }
    dot_products[customer as usize] = 0;
    // The norm of the customer's own vector is left out: it is the same factor in all similarities.
    let similarity = |neighbour: usize| {
        dot_products[neighbour] as f64 / (index.customers()[neighbour].squared_norm as f64).sqrt()
    };
    let mut neighbours: Vec<_> = (0..dot_products.len())
        .filter(|&neighbour| dot_products[neighbour] > 0)
        .map(|neighbour| (similarity(neighbour), index.customers()[neighbour].customer, neighbour))
        .collect();
    let by_rank = |a: &(f64, CustomerId, usize), b: &(f64, CustomerId, usize)| {
        b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
    };
    if neighbours.len() > MAX_NEIGHBOURS {
        neighbours.select_nth_unstable_by(MAX_NEIGHBOURS, by_rank);
        neighbours.truncate(MAX_NEIGHBOURS);
    }
    neighbours.sort_unstable_by(by_rank);
    let sum: f64 = neighbours.iter().map(|neighbour| neighbour.0).sum();
    for (similarity, _, neighbour) in neighbours {
        let baskets = &index.customers()[neighbour].baskets;
        let weight = (similarity / sum / baskets.len() as f64) as f32;
        for product in baskets.iter().flat_map(|basket| basket.products.iter()) {
            scores[*product as usize] += weight;
        }
    }
    scores
}
