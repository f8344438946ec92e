//! Error rates of mated comparisons at given error rates of non-mated comparisons.

use serde::Serialize;

use super::{ByRate, Proportion, Scores};

/// Scores of a measurement.
///
/// | Measurement | `mated` | `non_mated` |
/// |---|---|---|
/// | verification | mated comparisons | non-mated comparisons |
/// | identification | mated probes, without a score if misidentified | non-mated probes |
/// | liveness | bona fide presentations | attack presentations |
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// Scores that should be accepted.
    pub mated: Scores,
    /// Scores that should be rejected.
    pub non_mated: Scores,
}

/// Rate of mated comparisons at the threshold that results from a rate of non-mated comparisons.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct OperatingPoint {
    /// Rate, with its interval.
    #[serde(flatten)]
    pub rate: Proportion,
    /// Lowest accepted score.
    pub threshold: f32,
    /// Number of accepted non-mated comparisons.
    #[serde(rename = "impostors_accepted")]
    pub false_positives: u64,
}

impl OperatingPoint {
    /// Least number of false positives of a reliable threshold. The relative standard error of a rate
    /// that rests on k false positives is 1/√k, which is 32 % for k = 10. Reports mark a rate that
    /// rests on fewer false positives.
    pub const FALSE_POSITIVES_MIN: u64 = 10;

    /// Returns true if the threshold rests on enough false positives.
    pub fn is_reliable(&self) -> bool {
        self.false_positives >= Self::FALSE_POSITIVES_MIN
    }
}

/// Point of the detection error trade-off (DET) curve.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DetPoint {
    /// Share of accepted non-mated comparisons: FMR, FPIR or APCER.
    pub false_positive_rate: f64,
    /// Share of rejected mated comparisons: FNMR, FNIR or BPCER.
    pub false_negative_rate: Proportion,
}

/// Maximum number of points of a trade-off curve; more points would not change the drawing.
const CURVE_POINTS: u32 = 160;

impl Outcomes {
    /// Returns the share of accepted mated comparisons (TMR) at a share of accepted non-mated
    /// comparisons (FMR), or `None` if there are no mated comparisons, or fewer than one non-mated
    /// comparison would be accepted.
    pub fn tmr_at_fmr(&self, fmr: f64) -> Option<OperatingPoint> {
        let threshold = self.non_mated.threshold_at(fmr)?;
        Some(OperatingPoint {
            rate: Proportion::of(self.mated.count_at_least(threshold), self.mated.total())?,
            threshold,
            false_positives: self.non_mated.count_at_least(threshold),
        })
    }

    /// Returns the share of rejected mated comparisons (FNIR) at a share of accepted non-mated
    /// comparisons (FPIR), or `None` in the same cases as [`tmr_at_fmr`](Self::tmr_at_fmr).
    pub fn fnir_at_fpir(&self, fpir: f64) -> Option<OperatingPoint> {
        let point = self.tmr_at_fmr(fpir)?;
        Some(OperatingPoint { rate: point.rate.complement(), ..point })
    }

    /// Returns the operating points of all rates for which there is enough data.
    pub fn by_rate(
        &self,
        rates: &[f64],
        point_at: impl Fn(&Self, f64) -> Option<OperatingPoint>,
    ) -> ByRate<OperatingPoint> {
        rates.iter().filter_map(|rate| Some((rate.to_string(), point_at(self, *rate)?))).collect()
    }

    /// Returns the trade-off curve in order of rising false positive rate. The rates are evenly spaced
    /// on a logarithmic scale.
    pub fn det(&self) -> Vec<DetPoint> {
        let total = self.non_mated.total();
        let last = self.non_mated.listed().len().saturating_sub(1) as f64;
        let mut previous = 0;
        (0..=CURVE_POINTS)
            .filter_map(|i| {
                let accepted = last.powf(f64::from(i) / f64::from(CURVE_POINTS)).round();
                let point = self.fnir_at_fpir(accepted / total as f64)?;
                let is_new = point.false_positives > previous;
                previous = point.false_positives;
                is_new.then_some(DetPoint {
                    false_positive_rate: point.false_positives as f64 / total as f64,
                    false_negative_rate: point.rate,
                })
            })
            .collect()
    }
}
