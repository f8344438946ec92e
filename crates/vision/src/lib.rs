//! From a frame to faces, and from a face to a template: models, detection, alignment, quality,
//! embedding, and the track of a face across frames.
//!
//! Nothing but pixels and tensors: this room does not know who anyone is.

#![forbid(unsafe_code)]

mod align;
mod calibration;
mod detect;
mod embed;
mod error;
mod liveness;
mod model;
mod motion;
mod network;
mod purpose;
mod quality;
mod recipe;
mod settings;
#[cfg(test)]
mod tests;
mod track;

pub use align::{ALIGNED_SIDE, Similarity, align};
pub use calibration::{Calibration, CalibrationError};
pub use detect::{Detector, Face, LANDMARKS, Rect};
pub use embed::Embedder;
pub use error::VisionError;
pub use liveness::LivenessModel;
pub use model::{Card, Model, Role, SHIPPED};
pub use motion::Motion;
pub use network::processor;
pub use purpose::Purpose;
pub use quality::{Pose, Quality, QualityLimits, Shortcoming};
pub use settings::Settings;
pub use track::{TrackId, Tracked, Tracker};
