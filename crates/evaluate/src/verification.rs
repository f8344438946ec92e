//! Verification: mated and non-mated comparisons of two pictures, TMR at FMR, and accuracy over
//! folds.

mod report;
#[cfg(test)]
mod tests;

pub use report::{report, table};

use instored_domain::Embedding;
use serde::Serialize;

use super::EvaluateError;
use super::all_pairs::{Comparison, compare_all};
use super::metrics::{
    ByRate, DetPoint, FoldAccuracy, FoldComparison, Histogram, OperatingPoint, Outcomes, Scores,
    fold_accuracy,
};
use super::protocol::Pairs;

/// FMRs at which the TMR is given, if there are enough non-mated comparisons.
pub const FMR: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// FMR of the threshold for the lists of failures.
const FAILURES_FMR: f64 = 1e-3;

/// Maximum number of listed failures of each kind.
const LISTED_FAILURES_MAX: usize = 60;

/// Share of cross comparisons whose scores are kept. The highest FMR, 0.01, must be below this share.
const KEPT_SHARE: f64 = 0.011;

/// Results of a verification.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// Number of different pictures.
    pub pictures: usize,
    /// Number of pictures without a face; every comparison with such a picture counts as rejected.
    pub failures_to_detect: usize,
    /// Number of mated comparisons.
    #[serde(rename = "genuine")]
    pub mated: u64,
    /// Number of non-mated comparisons.
    #[serde(rename = "impostor")]
    pub non_mated: u64,
    /// Accuracy over the folds of the protocol, if it has any.
    pub accuracy_10fold: Option<FoldAccuracy>,
    /// TMR by FMR.
    pub tmr_at_fmr: ByRate<OperatingPoint>,
    /// Data for plots and lists of failures.
    #[serde(skip)]
    pub detail: Detail,
}

/// Data for plots and lists of failures.
#[derive(Debug)]
pub struct Detail {
    /// FMR and FNMR by threshold.
    pub det: Vec<DetPoint>,
    /// Scores of mated comparisons.
    pub mated: Histogram,
    /// Scores of non-mated comparisons.
    pub non_mated: Histogram,
    /// FMR and operating point for the lists of failures, if there are enough non-mated comparisons.
    pub failure_point: Option<(f64, OperatingPoint)>,
    /// Mated comparisons below the threshold, by ascending score.
    pub false_non_matches: Vec<Comparison>,
    /// Non-mated comparisons at or above the threshold, by descending score.
    pub false_matches: Vec<Comparison>,
}

/// Non-mated comparisons: those with the highest scores, and a histogram of all scores.
struct NonMated {
    highest: Vec<Comparison>,
    scores: Scores,
    histogram: Histogram,
}

/// Compares the pairs by the templates of their pictures; `None` stands for a picture without a face.
/// If `with_cross` is true, all pictures of different people are compared instead of the non-mated
/// pairs.
///
/// # Errors
/// If templates have different lengths, or if `with_cross` is true and a picture is not in a person's
/// folder.
pub fn measure(
    pairs: &Pairs,
    templates: &[Option<Embedding>],
    with_cross: bool,
    threads: usize,
) -> Result<Verification, EvaluateError> {
    let score = |[a, b]: [usize; 2]| Some(templates[a].as_ref()?.cosine(templates[b].as_ref()?));
    let scored: Vec<_> = pairs.pairs.iter().map(|pair| (pair, score(pair.pictures))).collect();
    let comparisons = |is_mated: bool| -> Vec<Comparison> {
        let pairs = scored.iter().filter(|(pair, _)| pair.is_mated == is_mated);
        pairs
            .map(|(pair, score)| Comparison {
                score: score.unwrap_or(f32::NEG_INFINITY),
                pictures: pair.pictures,
            })
            .collect()
    };
    let mut mated = comparisons(true);
    mated.sort_by(|a, b| a.score.total_cmp(&b.score));
    let non_mated = if with_cross {
        NonMated::of_all_pictures(pairs, templates, threads)?
    } else {
        NonMated::of_pairs(comparisons(false))
    };
    let folds: Option<Vec<FoldComparison<'_>>> = scored
        .iter()
        .map(|(pair, score)| {
            let fold = pair.fold.as_deref()?;
            Some(FoldComparison { fold, score: *score, is_mated: pair.is_mated })
        })
        .collect();
    let mated_scores = Scores::top_of(scores_of(&mated), mated.len() as u64);
    let mated_histogram = Histogram::of_cosines().with_scores(mated_scores.listed());
    let outcomes = Outcomes { mated: mated_scores, non_mated: non_mated.scores };
    let failure_point = [FAILURES_FMR, FMR[0]]
        .into_iter()
        .find_map(|rate| Some((rate, outcomes.tmr_at_fmr(rate)?)));
    let threshold = failure_point.map(|(_, point)| point.threshold);
    let failures = |list: &[Comparison], is_failure: &dyn Fn(f32) -> bool| {
        let failures = list.iter().take_while(|c| is_failure(c.score));
        failures.take(LISTED_FAILURES_MAX).copied().collect()
    };
    Ok(Verification {
        pictures: pairs.pictures.len(),
        failures_to_detect: templates.iter().filter(|t| t.is_none()).count(),
        mated: outcomes.mated.total(),
        non_mated: outcomes.non_mated.total(),
        accuracy_10fold: folds.and_then(|folds| fold_accuracy(&folds)),
        tmr_at_fmr: outcomes.by_rate(&FMR, Outcomes::tmr_at_fmr),
        detail: Detail {
            det: outcomes.det(),
            mated: mated_histogram,
            non_mated: non_mated.histogram,
            failure_point,
            false_non_matches: failures(&mated, &|s| threshold.is_some_and(|t| s < t)),
            false_matches: failures(&non_mated.highest, &|s| threshold.is_some_and(|t| s >= t)),
        },
    })
}

impl NonMated {
    /// Creates the value from the non-mated pairs of the protocol.
    fn of_pairs(mut comparisons: Vec<Comparison>) -> Self {
        comparisons.sort_by(|a, b| b.score.total_cmp(&a.score));
        let scores = Scores::top_of(scores_of(&comparisons), comparisons.len() as u64);
        let histogram = Histogram::of_cosines().with_scores(scores.listed());
        Self { highest: comparisons, scores, histogram }
    }

    /// Compares all pictures of different people.
    fn of_all_pictures(
        pairs: &Pairs,
        templates: &[Option<Embedding>],
        threads: usize,
    ) -> Result<Self, EvaluateError> {
        let all = compare_all(templates, &pairs.people()?, KEPT_SHARE, threads)?;
        let scores = Scores::top_of(scores_of(&all.highest), all.total);
        Ok(Self { highest: all.highest, scores, histogram: all.histogram })
    }
}

/// Returns the scores of comparisons.
fn scores_of(comparisons: &[Comparison]) -> Vec<f32> {
    comparisons.iter().map(|c| c.score).collect()
}
