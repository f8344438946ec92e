//! Ranking of candidates: a base score without training, corrected by a model that is trained on
//! the shop's past visits.

use std::ops::Range;

use super::customer_features::CustomerFeatures;
use super::features::{Candidate, FEATURE_COUNT, Visit};
use super::gbdt::{Gbdt, TrainingSet};
use super::purchase_index::{Basket, CustomerIndex, PurchaseIndex};

/// Maximum number of visits in the training set.
const MAX_VISITS: usize = 10_000;
/// Maximum number of visits of one customer in the training set: their newest ones.
const MAX_VISITS_PER_CUSTOMER: usize = 10;
/// Minimum number of earlier baskets of a visit in the training set.
const MIN_EARLIER_BASKETS: usize = 2;
/// Approximate number of negatives per visit: sampled candidates that were not bought.
const NEGATIVES_PER_VISIT: u64 = 20;
/// Minimum number of positives, candidates that were bought. With fewer a model is worse than the
/// base score.
const MIN_POSITIVES: usize = 200;

/// The trained ranking model of a shop. The default model ranks by the base score.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Ranker(Gbdt);

impl Ranker {
    /// Computes the score of a candidate. Higher is more likely.
    pub(super) fn score(&self, visit: &Visit<'_>, candidate: &Candidate) -> f64 {
        base_margin(candidate) + self.0.predict(&visit.candidate_features(candidate))
    }

    /// Trains a model on past visits. The result does not depend on the sequence in which orders
    /// were added.
    pub(super) fn train(index: &PurchaseIndex) -> Self {
        let mut set = TrainingSet::<FEATURE_COUNT>::default();
        let product_count = index.products().len();
        for (customer, visits) in training_visits(index) {
            let baskets = index.baskets_of(customer);
            let Some(newest) = baskets.last() else { continue };
            let all_features = CustomerFeatures::new(baskets, newest.time, product_count);
            for position in visits {
                let (earlier, basket) = (&baskets[..position], &baskets[position]);
                let features = CustomerFeatures::new(earlier, basket.time, product_count);
                let visit = Visit::new(index, customer, &features, &all_features, basket.time);
                add_visit(&mut set, &visit, basket);
            }
        }
        if set.is_positive.iter().filter(|positive| **positive).count() < MIN_POSITIVES {
            return Self::default();
        }
        Self(Gbdt::train(&set))
    }
}

/// Adds the positives and sampled negatives of a visit. A visit without positives has no ranking
/// and is left out.
fn add_visit(set: &mut TrainingSet<FEATURE_COUNT>, visit: &Visit<'_>, basket: &Basket) {
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
fn base_margin(candidate: &Candidate) -> f64 {
    f64::from(candidate.base_score + 1e-4).ln()
}

/// Selects the visits of the training set: customers, and the range of their baskets.
fn training_visits(index: &PurchaseIndex) -> Vec<(CustomerIndex, Range<usize>)> {
    let customers = index.customers().iter().zip(0..);
    let mut customers: Vec<_> =
        customers.filter(|(c, _)| c.baskets.len() > MIN_EARLIER_BASKETS).collect();
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

/// Computes a hash that is the same on every machine and in every version: FNV-1a
/// (<http://www.isthe.com/chongo/tech/comp/fnv/>) with a seed.
fn hash(bytes: impl IntoIterator<Item = u8>, seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = bytes
        .into_iter()
        .fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // The low bits of FNV are of low quality.
    hash ^ (hash >> 32)
}
