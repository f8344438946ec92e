//! Measurements of accuracy and speed, on data that the operator provides.
//!
//! | Module | Content |
//! |---|---|
//! | [`verification`] | mated and non-mated comparisons: TMR at FMR |
//! | [`identification`] | open-set identification: FNIR at FPIR |
//! | [`liveness`] | presentation attack detection: APCER and BPCER |
//! | [`passers_by`] | people who walk past: share whose faces are compared with customers |
//! | [`calibration`] | thresholds by gallery size and target FPIR |
//! | [`baskets`] | next-basket recommendation: Recall, NDCG and PHR |
//! | [`speed`] | CPU time of each stage of a frame |
//! | [`protocol`] | CSV files that define the comparisons |
//! | [`metrics`] | rates, intervals and histograms of scores |
//! | [`report`] | HTML pages with tables and plots |
//!
//! Invariants:
//! 1. Terms and counting follow ISO/IEC 19795-1 and ISO/IEC 30107-3.
//! 2. Templates and probabilities come from the models and rules of the box ([`Extractor`]).
//! 3. Results contain counts, rates and thresholds only. A report contains pictures only if the
//!    operator requests thumbnails.
//! 4. Results do not depend on the number of threads.

#![forbid(unsafe_code)]

mod all_pairs;
pub mod baskets;
pub mod calibration;
mod error;
mod extractor;
pub mod identification;
pub mod liveness;
pub mod metrics;
mod parallel;
pub mod passers_by;
mod progress;
pub mod protocol;
pub mod report;
pub mod speed;
pub mod verification;

pub use error::EvaluateError;
pub use extractor::{Extractor, thumbnail};
pub use parallel::map_pictures;
pub use progress::Progress;
