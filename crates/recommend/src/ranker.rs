//! Ranking of candidates: a base score without training, corrected by a model that is trained on
//! the shop's past visits.

use std::ops::Range;

use super::features::{Candidate, FEATURE_COUNT, Visit};
use super::gbdt::{Gbdt, TrainingSet};
use super::purchase_index::PurchaseIndex;
use super::training::{base_margin, training_set, training_visits};

/// Minimum number of positives (candidates that were bought). A model with fewer is worse than the
/// base score.
const MIN_POSITIVES: usize = 200;
/// Share of the visits that validate a model. It must rank these newest visits better than the base
/// score.
const VALIDATION_SHARE: f64 = 0.2;
/// Number of ranks that NDCG evaluates.
const NDCG_RANKS: usize = 10;

/// The trained ranking model of a shop. The default model ranks by the base score.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Ranker(Gbdt);

impl Ranker {
    /// Computes the score of a candidate. Higher is more likely.
    pub(super) fn score(&self, visit: &Visit<'_>, candidate: &Candidate) -> f64 {
        base_margin(candidate) + self.0.predict(&visit.candidate_features(candidate))
    }

    /// Trains a model on past visits. The result does not depend on the sequence in which orders
    /// were added. Returns the default model unless a model that is trained on the older visits
    /// ranks the newest visits better than the base score.
    pub(super) fn train(index: &PurchaseIndex) -> Self {
        let set = training_set(index, &training_visits(index));
        if set.is_positive.iter().filter(|positive| **positive).count() < MIN_POSITIVES {
            return Self::default();
        }
        let visit_count = set.group_ends.len();
        let older_count = visit_count - (visit_count as f64 * VALIDATION_SHARE).ceil() as usize;
        let model = Gbdt::train(&set, older_count);
        let validation = older_count..visit_count;
        let base = mean_ndcg(&set, validation.clone(), |row| set.base_margins[row]);
        let corrected = |row: usize| set.base_margins[row] + model.predict(&set.features[row]);
        if mean_ndcg(&set, validation, corrected) <= base {
            return Self::default();
        }
        Self(Gbdt::train(&set, visit_count))
    }
}

/// Computes the mean NDCG of groups whose rows are ranked by `score`. Each group must have a
/// positive.
fn mean_ndcg(
    set: &TrainingSet<FEATURE_COUNT>,
    groups: Range<usize>,
    score: impl Fn(usize) -> f64,
) -> f64 {
    let count = groups.len() as f64;
    let discount = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let ndcg = |group: usize| {
        let rows = set.rows(group);
        let positives = rows.clone().filter(|row| set.is_positive[*row]).count();
        let ideal: f64 = (0..positives.min(NDCG_RANKS)).map(discount).sum();
        let mut ranked: Vec<_> = rows.map(|row| (score(row), row)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let ranked = ranked.into_iter().take(NDCG_RANKS).enumerate();
        let gains = ranked.filter(|(_, (_, row))| set.is_positive[*row]);
        gains.map(|(rank, _)| discount(rank)).sum::<f64>() / ideal
    };
    groups.map(ndcg).sum::<f64>() / count
}
