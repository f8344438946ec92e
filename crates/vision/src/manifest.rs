//! Model manifests: TOML files that describe a model. `models/README.md` documents their fields.

use std::fmt;
use std::path::Path;

use instored_domain::ModelId;
use serde::Deserialize;

use super::{Calibration, VisionError};

/// Manifest of a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// Identifier, bound into the signature of every template.
    pub id: ModelId,
    /// Human-readable name.
    pub title: String,
    /// Task of the model.
    pub role: Role,
    /// Name of the ONNX file in the folder of the manifest.
    pub file: String,
    /// SHA-256 of the ONNX file, in hexadecimal digits.
    pub sha256: String,
    /// Length of the ONNX file, in bytes.
    pub bytes: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Origin of the weights.
    pub source: String,
    /// Data that the weights were trained on.
    pub training_data: String,
    /// Changes to the published weights.
    pub conversion: String,
    /// Published and measured accuracy.
    pub figures: String,
    /// Input of the network.
    pub input: Input,
    /// Output of the network.
    #[serde(default)]
    pub output: Output,
    /// Decision rule of a detector or PAD model.
    pub decision: Option<Decision>,
    /// Embedders only: thresholds for a target FPIR.
    pub calibration: Option<Calibration>,
}

/// Conversion of pixels to the network's input.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Width in pixels. A detector accepts any multiple of 32.
    pub width: Option<u32>,
    /// Height in pixels. A detector accepts any multiple of 32.
    pub height: Option<u32>,
    /// Order of the colour channels.
    pub colour: ColourOrder,
    /// Value that is subtracted from each colour value (0 to 255).
    pub mean: f32,
    /// Divisor that is applied after the subtraction.
    pub scale: f32,
    /// PAD models only: factor by which the face's box is enlarged.
    pub box_scale: Option<f32>,
}

/// Order of the colour channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// Interpretation of the network's output.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Number of values of an embedding, or of classes of a PAD model.
    pub dimension: Option<usize>,
    /// Embedders only: mean output over many faces, which is subtracted from each output. Empty:
    /// nothing is subtracted.
    #[serde(default, rename = "centre")]
    pub mean: Vec<f32>,
    /// Embedders only: constant that is appended to the output before normalisation. It lowers the
    /// cosine of outputs with a small norm, which come from faces with little detail. 0: nothing is
    /// appended.
    #[serde(default, rename = "steady")]
    pub bias_dimension: f32,
    /// Embedders only: true if the output is the mean over a face and its mirror image. This
    /// doubles the computing time and lowers the error rates.
    #[serde(default, rename = "mirrored")]
    pub is_mirrored: bool,
    /// PAD models only: index of the bona fide class.
    pub live_class: Option<usize>,
}

/// Decision rule of a detector or PAD model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Smallest accepted score: the bona fide probability of a PAD model, the score of a detector.
    pub threshold: f32,
}

/// Task of a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Face detection.
    Detector,
    /// Face embedding.
    Embedder,
    /// Presentation-attack detection.
    #[serde(rename = "liveness")]
    Pad,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detector => "detector",
            Self::Embedder => "embedder",
            Self::Pad => "liveness model",
        })
    }
}

impl ModelManifest {
    /// Parses a manifest. Errors contain `path`.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, VisionError> {
        toml::from_str(text)
            .map_err(|e| VisionError::Manifest { path: path.to_owned(), reason: e.to_string() })
    }

    /// Returns the error of a model that cannot be run.
    pub(super) fn unsupported_error(&self, reason: impl Into<String>) -> VisionError {
        VisionError::Unsupported { id: self.id.0.clone(), reason: reason.into() }
    }
}
