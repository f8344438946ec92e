//! Accuracy by cross-validation, as defined by LFW (Huang and others, "Labeled Faces in the Wild",
//! 2007), for any number of folds.

use std::collections::BTreeSet;

use serde::Serialize;

/// Comparison in a fold of the cross-validation.
#[derive(Clone, Copy, Debug)]
pub struct FoldComparison<'a> {
    /// Name of the fold.
    pub fold: &'a str,
    /// Score; `None` if a picture shows no face, which counts as rejected.
    pub score: Option<f32>,
    /// True if both pictures show the same person.
    pub is_mated: bool,
}

/// Share of correct decisions. The threshold of each fold is chosen on the other folds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct FoldAccuracy {
    /// Mean over the folds, 0 to 1.
    pub mean: f64,
    /// Standard deviation over the n folds (divisor n − 1). The standard error of the mean is √n times
    /// smaller.
    #[serde(rename = "sd")]
    pub standard_deviation: f64,
    /// Number of folds.
    pub folds: usize,
}

/// Returns the accuracy, or `None` with fewer than two folds.
pub fn fold_accuracy(comparisons: &[FoldComparison<'_>]) -> Option<FoldAccuracy> {
    let folds: BTreeSet<&str> = comparisons.iter().map(|c| c.fold).collect();
    let count = folds.len();
    if count < 2 {
        return None;
    }
    let shares: Vec<f64> = folds.into_iter().map(|fold| accuracy_of(fold, comparisons)).collect();
    let mean = shares.iter().sum::<f64>() / count as f64;
    let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
    Some(FoldAccuracy { mean, standard_deviation: variance.sqrt(), folds: count })
}

/// Returns the share of correct decisions in one fold.
fn accuracy_of(fold: &str, comparisons: &[FoldComparison<'_>]) -> f64 {
    let (fold_comparisons, other_comparisons): (Vec<_>, Vec<_>) =
        comparisons.iter().partition(|c| c.fold == fold);
    let threshold = best_threshold(other_comparisons);
    let is_correct =
        |c: &&&FoldComparison<'_>| c.score.is_some_and(|s| s >= threshold) == c.is_mated;
    let correct = fold_comparisons.iter().filter(is_correct).count();
    correct as f64 / fold_comparisons.len() as f64
}

/// Returns the threshold with the most correct decisions, midway between two scores. Of several such
/// thresholds, returns the highest.
fn best_threshold(mut comparisons: Vec<&FoldComparison<'_>>) -> f32 {
    comparisons.retain(|c| c.score.is_some());
    let score = |c: &FoldComparison<'_>| c.score.unwrap_or(f32::NEG_INFINITY);
    comparisons.sort_by(|a, b| score(b).total_cmp(&score(a)));
    // `gain` is the number of additional correct decisions, relative to a threshold above all scores.
    let (mut gain, mut best_gain, mut best) = (0i64, 0, f32::INFINITY);
    for (i, comparison) in comparisons.iter().enumerate() {
        gain += if comparison.is_mated { 1 } else { -1 };
        let next = comparisons.get(i + 1).map_or(-1.0, |c| score(c));
        if gain > best_gain && next < score(comparison) {
            (best_gain, best) = (gain, score(comparison).midpoint(next));
        }
    }
    best
}
