//! A share of trials with its interval.

use serde::Serialize;
use statrs::function::beta::beta_reg;

/// A share with its 95 % interval by Clopper and Pearson (1934), which never covers less than it
/// says if trials are independent. Comparisons that share a picture or a person are not: where they
/// do, the true interval is wider.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Proportion {
    /// The share, 0 to 1.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What lies beyond each end.
const TAIL: f64 = 0.025;

impl Proportion {
    /// `hits` of `trials`; `None` when nothing was tried.
    pub fn of(hits: u64, trials: u64) -> Option<Self> {
        if trials == 0 {
            return None;
        }
        let (k, n) = (hits.min(trials) as f64, trials as f64);
        Some(Self {
            value: k / n,
            low: if k == 0.0 { 0.0 } else { beta_quantile(k, n - k + 1.0, TAIL) },
            high: if k == n { 1.0 } else { beta_quantile(k + 1.0, n - k, 1.0 - TAIL) },
        })
    }

    /// The share of the others.
    pub fn complement(self) -> Self {
        Self { value: 1.0 - self.value, low: 1.0 - self.high, high: 1.0 - self.low }
    }
}

/// Where the beta distribution reaches `share`. By bisection, down to neighbouring numbers: the
/// regularised incomplete beta function rises all the way, and Newton's method, which the library
/// offers, does not always settle for the counts of millions of comparisons.
fn beta_quantile(a: f64, b: f64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0f64, 1.0f64);
    loop {
        let middle = low.midpoint(high);
        if middle <= low || middle >= high {
            return middle;
        }
        if beta_reg(a, b, middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
}
