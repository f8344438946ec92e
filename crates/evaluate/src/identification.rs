//! Who of those enrolled is it, if anyone? FNIR at FPIR, one picture a probe.

mod report;
#[cfg(test)]
mod tests;

pub use report::{calibrated_table, report, table};

use instored_domain::{CustomerId, Embedding};
use instored_recognition::{Gallery, PadMode};
use instored_vision::Calibration;
use serde::Serialize;

use super::liveness::{ByGate, GATES, lets_pass};
use super::metrics::{ByRate, DetPoint, Histogram, OperatingPoint, Outcomes, Proportion, Scores};
use super::protocol::{Split, Trial};

/// FPIRs at which the FNIR is given, as far as the strangers reach.
pub const FPIR: [f64; 4] = [0.01, 0.003, 0.0025, 0.001];

/// FPIRs that the calibration is asked for.
const CALIBRATED_FPIR: [f64; 2] = [0.01, 0.001];

/// What was measured, over all trials together.
#[derive(Debug, Serialize)]
pub struct Identification {
    /// Galleries.
    pub trials: usize,
    /// People enrolled in a trial; where trials differ, in the largest.
    pub gallery: usize,
    /// Probes of people who are enrolled.
    pub known: u64,
    /// Probes of people who are not.
    pub strangers: u64,
    /// Attacks with the likeness of people who are.
    pub spoofs: u64,
    /// Different pictures without a face. As a probe it is greeted by no name; a person with no other
    /// picture is enrolled in vain.
    pub failures_to_detect: usize,
    /// FNIR by FPIR: the threshold is taken from these strangers themselves. A known probe is missed
    /// if it stays below, and also if it is taken for somebody else.
    pub fnir_at_fpir: ByRate<OperatingPoint>,
    /// What happens at the threshold that the box would set by its calibration for such a gallery, by
    /// the FPIR that is set and by the liveness gate.
    #[serde(skip_serializing_if = "ByRate::is_empty")]
    pub calibrated: ByRate<ByGate<Decided>>,
    /// For plots and lists, not for machines.
    #[serde(skip)]
    pub detail: Detail,
}

/// Shares at a threshold that was set beforehand.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Decided {
    /// The lowest score that is greeted; where trials differ, in the largest gallery.
    pub threshold: f32,
    /// Known probes that are not greeted by their name.
    pub fnir: Option<Proportion>,
    /// Strangers who are greeted.
    pub fpir: Option<Proportion>,
    /// Attacks that are greeted.
    pub spoofs_greeted: Option<Proportion>,
}

/// What plots and lists of failures need.
#[derive(Debug)]
pub struct Detail {
    /// FPIR and FNIR.
    pub det: Vec<DetPoint>,
    /// Highest scores of known probes.
    pub known: Histogram,
    /// Highest scores of strangers.
    pub strangers: Histogram,
    /// Rate and threshold at which the failures failed, if the strangers reach so far.
    pub failing: Option<(f64, OperatingPoint)>,
    /// Known probes that were missed, by their places among the pictures.
    pub missed: Vec<usize>,
    /// Strangers that were greeted, by their places among the pictures.
    pub greeted: Vec<usize>,
}

/// What is known of the pictures, by their places in the protocol.
pub struct Seen<'a> {
    /// The template; `None` when no face was found.
    pub templates: &'a [Option<Embedding>],
    /// How probable it is that the face is live; empty when nobody looked.
    pub liveness: &'a [Option<f32>],
    /// Probability from which a face passes as live.
    pub live_from: f32,
}

/// One probe.
#[derive(Clone, Copy)]
struct Probe {
    picture: usize,
    /// The highest score in the gallery; minus infinity without a face or without a gallery.
    score: f32,
    /// Whether that is who it is; for strangers, never.
    named_rightly: bool,
    /// People enrolled in its trial.
    gallery: usize,
}

/// Identifies the probes of each trial in the box's own gallery, one picture a probe; the margin that
/// the box wants between the first customer and the second is not asked for. `rates` are FPIRs
/// besides [`FPIR`].
pub fn measure(
    split: &Split,
    seen: &Seen<'_>,
    rates: &[f64],
    calibration: Option<&Calibration>,
) -> Identification {
    let (mut known, mut strangers, mut spoofs) = (Vec::new(), Vec::new(), Vec::new());
    for trial in &split.trials {
        let gallery = enrolled(trial, seen.templates);
        let probe = |picture: usize, person: Option<usize>| {
            let best = seen.templates[picture].as_ref().and_then(|face| gallery.rank(face).first);
            Probe {
                picture,
                score: best.map_or(f32::NEG_INFINITY, |(_, score)| score),
                named_rightly: best.is_some_and(|(named, _)| Some(named) == person.map(customer)),
                gallery: trial.gallery.len(),
            }
        };
        known.extend(trial.known.iter().map(|(person, picture)| probe(*picture, Some(*person))));
        strangers.extend(trial.strangers.iter().map(|picture| probe(*picture, None)));
        spoofs.extend(trial.spoofs.iter().map(|picture| probe(*picture, None)));
    }
    let outcomes = Outcomes {
        genuine: Scores::new(known.iter().map(|p| p.named_rightly.then_some(p.score))),
        impostor: Scores::new(strangers.iter().map(|p| Some(p.score))),
    };
    let rates: Vec<f64> = FPIR.iter().chain(rates).copied().collect();
    let failing = rates.iter().rev().find_map(|r| Some((*r, outcomes.refused_at(*r)?)));
    let failures = |probes: &[Probe], fails: &dyn Fn(&Probe, f32) -> bool| {
        let Some((_, point)) = failing else { return Vec::new() };
        probes.iter().filter(|p| fails(p, point.threshold)).map(|p| p.picture).collect()
    };
    let histogram = |probes: &[Probe]| {
        Histogram::of_cosines().with(&probes.iter().map(|p| p.score).collect::<Vec<_>>())
    };
    let decide = |calibration: &Calibration| {
        let at = |rate: f64| decided(&known, &strangers, &spoofs, seen, calibration, rate);
        CALIBRATED_FPIR.into_iter().map(|rate| (rate.to_string(), at(rate))).collect()
    };
    Identification {
        trials: split.trials.len(),
        gallery: split.trials.iter().map(|t| t.gallery.len()).max().unwrap_or(0),
        known: known.len() as u64,
        strangers: strangers.len() as u64,
        spoofs: spoofs.len() as u64,
        failures_to_detect: seen.templates.iter().filter(|t| t.is_none()).count(),
        fnir_at_fpir: outcomes.by_rate(&rates, Outcomes::refused_at),
        calibrated: calibration.map(decide).unwrap_or_default(),
        detail: Detail {
            det: outcomes.det(),
            known: histogram(&known),
            strangers: histogram(&strangers),
            failing,
            missed: failures(&known, &|p, t| !(p.named_rightly && p.score >= t)),
            greeted: failures(&strangers, &|p, t| p.score >= t),
        },
    }
}

fn enrolled(trial: &Trial, templates: &[Option<Embedding>]) -> Gallery {
    let mut gallery = Gallery::default();
    for (place, person) in trial.gallery.iter().enumerate() {
        let found = person.pictures.iter().filter_map(|picture| templates[*picture].as_ref());
        gallery.insert(customer(place), found);
    }
    gallery
}

/// A person as the gallery knows customers.
fn customer(place: usize) -> CustomerId {
    CustomerId(uuid::Uuid::from_u128(place as u128))
}

fn decided(
    known: &[Probe],
    strangers: &[Probe],
    spoofs: &[Probe],
    seen: &Seen<'_>,
    calibration: &Calibration,
    rate: f64,
) -> ByGate<Decided> {
    let decide = |gate: PadMode| {
        let greeted = |p: &Probe| {
            let live = || lets_pass(gate, seen.liveness[p.picture], seen.live_from);
            p.score >= calibration.gallery_threshold(rate, p.gallery)
                && (gate == PadMode::Off || live())
        };
        let share = |probes: &[Probe], hit: &dyn Fn(&Probe) -> bool| {
            Proportion::of(probes.iter().filter(|p| hit(p)).count() as u64, probes.len() as u64)
        };
        let probes = known.iter().chain(strangers).chain(spoofs);
        let largest = probes.map(|p| p.gallery).max().unwrap_or(0);
        Decided {
            threshold: calibration.gallery_threshold(rate, largest),
            fnir: share(known, &|p| !(p.named_rightly && greeted(p))),
            fpir: share(strangers, &greeted),
            spoofs_greeted: share(spoofs, &greeted),
        }
    };
    // Where nobody looked at liveness, nothing can be said of the gates that do.
    let looked = |gate: &PadMode| *gate == PadMode::Off || !seen.liveness.is_empty();
    let gates = GATES.into_iter().filter(|(_, gate)| looked(gate));
    gates.map(|(name, gate)| (name, decide(gate))).collect()
}
