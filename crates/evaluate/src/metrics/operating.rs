//! What is accepted of those who should be, at the rate at which those who should not be are.

use serde::Serialize;

use super::{ByRate, Proportion, Scores};

/// The scores of those who should be accepted and of those who should not. In verification, genuine
/// and impostor comparisons; in identification, known probes that were named rightly (a probe that
/// was named wrongly has no score) and strangers.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// Who should be accepted.
    pub genuine: Scores,
    /// Who should not.
    pub impostor: Scores,
}

/// A share of the genuine at the threshold that a share of the impostors sets.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct OperatingPoint {
    /// The share.
    #[serde(flatten)]
    pub share: Proportion,
    /// The lowest score that is accepted.
    pub threshold: f32,
    /// How many impostors are. With fewer than [`STEADY`](Self::STEADY) the threshold is uncertain.
    pub impostors_accepted: u64,
}

impl OperatingPoint {
    /// Impostors from which a threshold is steady. The relative standard error of a rate that rests
    /// on k of them is 1/√k: 32 % at 10. Below, a figure is still given, and marked.
    pub const STEADY: u64 = 10;

    /// Whether the threshold rests on enough impostors.
    pub fn is_steady(&self) -> bool {
        self.impostors_accepted >= Self::STEADY
    }
}

/// A point of the detection error trade-off.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DetPoint {
    /// Share of impostors accepted: FMR or FPIR.
    pub impostors: f64,
    /// Share of genuine refused: FNMR or FNIR.
    pub genuine: Proportion,
}

/// Points of a trade-off curve: beyond these it looks the same.
const CURVE_POINTS: u32 = 160;

impl Outcomes {
    /// The share of the genuine that is accepted where at most `share` of the impostors are: TMR at
    /// FMR. `None` when there are no genuine, or the impostors do not reach so far: less than one of
    /// them would be accepted.
    pub fn accepted_at(&self, share: f64) -> Option<OperatingPoint> {
        let threshold = self.impostor.threshold_for(share)?;
        Some(OperatingPoint {
            share: Proportion::of(self.genuine.at_least(threshold), self.genuine.total())?,
            threshold,
            impostors_accepted: self.impostor.at_least(threshold),
        })
    }

    /// The share of the genuine that is refused: FNIR at FPIR. `None` as above.
    pub fn refused_at(&self, share: f64) -> Option<OperatingPoint> {
        let point = self.accepted_at(share)?;
        Some(OperatingPoint { share: point.share.complement(), ..point })
    }

    /// One of the two at each rate that the impostors reach, by its name.
    pub fn by_rate(
        &self,
        rates: &[f64],
        at: impl Fn(&Self, f64) -> Option<OperatingPoint>,
    ) -> ByRate<OperatingPoint> {
        rates.iter().filter_map(|rate| Some((rate.to_string(), at(self, *rate)?))).collect()
    }

    /// The trade-off, from few impostors accepted to many, at rates that lie evenly on a logarithmic
    /// scale.
    pub fn det(&self) -> Vec<DetPoint> {
        let total = self.impostor.total();
        let most = self.impostor.listed().len().saturating_sub(1) as f64;
        let mut last = 0;
        (0..=CURVE_POINTS)
            .filter_map(|i| {
                let accepted = most.powf(f64::from(i) / f64::from(CURVE_POINTS)).round();
                let share = accepted / total as f64;
                let point = self.refused_at(share)?;
                let new = point.impostors_accepted > last;
                last = point.impostors_accepted;
                let impostors = point.impostors_accepted as f64 / total as f64;
                new.then_some(DetPoint { impostors, genuine: point.share })
            })
            .collect()
    }
}
