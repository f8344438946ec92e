//! Errors of models and networks.

use std::path::PathBuf;

/// Error of a model that cannot be used, or of a network that failed.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// No shipped model has this name.
    #[error(
        "unknown model `{name}`; use {known}, or the path of a model manifest (.toml)",
        known = known.join(", ")
    )]
    UnknownModel {
        /// Name in the configuration.
        name: String,
        /// Names of the shipped models.
        known: Vec<&'static str>,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Message of the operating system.
        source: std::io::Error,
    },
    /// A file is not a valid manifest.
    #[error("{path} is not a valid model manifest: {reason}")]
    Manifest {
        /// Path of the file, or the name of a shipped model.
        path: PathBuf,
        /// Message of the parser.
        reason: String,
    },
    /// The SHA-256 of the weights differs from the manifest.
    #[error(
        "the weights in {file} do not match the manifest of model {id}: their SHA-256 is {found}, \
         the manifest has {expected}; install the file again or correct the manifest"
    )]
    HashMismatch {
        /// Identifier of the model.
        id: String,
        /// Name of the weights file.
        file: String,
        /// SHA-256 in the manifest.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// The role of the model does not match the setting that names the model.
    #[error("model {id} has the role {found}, but {expected} is required; configure another model")]
    WrongRole {
        /// Identifier of the model.
        id: String,
        /// Role of the model.
        found: String,
        /// Required role.
        expected: String,
    },
    /// The model cannot be run.
    #[error("cannot use model {id}: {reason}")]
    Unsupported {
        /// Identifier of the model.
        id: String,
        /// Missing or unsupported property.
        reason: String,
    },
    /// The network failed on a picture.
    #[error("model {id} failed on a frame: {reason}")]
    Inference {
        /// Identifier of the model.
        id: String,
        /// Message of the network.
        reason: String,
    },
    /// The detector's input size is invalid.
    #[error(
        "cannot detect faces at {width}x{height} pixels: both sides must be multiples of 32 from 32 \
         to 2048; change vision.detect_width and vision.detect_height"
    )]
    DetectorSize {
        /// Configured width.
        width: u32,
        /// Configured height.
        height: u32,
    },
}
