//! Training set of the ranker: past visits, each with the features known at its time.

use std::ops::Range;

use super::customer_features::CustomerFeatures;
use super::features::{Candidate, FEATURE_COUNT, Visit};
use super::gbdt::TrainingSet;
use super::purchase_index::{Basket, CustomerIndex, PurchaseIndex};

/// Maximum number of visits in the training set.
const MAX_VISITS: usize = 10_000;
/// Maximum number of visits of one customer in the training set. The newest visits are selected.
const MAX_VISITS_PER_CUSTOMER: usize = 10;
/// Minimum number of the customer's baskets before a visit of the training set.
const MIN_EARLIER_BASKETS: usize = 2;
/// Approximate number of negatives per visit: sampled candidates that were not bought.
const NEGATIVES_PER_VISIT: u64 = 20;

/// Selects the visits of the training set. Returns customers, each with a range of their baskets.
pub(super) fn training_visits(index: &PurchaseIndex) -> Vec<(CustomerIndex, Range<usize>)> {
    let customers = index.customers().iter().zip(0..);
    let mut customers: Vec<_> =
        customers.filter(|(history, _)| history.baskets.len() > MIN_EARLIER_BASKETS).collect();
    // Sorting by a hash selects a random sample if there are too many customers.
    customers.sort_unstable_by_key(|(history, _)| {
        (hash(history.customer.0.into_bytes(), 0), history.customer)
    });
    customers.truncate(MAX_VISITS);
    let per_customer = (MAX_VISITS / customers.len().max(1)).clamp(1, MAX_VISITS_PER_CUSTOMER);
    let newest =
        |baskets: usize| baskets.saturating_sub(per_customer).max(MIN_EARLIER_BASKETS)..baskets;
    customers.into_iter().map(|(history, i)| (i, newest(history.baskets.len()))).collect()
}

/// Creates the training set of `visits`, oldest visit first.
///
/// The features of a visit are computed from the baskets of all customers before the visit. Later
/// baskets are not known when a visit is ranked, so the model must not be trained on them.
pub(super) fn training_set(
    index: &PurchaseIndex,
    visits: &[(CustomerIndex, Range<usize>)],
) -> TrainingSet<FEATURE_COUNT> {
    let mut selected = vec![0..0; index.customers().len()];
    for (customer, baskets) in visits {
        selected[*customer as usize] = baskets.clone();
    }
    let mut set = TrainingSet::default();
    let mut earlier = index.without_baskets();
    for simultaneous in index.baskets_by_time().chunk_by(|a, b| a.second == b.second) {
        for visit in simultaneous {
            if selected[visit.customer as usize].contains(&visit.position) {
                let basket = &index.baskets_of(visit.customer)[visit.position];
                add_visit(&mut set, &earlier, visit.customer, basket);
            }
        }
        for visit in simultaneous {
            let basket = index.baskets_of(visit.customer)[visit.position].clone();
            earlier.insert_basket(visit.customer, basket);
        }
    }
    set
}

/// Adds the positives and sampled negatives of a visit. A visit without positives is left out,
/// because it has no correct ranking.
fn add_visit(
    set: &mut TrainingSet<FEATURE_COUNT>,
    earlier: &PurchaseIndex,
    customer: CustomerIndex,
    basket: &Basket,
) {
    let history = earlier.baskets_of(customer);
    // `history` has no baskets of the same second as the visit, so it may be too short although the
    // visit was selected.
    if history.len() < MIN_EARLIER_BASKETS {
        return;
    }
    let features = CustomerFeatures::new(history, basket.time, earlier.products().len());
    let visit = Visit::new(earlier, customer, &features, basket.time);
    let candidates = visit.candidates();
    if !candidates.iter().any(|candidate| basket.contains(candidate.product)) {
        return;
    }
    for candidate in &candidates {
        let is_positive = basket.contains(candidate.product);
        let sample = hash(visit.sku(candidate).bytes(), basket.time.second.unsigned_abs());
        if is_positive || (sample % candidates.len() as u64) < NEGATIVES_PER_VISIT {
            set.features.push(visit.candidate_features(candidate));
            set.base_margins.push(base_margin(candidate));
            set.is_positive.push(is_positive);
        }
    }
    set.group_ends.push(set.is_positive.len());
}

/// Returns the logarithm of the base score, to which the model adds its correction.
pub(super) fn base_margin(candidate: &Candidate) -> f64 {
    f64::from(candidate.base_score + 1e-4).ln()
}

/// Computes a hash that is the same on every machine and in every version: FNV-1a
/// (<http://www.isthe.com/chongo/tech/comp/fnv/>) with a seed.
fn hash(bytes: impl IntoIterator<Item = u8>, seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = bytes
        .into_iter()
        .fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // The low bits of FNV are less random than the high bits.
    hash ^ (hash >> 32)
}
