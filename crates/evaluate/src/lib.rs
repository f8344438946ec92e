//! Measures, on pictures that the operator brings, how often the box is right: verification,
//! open-set identification, liveness; and fits the calibration of thresholds.
//!
//! Protocols say what is compared with what, [`Extract`] is the box's own way from a picture to a
//! template, and everything after it is counting. Results are counts, shares and thresholds: they
//! hold nobody's face or name. Only failures that were asked for bring pictures into a report.

#![forbid(unsafe_code)]

pub mod baskets;
pub mod calibration;
mod cross;
mod error;
pub mod extract;
pub mod identification;
pub mod liveness;
pub mod metrics;
mod pictures;
mod progress;
pub mod protocol;
pub mod report;
pub mod speed;
pub mod verification;

pub use error::EvaluateError;
pub use pictures::{Extract, look_at_all};
pub use progress::Progress;
