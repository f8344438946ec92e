//! Accuracy by cross-validation, as LFW defines it (Huang and others, "Labeled Faces in the Wild",
//! 2007, restricted to its ten folds or to however many there are).

use std::collections::BTreeSet;

use serde::Serialize;

/// A pair with what was found and what is true.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    /// The fold it belongs to.
    pub fold: &'a str,
    /// How alike its pictures are; `None` when one shows no face, which is answered "not the same".
    pub score: Option<f32>,
    /// Whether it shows one person.
    pub same: bool,
}

/// Share of right answers, with the threshold of each fold chosen on the others.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct FoldAccuracy {
    /// Mean over the folds, 0 to 1.
    pub mean: f64,
    /// Standard deviation of a fold (over n − 1); that of the mean is √n times smaller.
    pub sd: f64,
    /// Number of folds.
    pub folds: usize,
}

/// `None` with fewer than two folds.
pub fn fold_accuracy(verdicts: &[Verdict<'_>]) -> Option<FoldAccuracy> {
    let folds: BTreeSet<&str> = verdicts.iter().map(|v| v.fold).collect();
    let count = folds.len();
    if count < 2 {
        return None;
    }
    let shares: Vec<f64> = folds
        .into_iter()
        .map(|fold| {
            let (tested, chosen_on): (Vec<_>, Vec<_>) =
                verdicts.iter().partition(|v| v.fold == fold);
            let threshold = best_threshold(chosen_on);
            let right =
                tested.iter().filter(|v| v.score.is_some_and(|s| s >= threshold) == v.same).count();
            right as f64 / tested.len() as f64
        })
        .collect();
    let mean = shares.iter().sum::<f64>() / count as f64;
    let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
    Some(FoldAccuracy { mean, sd: variance.sqrt(), folds: count })
}

/// The threshold with the most right answers; of several, the highest. It lies in the middle between
/// two scores.
fn best_threshold(mut verdicts: Vec<&Verdict<'_>>) -> f32 {
    verdicts.retain(|v| v.score.is_some());
    let score = |v: &Verdict<'_>| v.score.unwrap_or(f32::NEG_INFINITY);
    verdicts.sort_by(|a, b| score(b).total_cmp(&score(a)));
    // Right answers more than with a threshold above every score.
    let (mut gain, mut best) = (0i64, (0i64, f32::INFINITY));
    for (i, verdict) in verdicts.iter().enumerate() {
        gain += if verdict.same { 1 } else { -1 };
        let next = verdicts.get(i + 1).map_or(-1.0, |v| score(v));
        if gain > best.0 && next < score(verdict) {
            best = (gain, score(verdict).midpoint(next));
        }
    }
    best.1
}
