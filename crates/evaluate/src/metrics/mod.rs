//! Rates of scores with their confidence intervals.
//!
//! Terms and counting follow ISO/IEC 19795-1: a comparison that cannot be made because no face is
//! found counts as a comparison without a match.

mod folds;
mod histogram;
mod operating_point;
mod proportion;
mod scores;
#[cfg(test)]
mod tests;

pub use folds::{FoldAccuracy, FoldComparison, fold_accuracy};
pub use histogram::{Bin, Histogram};
pub use operating_point::{DetPoint, OperatingPoint, Outcomes};
pub use proportion::Proportion;
pub use scores::Scores;

/// Values by rate, such as `0.001`, in decimal notation.
pub type ByRate<T> = std::collections::BTreeMap<String, T>;
