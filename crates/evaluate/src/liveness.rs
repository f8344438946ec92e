//! Presentation attack detection: APCER and BPCER by ISO/IEC 30107-3, for the type of attack in the
//! list.

mod report;
#[cfg(test)]
mod tests;

pub use report::{report, table};

use std::collections::BTreeMap;

use instored_recognition::PadMode;
use serde::Serialize;

use super::metrics::{DetPoint, Histogram, Outcomes, Proportion, Scores};
use super::protocol::{Frames, LabelledFrame};

/// Modes of presentation attack detection, with their names in results.
pub const PAD_MODES: [(&str, PadMode); 3] =
    [("off", PadMode::Off), ("observe", PadMode::Observe), ("enforce", PadMode::Enforce)];

/// Values by the name of the mode.
pub type ByPadMode<T> = BTreeMap<&'static str, T>;

/// Returns true if the mode accepts a face with this probability of being live. A presentation
/// without a face is never accepted.
pub(super) fn is_accepted(mode: PadMode, probability: Option<f32>, threshold: f32) -> bool {
    match mode {
        PadMode::Off | PadMode::Observe => probability.is_some(),
        PadMode::Enforce => probability.is_some_and(|probability| probability >= threshold),
    }
}

/// Results of a measurement.
#[derive(Debug, Serialize)]
pub struct Liveness {
    /// Number of bona fide presentations.
    pub bona_fide: usize,
    /// Number of attack presentations.
    pub attacks: usize,
    /// Number of frames per presentation.
    #[serde(rename = "frames")]
    pub frames_per_presentation: usize,
    /// Least probability at which a face counts as live.
    pub threshold: f32,
    /// Number of frames without a face. A presentation without a face in any frame counts as rejected.
    pub failures_to_detect: usize,
    /// Share of accepted attack presentations, by mode.
    pub apcer: ByPadMode<Option<Proportion>>,
    /// Share of rejected bona fide presentations, by mode.
    pub bpcer: ByPadMode<Option<Proportion>>,
    /// Data for plots and lists of failures.
    #[serde(skip)]
    pub detail: Detail,
}

/// Data for plots and lists of failures.
#[derive(Debug)]
pub struct Detail {
    /// APCER and BPCER by threshold.
    pub det: Vec<DetPoint>,
    /// Probabilities of bona fide presentations.
    pub bona_fide: Histogram,
    /// Probabilities of attack presentations.
    pub attacks: Histogram,
    /// First picture of each bona fide presentation that [`PadMode::Enforce`] rejects.
    pub rejected_bona_fide: Vec<usize>,
    /// First picture of each attack presentation that [`PadMode::Enforce`] accepts.
    pub accepted_attacks: Vec<usize>,
}

/// Presentation: its first picture and its probability of being live.
type Presentation = (usize, Option<f32>);

/// Classifies presentations of `track_length` frames, each by the mean probability of its frames with a
/// face. `probabilities` has one value per picture; `None` stands for a picture without a face.
pub fn measure(
    frames: &Frames,
    probabilities: &[Option<f32>],
    threshold: f32,
    track_length: usize,
) -> Liveness {
    let (mut bona_fide, mut attacks) = (Vec::new(), Vec::new());
    for track in &frames.tracks(track_length) {
        let list = if track[0].is_live { &mut bona_fide } else { &mut attacks };
        list.push((track[0].picture, mean_probability(track, probabilities)));
    }
    let is_accepted_in = |mode| move |p: &&Presentation| is_accepted(mode, p.1, threshold);
    let accepted_share = |list: &[Presentation], mode| {
        let accepted = list.iter().filter(is_accepted_in(mode)).count();
        Proportion::of(accepted as u64, list.len() as u64)
    };
    let scores = |list: &[Presentation]| Scores::new(list.iter().map(|p| p.1));
    let outcomes = Outcomes { mated: scores(&bona_fide), non_mated: scores(&attacks) };
    let histogram = |scores: &Scores| Histogram::of_probabilities().with_scores(scores.listed());
    let is_accepted_in_enforce = is_accepted_in(PadMode::Enforce);
    Liveness {
        bona_fide: bona_fide.len(),
        attacks: attacks.len(),
        frames_per_presentation: track_length,
        threshold,
        failures_to_detect: probabilities.iter().filter(|p| p.is_none()).count(),
        apcer: PAD_MODES.map(|(name, mode)| (name, accepted_share(&attacks, mode))).into(),
        bpcer: PAD_MODES
            .map(|(name, mode)| {
                (name, accepted_share(&bona_fide, mode).map(Proportion::complement))
            })
            .into(),
        detail: Detail {
            det: outcomes.det(),
            bona_fide: histogram(&outcomes.mated),
            attacks: histogram(&outcomes.non_mated),
            rejected_bona_fide: bona_fide
                .iter()
                .filter(|p| !is_accepted_in_enforce(p))
                .map(|p| p.0)
                .collect(),
            accepted_attacks: attacks
                .iter()
                .filter(|p| is_accepted_in_enforce(p))
                .map(|p| p.0)
                .collect(),
        },
    }
}

/// Returns the mean probability of a track's frames with a face, or `None` without such a frame.
fn mean_probability(track: &[&LabelledFrame], probabilities: &[Option<f32>]) -> Option<f32> {
    let found: Vec<f32> = track.iter().filter_map(|frame| probabilities[frame.picture]).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f32>() / found.len() as f32)
}
