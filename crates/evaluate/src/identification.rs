//! Open-set identification with one picture per probe: FNIR at FPIR.

mod report;
#[cfg(test)]
mod tests;

pub use report::{calibrated_table, report, table};

use instored_domain::{CustomerId, Embedding};
use instored_recognition::{Gallery, PadMode};
use instored_vision::Calibration;
use serde::Serialize;

use super::liveness::{ByPadMode, PAD_MODES, is_accepted};
use super::metrics::{ByRate, DetPoint, Histogram, OperatingPoint, Outcomes, Proportion, Scores};
use super::protocol::{Split, Trial};

/// FPIRs at which the FNIR is given, if there are enough non-mated probes.
pub const FPIR: [f64; 4] = [0.01, 0.003, 0.0025, 0.001];

/// FPIRs at which the calibration is measured.
const CALIBRATED_FPIR: [f64; 2] = [0.01, 0.001];

/// Results of an identification, over all trials.
#[derive(Debug, Serialize)]
pub struct Identification {
    /// Number of trials.
    pub trials: usize,
    /// People in the largest gallery.
    #[serde(rename = "gallery")]
    pub gallery_size: usize,
    /// Number of probes of enrolled people.
    #[serde(rename = "known")]
    pub mated: u64,
    /// Number of probes of people who are not enrolled.
    #[serde(rename = "strangers")]
    pub non_mated: u64,
    /// Number of attacks that show enrolled people.
    #[serde(rename = "spoofs")]
    pub attacks: u64,
    /// Number of different pictures without a face. A probe without a face matches nobody. A person
    /// whose enrolment pictures all lack a face is never found.
    pub failures_to_detect: usize,
    /// FNIR by FPIR, with the threshold taken from the non-mated probes. A mated probe counts as
    /// rejected if its score is below the threshold, or if it is misidentified.
    pub fnir_at_fpir: ByRate<OperatingPoint>,
    /// Rates at the thresholds of the calibration, by target FPIR and mode.
    #[serde(skip_serializing_if = "ByRate::is_empty")]
    pub calibrated: ByRate<ByPadMode<CalibratedRates>>,
    /// Data for plots and lists of failures.
    #[serde(skip)]
    pub detail: Detail,
}

/// Rates at a threshold that comes from the calibration, not from the probes.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct CalibratedRates {
    /// Lowest accepted score, for the largest gallery.
    pub threshold: f32,
    /// Share of mated probes that are rejected or misidentified.
    pub fnir: Option<Proportion>,
    /// Share of non-mated probes that are accepted.
    pub fpir: Option<Proportion>,
    /// Share of attacks that are accepted.
    #[serde(rename = "spoofs_greeted")]
    pub attacks_accepted: Option<Proportion>,
}

/// Data for plots and lists of failures.
#[derive(Debug)]
pub struct Detail {
    /// FPIR and FNIR by threshold.
    pub det: Vec<DetPoint>,
    /// Highest scores of mated probes.
    pub mated: Histogram,
    /// Highest scores of non-mated probes.
    pub non_mated: Histogram,
    /// FPIR and operating point for the lists of failures, if there are enough non-mated probes.
    pub failure_point: Option<(f64, OperatingPoint)>,
    /// Pictures of mated probes that are rejected or misidentified.
    pub false_negatives: Vec<usize>,
    /// Pictures of non-mated probes that are accepted.
    pub false_positives: Vec<usize>,
}

/// Data extracted from the pictures of the protocol, by their indices.
pub struct Extracted<'a> {
    /// Templates; `None` stands for a picture without a face.
    pub templates: &'a [Option<Embedding>],
    /// Probabilities that the face is live; empty if they are not measured.
    pub liveness: &'a [Option<f32>],
    /// Least probability at which a face counts as live.
    pub liveness_threshold: f32,
}

/// Result of one probe.
#[derive(Clone, Copy)]
struct Probe {
    picture: usize,
    /// Highest score in the gallery; minus infinity without a face or for an empty gallery.
    score: f32,
    /// True if the person with the highest score is the person of the probe.
    is_correct: bool,
    /// People in the gallery of the trial.
    gallery_size: usize,
}

/// Results of all probes.
#[derive(Default)]
struct Probes {
    mated: Vec<Probe>,
    non_mated: Vec<Probe>,
    attacks: Vec<Probe>,
}

/// Identifies the probes of each trial with the [`Gallery`] of the box, with one picture per probe and
/// without the margin between the first and the second customer. The FNIR is measured at [`FPIR`] and
/// at the additional FPIRs `rates`.
pub fn measure(
    split: &Split,
    extracted: &Extracted<'_>,
    rates: &[f64],
    calibration: Option<&Calibration>,
) -> Identification {
    let probes = Probes::identify(split, extracted.templates);
    let outcomes = Outcomes {
        mated: Scores::new(probes.mated.iter().map(|p| p.is_correct.then_some(p.score))),
        non_mated: Scores::new(probes.non_mated.iter().map(|p| Some(p.score))),
    };
    let rates: Vec<f64> = FPIR.iter().chain(rates).copied().collect();
    let failure_point = rates.iter().rev().find_map(|r| Some((*r, outcomes.fnir_at_fpir(*r)?)));
    let failures = |probes: &[Probe], is_failure: &dyn Fn(&Probe, f32) -> bool| {
        let Some((_, point)) = failure_point else { return Vec::new() };
        probes.iter().filter(|p| is_failure(p, point.threshold)).map(|p| p.picture).collect()
    };
    let histogram = |probes: &[Probe]| {
        Histogram::of_cosines().with_scores(&probes.iter().map(|p| p.score).collect::<Vec<_>>())
    };
    let calibrated = |calibration: &Calibration| {
        let rates = |fpir: f64| calibrated_rates(&probes, extracted, calibration, fpir);
        CALIBRATED_FPIR.into_iter().map(|fpir| (fpir.to_string(), rates(fpir))).collect()
    };
    Identification {
        trials: split.trials.len(),
        gallery_size: split.trials.iter().map(|t| t.gallery.len()).max().unwrap_or(0),
        mated: probes.mated.len() as u64,
        non_mated: probes.non_mated.len() as u64,
        attacks: probes.attacks.len() as u64,
        failures_to_detect: extracted.templates.iter().filter(|t| t.is_none()).count(),
        fnir_at_fpir: outcomes.by_rate(&rates, Outcomes::fnir_at_fpir),
        calibrated: calibration.map(calibrated).unwrap_or_default(),
        detail: Detail {
            det: outcomes.det(),
            mated: histogram(&probes.mated),
            non_mated: histogram(&probes.non_mated),
            failure_point,
            false_negatives: failures(&probes.mated, &|p, t| !(p.is_correct && p.score >= t)),
            false_positives: failures(&probes.non_mated, &|p, t| p.score >= t),
        },
    }
}

impl Probes {
    /// Identifies the probes of each trial in the gallery of the trial.
    fn identify(split: &Split, templates: &[Option<Embedding>]) -> Self {
        let mut probes = Self::default();
        for trial in &split.trials {
            let gallery = gallery(trial, templates);
            let probe = |picture: usize, person: Option<usize>| {
                let best = templates[picture].as_ref().and_then(|face| gallery.rank(face).first);
                Probe {
                    picture,
                    score: best.map_or(f32::NEG_INFINITY, |(_, score)| score),
                    is_correct: best.is_some_and(|(id, _)| Some(id) == person.map(customer_id)),
                    gallery_size: trial.gallery.len(),
                }
            };
            let mated = trial.mated.iter().map(|(person, picture)| probe(*picture, Some(*person)));
            probes.mated.extend(mated);
            probes.non_mated.extend(trial.non_mated.iter().map(|picture| probe(*picture, None)));
            probes.attacks.extend(trial.attacks.iter().map(|picture| probe(*picture, None)));
        }
        probes
    }
}

/// Returns the gallery of a trial, with its people enrolled.
fn gallery(trial: &Trial, templates: &[Option<Embedding>]) -> Gallery {
    let mut gallery = Gallery::default();
    for (index, person) in trial.gallery.iter().enumerate() {
        let embeddings = person.pictures.iter().filter_map(|picture| templates[*picture].as_ref());
        gallery.insert(customer_id(index), embeddings);
    }
    gallery
}

/// Returns the customer id of the person at `index` of the gallery.
fn customer_id(index: usize) -> CustomerId {
    CustomerId(uuid::Uuid::from_u128(index as u128))
}

/// Returns the rates at the threshold that the box would set for a target FPIR, by mode.
fn calibrated_rates(
    probes: &Probes,
    extracted: &Extracted<'_>,
    calibration: &Calibration,
    fpir: f64,
) -> ByPadMode<CalibratedRates> {
    let rates = |mode: PadMode| {
        let is_positive = |p: &Probe| {
            let is_live = || {
                let probability = extracted.liveness[p.picture];
                is_accepted(mode, probability, extracted.liveness_threshold)
            };
            p.score >= calibration.gallery_threshold(fpir, p.gallery_size)
                && (mode == PadMode::Off || is_live())
        };
        let share = |probes: &[Probe], is_counted: &dyn Fn(&Probe) -> bool| {
            let count = probes.iter().filter(|p| is_counted(p)).count();
            Proportion::of(count as u64, probes.len() as u64)
        };
        let all = probes.mated.iter().chain(&probes.non_mated).chain(&probes.attacks);
        let largest = all.map(|p| p.gallery_size).max().unwrap_or(0);
        CalibratedRates {
            threshold: calibration.gallery_threshold(fpir, largest),
            fnir: share(&probes.mated, &|p| !(p.is_correct && is_positive(p))),
            fpir: share(&probes.non_mated, &is_positive),
            attacks_accepted: share(&probes.attacks, &is_positive),
        }
    };
    // All modes except `off` need the measured probabilities.
    let is_measured = |mode: &PadMode| *mode == PadMode::Off || !extracted.liveness.is_empty();
    let modes = PAD_MODES.into_iter().filter(|(_, mode)| is_measured(mode));
    modes.map(|(name, mode)| (name, rates(mode))).collect()
}
