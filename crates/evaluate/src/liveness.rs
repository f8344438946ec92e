//! Is the face live? APCER and BPCER by ISO/IEC 30107-3, for one kind of attack: that of the list.

mod report;
#[cfg(test)]
mod tests;

pub use report::{report, table};

use std::collections::BTreeMap;

use instored_recognition::PadMode;
use serde::Serialize;

use super::metrics::{DetPoint, Histogram, Outcomes, Proportion, Scores};
use super::protocol::{Frames, LiveFrame};

/// What the box may do with its finding, by the name it has in results.
pub const GATES: [(&str, PadMode); 3] =
    [("off", PadMode::Off), ("observe", PadMode::Observe), ("enforce", PadMode::Enforce)];

/// Figures by the name of the gate.
pub type ByGate<T> = BTreeMap<&'static str, T>;

/// Whether a face with this probability of being live is let pass. Where no face was found, nothing
/// is.
pub(super) fn lets_pass(gate: PadMode, live: Option<f32>, live_from: f32) -> bool {
    match gate {
        PadMode::Off | PadMode::Observe => live.is_some(),
        PadMode::Enforce => live.is_some_and(|live| live >= live_from),
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Liveness {
    /// Presentations of live faces: frames, or tracks of several.
    pub bona_fide: usize,
    /// Presentations of attacks.
    pub attacks: usize,
    /// Frames to a presentation.
    pub frames: usize,
    /// Probability from which a face passes as live.
    pub threshold: f32,
    /// Frames without a face. A presentation without any face is refused.
    pub failures_to_detect: usize,
    /// Share of attacks that pass, by gate.
    pub apcer: ByGate<Option<Proportion>>,
    /// Share of live faces that do not.
    pub bpcer: ByGate<Option<Proportion>>,
    /// For plots and lists, not for machines.
    #[serde(skip)]
    pub detail: Detail,
}

/// What plots and lists of failures need.
#[derive(Debug)]
pub struct Detail {
    /// APCER and BPCER as the threshold moves.
    pub det: Vec<DetPoint>,
    /// Probabilities of live faces.
    pub bona_fide: Histogram,
    /// Probabilities of attacks.
    pub attacks: Histogram,
    /// First frames of live faces that were refused with [`PadMode::Enforce`], by their places.
    pub refused: Vec<usize>,
    /// First frames of attacks that passed.
    pub passed: Vec<usize>,
}

/// Judges every frame by its probability of being live (`None`: no face was found). With `length`
/// above 1, tracks of so many frames are judged, each by the mean of its frames with a face.
pub fn measure(
    frames: &Frames,
    liveness: &[Option<f32>],
    live_from: f32,
    length: usize,
) -> Liveness {
    let tracks = frames.tracks(length);
    let (mut bona_fide, mut attacks) = (Vec::new(), Vec::new());
    for track in &tracks {
        let list = if track[0].live { &mut bona_fide } else { &mut attacks };
        list.push((track[0].picture, mean(track, liveness)));
    }
    type Presentation = (usize, Option<f32>);
    let passes = |gate| move |p: &&Presentation| lets_pass(gate, p.1, live_from);
    let share = |list: &[Presentation], gate| {
        Proportion::of(list.iter().filter(passes(gate)).count() as u64, list.len() as u64)
    };
    let scores = |list: &[Presentation]| Scores::new(list.iter().map(|p| p.1));
    let outcomes = Outcomes { genuine: scores(&bona_fide), impostor: scores(&attacks) };
    let histogram = |scores: &Scores| Histogram::of_probabilities().with(scores.listed());
    let enforced = passes(PadMode::Enforce);
    Liveness {
        bona_fide: bona_fide.len(),
        attacks: attacks.len(),
        frames: length,
        threshold: live_from,
        failures_to_detect: liveness.iter().filter(|l| l.is_none()).count(),
        apcer: GATES.map(|(name, gate)| (name, share(&attacks, gate))).into(),
        bpcer: GATES
            .map(|(name, gate)| (name, share(&bona_fide, gate).map(Proportion::complement)))
            .into(),
        detail: Detail {
            det: outcomes.det(),
            bona_fide: histogram(&outcomes.genuine),
            attacks: histogram(&outcomes.impostor),
            refused: bona_fide.iter().filter(|p| !enforced(p)).map(|p| p.0).collect(),
            passed: attacks.iter().filter(|p| enforced(p)).map(|p| p.0).collect(),
        },
    }
}

fn mean(track: &[&LiveFrame], liveness: &[Option<f32>]) -> Option<f32> {
    let found: Vec<f32> = track.iter().filter_map(|f| liveness[f.picture]).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f32>() / found.len() as f32)
}
