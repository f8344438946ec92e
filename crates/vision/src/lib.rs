//! Face analysis: finds the faces in a frame and computes an embedding of each face.
//!
//! | module | contents |
//! |---|---|
//! | `model`, `manifest`, `ensemble` | model files, their manifests, embedders of several models |
//! | `network` | execution of ONNX models by the kernels or by tract |
//! | `detect`, `align`, `quality` | faces and landmarks, alignment, quality of a view |
//! | `pad` | presentation-attack detection on single frames |
//! | `embed`, `purpose` | embeddings, and the permission that each embedding requires |
//! | `calibration` | decision thresholds for a target FPIR and gallery size |
//! | `track`, `motion` | tracks of faces across frames, motion detection |
//! | `settings` | configuration |
//!
//! Rules:
//! 1. The crate handles pixels and tensors only. It has no data about customers.
//! 2. An embedding requires a [`Purpose`], which borrows the enrolment or the recognition window
//!    that permits the embedding.
//! 3. Weights are used only if their SHA-256 matches the model's manifest.
//! 4. Only this crate depends on tract.

#![forbid(unsafe_code)]

mod align;
mod calibration;
mod detect;
mod embed;
mod ensemble;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod manifest;
mod model;
mod motion;
mod network;
mod pad;
mod purpose;
mod quality;
mod rect;
mod settings;
#[cfg(test)]
mod tests;
mod track;

pub use align::{ALIGNED_SIDE, align};
pub use calibration::{Calibration, CalibrationError};
pub use detect::{Detector, Face, LANDMARK_COUNT};
pub use embed::Embedder;
pub use error::VisionError;
pub use manifest::{ModelManifest, Role};
pub use model::Model;
pub use motion::MotionDetector;
pub use network::instruction_set;
pub use pad::PadModel;
pub use purpose::Purpose;
pub use quality::{Pose, Quality, QualityIssue, QualityLimits};
pub use rect::Rect;
pub use settings::Settings;
pub use track::{TrackedFace, Tracker};
