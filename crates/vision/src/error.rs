//! What can go wrong between a frame and a template.

use std::path::PathBuf;

/// A model that cannot be used, or a network that did not run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum VisionError {
    #[error(
        "`{name}` is no shipped model ({known}); to use your own, name the path of its card (.toml)"
    )]
    UnknownModel { name: String, known: String },
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is no model card: {reason}")]
    ModelManifest { path: PathBuf, reason: String },
    #[error(
        "the weights in {file} are not those of model {id}: their SHA-256 is {found}, the card says \
         {expected}; install the file again or correct the card"
    )]
    WrongHash { id: String, file: String, expected: String, found: String },
    #[error("model {id} is a {found}, a {wanted} is needed here")]
    WrongRole { id: String, found: String, wanted: String },
    #[error("model {id} cannot be used: {reason}")]
    Unusable { id: String, reason: String },
    #[error("model {id} failed on a frame: {reason}")]
    Inference { id: String, reason: String },
    #[error("the detector's sides must be multiples of 32 from 32 to 2048, not {width}x{height}")]
    DetectorSize { width: u32, height: u32 },
}
