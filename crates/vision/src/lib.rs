//! From a frame to faces, and from a face to a template: models, detection, alignment, quality,
//! embedding, and the track of a face across frames.
//!
//! Nothing but pixels and tensors: this room does not know who anyone is.

#![forbid(unsafe_code)]

mod align;
mod calibration;
mod detect;
mod embed;
mod ensemble;
mod error;
mod model;
mod motion;
mod network;
mod pad;
mod purpose;
mod quality;
mod settings;
#[cfg(test)]
mod tests;
mod track;

pub use align::{ALIGNED_SIDE, SimilarityTransform, align};
pub use calibration::{Calibration, CalibrationError};
pub use detect::{Detector, Face, LANDMARK_COUNT, Rect};
pub use embed::Embedder;
pub use error::VisionError;
pub use model::{Model, ModelManifest, Role, SHIPPED_MODELS};
pub use motion::MotionDetector;
pub use network::instruction_set;
pub use pad::PadModel;
pub use purpose::Purpose;
pub use quality::{Pose, Quality, QualityIssue, QualityLimits};
pub use settings::Settings;
pub use track::{TrackId, TrackedFace, Tracker};
