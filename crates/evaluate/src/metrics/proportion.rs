//! Proportion of trials with its confidence interval.

use serde::Serialize;
use statrs::function::beta::beta_reg;

/// Proportion with its 95 % interval by Clopper and Pearson (1934).
///
/// For independent trials the interval contains the true value in at least 95 % of cases. Comparisons
/// that share a picture or a person are not independent; the true interval is then wider.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Proportion {
    /// Proportion, 0 to 1.
    pub value: f64,
    /// Lower bound of the interval.
    pub low: f64,
    /// Upper bound of the interval.
    pub high: f64,
}

/// Probability outside each bound of the interval.
const TAIL_PROBABILITY: f64 = 0.025;

impl Proportion {
    /// Returns the proportion of `successes` in `trials`, or `None` without trials.
    pub fn of(successes: u64, trials: u64) -> Option<Self> {
        if trials == 0 {
            return None;
        }
        let (k, n) = (successes.min(trials) as f64, trials as f64);
        let is_none = k == 0.0;
        let is_all = k == n;
        Some(Self {
            value: k / n,
            low: if is_none { 0.0 } else { beta_quantile(k, n - k + 1.0, TAIL_PROBABILITY) },
            high: if is_all { 1.0 } else { beta_quantile(k + 1.0, n - k, 1.0 - TAIL_PROBABILITY) },
        })
    }

    /// Returns the proportion of trials without success.
    pub fn complement(self) -> Self {
        Self { value: 1.0 - self.value, low: 1.0 - self.high, high: 1.0 - self.low }
    }
}

/// Returns the quantile of the beta distribution, by bisection down to adjacent numbers.
///
/// The regularised incomplete beta function is monotonic. The Newton method of the `statrs` crate
/// does not always converge for counts of millions of comparisons.
fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0f64, 1.0f64);
    loop {
        let middle = low.midpoint(high);
        if middle <= low || middle >= high {
            return middle;
        }
        if beta_reg(a, b, middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
}
