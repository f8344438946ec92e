//! Error of a measurement.

use std::path::PathBuf;

use instored_vision::VisionError;

/// Error of a measurement.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// File.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// File.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A CSV file does not follow its format.
    #[error("{path}: {reason}")]
    Protocol {
        /// File.
        path: PathBuf,
        /// Line, if known, and reason.
        reason: String,
    },
    /// A picture cannot be decoded.
    #[error("cannot decode the picture {path}: {reason}")]
    Picture {
        /// Picture.
        path: PathBuf,
        /// Error of the decoder.
        reason: String,
    },
    /// A model cannot process a picture.
    #[error("cannot process the picture {path}: {source}")]
    Extraction {
        /// Picture.
        path: PathBuf,
        /// Error of the model.
        source: VisionError,
    },
    /// A model cannot be loaded.
    #[error("cannot use the models: {0}")]
    Models(#[from] VisionError),
    /// A picture is not in a person's folder.
    #[error("--cross needs one folder per person, but {path} is not in a folder")]
    NoFolder {
        /// Picture.
        path: PathBuf,
    },
    /// Templates have different lengths, because they come from different models.
    #[error(
        "the templates have different lengths ({0} and {1} values); use the same model for all pictures"
    )]
    DifferentLengths(usize, usize),
    /// A stage finds no face in the picture of a speed measurement.
    #[error("the {0} finds no face in the picture; use a picture with one clearly visible face")]
    NoFace(&'static str),
    /// The data is too small for a measurement or a calibration.
    #[error("not enough data: {0}")]
    NotEnoughData(String),
}
