//! Figures from scores, and how sure they are. Terms and counting follow ISO/IEC 19795-1: a
//! comparison that could not be made, because no face was found, is a comparison without a match.

mod folds;
mod histogram;
mod operating;
mod proportion;
mod scores;
#[cfg(test)]
mod tests;

pub use folds::{FoldAccuracy, Verdict, fold_accuracy};
pub use histogram::Histogram;
pub use operating::{DetPoint, OperatingPoint, Outcomes};
pub use proportion::Proportion;
pub use scores::Scores;

/// Rates by name, such as `0.001`, as results print them.
pub type ByRate<T> = std::collections::BTreeMap<String, T>;
