//! What can go wrong in a measurement.

use std::path::PathBuf;

use instored_vision::VisionError;

/// A protocol that cannot be read, a picture that cannot be looked at, or scores that say nothing.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum EvaluateError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path}: {reason}")]
    Protocol { path: PathBuf, reason: String },
    #[error("{path} is no picture that can be read: {reason}")]
    Picture { path: PathBuf, reason: String },
    #[error("{path}: {source}")]
    Looking { path: PathBuf, source: VisionError },
    #[error("the models cannot be used: {0}")]
    Models(#[from] VisionError),
    #[error("--cross needs pictures in a folder a person; {path} is in none")]
    NoFolder { path: PathBuf },
    #[error("the templates have different lengths, {0} and {1} values: use one model for all")]
    Lengths(usize, usize),
    #[error("the {0} finds no face in the picture; take one with a face that is clear to see")]
    NoFace(&'static str),
    #[error("too little to calibrate with: {0}")]
    TooLittle(String),
}
