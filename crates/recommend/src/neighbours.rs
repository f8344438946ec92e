//! What people buy who buy alike: user-based collaborative filtering on baskets a product, as in
//! UP-CF (Faggioli, Polato, Aiolli, UMAP 2020), without its window of recent baskets.

use instored_domain::CustomerId;

use super::ledger::{Ledger, PersonNo, ProductNo};

/// Neighbours that are asked, as many as UP-CF's program does.
const NEIGHBOURS: usize = 100;

/// For each product, how likely the neighbours of `me` take it, 0 to 1: the share of their baskets
/// that hold it, weighted by how alike they are. `mine` is what `me` bought, in how many baskets.
///
/// Similarities come from whole numbers, and the neighbours are asked in an order that only their
/// similarity and their id decide: the result is the same to the last bit however the orders came.
pub(super) fn liking(ledger: &Ledger, me: PersonNo, mine: &[(ProductNo, u32)]) -> Vec<f32> {
    let mut products = vec![0.0f32; ledger.shelves().len()];
    let mut common = vec![0u64; ledger.people().len()];
    for &(product, count) in mine {
        for &(person, theirs) in &ledger.shelf_of(product).buyers {
            common[person as usize] += u64::from(count) * u64::from(theirs);
        }
    }
    common[me as usize] = 0;
    // The length of my own vector is the same for all.
    let similarity =
        |person: usize| common[person] as f64 / (ledger.people()[person].norm as f64).sqrt();
    let mut neighbours: Vec<_> = (0..common.len())
        .filter(|&person| common[person] > 0)
        .map(|person| (similarity(person), ledger.people()[person].customer, person))
        .collect();
    let by_rank = |a: &(f64, CustomerId, usize), b: &(f64, CustomerId, usize)| {
        b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
    };
    if neighbours.len() > NEIGHBOURS {
        neighbours.select_nth_unstable_by(NEIGHBOURS, by_rank);
        neighbours.truncate(NEIGHBOURS);
    }
    neighbours.sort_unstable_by(by_rank);
    let all: f64 = neighbours.iter().map(|neighbour| neighbour.0).sum();
    for (similarity, _, person) in neighbours {
        let baskets = &ledger.people()[person].baskets;
        let weight = (similarity / all / baskets.len() as f64) as f32;
        for product in baskets.iter().flat_map(|basket| &basket.products) {
            products[*product as usize] += weight;
        }
    }
    products
}
