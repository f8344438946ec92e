//! Are two pictures of one person? TMR at FMR, and accuracy where there are folds.

mod report;
#[cfg(test)]
mod tests;

pub use report::{report, table};

use instored_domain::Embedding;
use serde::Serialize;

use super::EvaluateError;
use super::cross::{Compared, cross};
use super::metrics::{
    ByRate, DetPoint, FoldAccuracy, Histogram, OperatingPoint, Outcomes, Scores, Verdict,
    fold_accuracy,
};
use super::protocol::Pairs;

/// FMRs at which the TMR is given, as far as the impostors reach.
pub const FMR: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// The rate whose threshold tells failures.
const FAILURES_AT: f64 = 1e-3;

/// Failures of each kind that are listed.
const FAILURES_LISTED: usize = 60;

/// The share of cross comparisons whose scores are kept: all that the highest FMR asks for.
const KEPT_SHARE: f64 = 0.011;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// Different pictures.
    pub pictures: usize,
    /// Pictures without a face; every comparison with one is a comparison without a match.
    pub failures_to_detect: usize,
    /// Comparisons of one person's pictures.
    pub genuine: u64,
    /// Comparisons of two people's pictures.
    pub impostor: u64,
    /// Over the pairs of the protocol, where they have folds.
    pub accuracy_10fold: Option<FoldAccuracy>,
    /// TMR by FMR.
    pub tmr_at_fmr: ByRate<OperatingPoint>,
    /// For plots and lists, not for machines.
    #[serde(skip)]
    pub detail: Detail,
}

/// What plots and lists of failures need.
#[derive(Debug)]
pub struct Detail {
    /// FMR and FNMR.
    pub det: Vec<DetPoint>,
    /// Scores of genuine comparisons.
    pub genuine: Histogram,
    /// Scores of impostor comparisons.
    pub impostor: Histogram,
    /// The rate and the threshold at which the failures failed, if the impostors reach so far.
    pub failing: Option<(f64, OperatingPoint)>,
    /// Genuine pairs below it, the least alike first, those without a face before.
    pub false_non_matches: Vec<Compared>,
    /// Impostor pairs that reach it, the most alike first.
    pub false_matches: Vec<Compared>,
}

/// Compares the pairs, by the templates of their pictures (`None`: no face was found). With `cross`,
/// impostors are all pairs of the pictures that show different people, in place of those of the
/// protocol.
///
/// # Errors
/// When templates have different lengths, or with `cross` a picture lies in no person's folder.
pub fn measure(
    pairs: &Pairs,
    templates: &[Option<Embedding>],
    with_cross: bool,
    threads: usize,
) -> Result<Verification, EvaluateError> {
    let score = |[a, b]: [usize; 2]| Some(templates[a].as_ref()?.cosine(templates[b].as_ref()?));
    let scored: Vec<_> = pairs.pairs.iter().map(|pair| (pair, score(pair.pictures))).collect();
    let compared = |same: bool| {
        scored.iter().filter(move |(pair, _)| pair.same == same).map(|(pair, score)| Compared {
            score: score.unwrap_or(f32::NEG_INFINITY),
            pictures: pair.pictures,
        })
    };
    let mut genuine: Vec<Compared> = compared(true).collect();
    genuine.sort_by(|a, b| a.score.total_cmp(&b.score));
    let (impostors, impostor, impostor_histogram) = if with_cross {
        let cross = cross(templates, &pairs.people()?, KEPT_SHARE, threads)?;
        let scores = Scores::highest_of(of(&cross.highest), cross.total);
        (cross.highest, scores, cross.histogram)
    } else {
        let mut impostors: Vec<Compared> = compared(false).collect();
        impostors.sort_by(|a, b| b.score.total_cmp(&a.score));
        let scores = Scores::highest_of(of(&impostors), impostors.len() as u64);
        let histogram = Histogram::of_cosines().with(scores.listed());
        (impostors, scores, histogram)
    };
    let verdicts: Option<Vec<Verdict<'_>>> = scored
        .iter()
        .map(|(pair, score)| {
            Some(Verdict { fold: pair.fold.as_deref()?, score: *score, same: pair.same })
        })
        .collect();
    let genuine_scores = Scores::highest_of(of(&genuine), genuine.len() as u64);
    let histogram = Histogram::of_cosines().with(genuine_scores.listed());
    let outcomes = Outcomes { genuine: genuine_scores, impostor };
    let failing = [FAILURES_AT, FMR[0]]
        .into_iter()
        .find_map(|rate| Some((rate, outcomes.accepted_at(rate)?)));
    let threshold = failing.map(|(_, point)| point.threshold);
    let some = |list: &[Compared], fails: &dyn Fn(f32) -> bool| {
        list.iter().take_while(|c| fails(c.score)).take(FAILURES_LISTED).copied().collect()
    };
    Ok(Verification {
        pictures: pairs.pictures.len(),
        failures_to_detect: templates.iter().filter(|t| t.is_none()).count(),
        genuine: outcomes.genuine.total(),
        impostor: outcomes.impostor.total(),
        accuracy_10fold: verdicts.and_then(|verdicts| fold_accuracy(&verdicts)),
        tmr_at_fmr: outcomes.by_rate(&FMR, Outcomes::accepted_at),
        detail: Detail {
            det: outcomes.det(),
            genuine: histogram,
            impostor: impostor_histogram,
            failing,
            false_non_matches: some(&genuine, &|s| threshold.is_some_and(|t| s < t)),
            false_matches: some(&impostors, &|s| threshold.is_some_and(|t| s >= t)),
        },
    })
}

fn of(compared: &[Compared]) -> Vec<f32> {
    compared.iter().map(|c| c.score).collect()
}
