//! Model manifests: TOML files that describe a model. `models/README.md` documents their fields.

use std::fmt;
use std::path::Path;

use instored_domain::ModelId;
use serde::Deserialize;

use super::{Calibration, VisionError};

/// Longest side of the input of a network, in pixels.
pub(super) const SIDE_MAX: u32 = 2048;

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

fn is_positive(value: f32) -> bool {
    value.is_finite() && value > 0.0
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
        let manifest_error =
            |reason: String| VisionError::Manifest { path: path.to_owned(), reason };
        let manifest: Self = toml::from_str(text).map_err(|e| manifest_error(e.to_string()))?;
        manifest.check().map_err(manifest_error)?;
        Ok(manifest)
    }

    /// Rejects numbers with which no network can be run.
    fn check(&self) -> Result<(), String> {
        let Input { width, height, mean, scale, box_scale, .. } = self.input;
        let Output { mean: output_mean, bias_dimension, .. } = &self.output;
        let is_side = |side: Option<u32>| side.is_none_or(|side| (1..=SIDE_MAX).contains(&side));
        // The largest input, for a colour value of 0 or 255.
        let input_max = (mean.abs() + 255.0) / scale;
        let threshold = self.decision.as_ref().map_or(0.0, |decision| decision.threshold);
        for (key, is_valid, range) in [
            ("input.width", is_side(width), "1 to 2048 pixels"),
            ("input.height", is_side(height), "1 to 2048 pixels"),
            ("input.mean", mean.is_finite(), "a number"),
            ("input.scale", input_max.is_finite(), "a number other than 0"),
            ("input.box_scale", box_scale.is_none_or(is_positive), "a number above 0"),
            ("output.centre", output_mean.iter().all(|v| v.is_finite()), "numbers"),
            ("output.steady", bias_dimension.is_finite(), "a number"),
            ("decision.threshold", (0.0..=1.0).contains(&threshold), "0 to 1"),
        ] {
            if !is_valid {
                return Err(format!("{key} must be {range}"));
            }
        }
        Ok(())
    }

    /// Returns the error of a model that cannot be run.
    pub(super) fn unsupported_error(&self, reason: impl Into<String>) -> VisionError {
        VisionError::Unsupported { id: self.id.0.clone(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAD_MANIFEST: &str = include_str!("../../../models/minifasnet.toml");

    fn parse_error(from: &str, to: &str) -> Option<String> {
        assert!(PAD_MANIFEST.contains(from), "{from}");
        let text = PAD_MANIFEST.replace(from, to);
        let result = ModelManifest::parse(Path::new("custom.toml"), &text);
        result.err().map(|error| error.to_string())
    }

    #[test]
    fn input_that_cannot_be_computed_is_rejected() {
        assert_eq!(parse_error("mean = 0.0", "mean = 127.5"), None);
        for (from, to, key) in [
            ("width = 80", "width = 0", "input.width"),
            ("width = 80", "width = 4294967295", "input.width"),
            ("height = 80", "height = 2049", "input.height"),
            ("mean = 0.0", "mean = nan", "input.mean"),
            ("\nscale = 1.0", "\nscale = 0.0", "input.scale"),
            ("\nscale = 1.0", "\nscale = 1e-45", "input.scale"),
            ("box_scale = 2.7", "box_scale = inf", "input.box_scale"),
            ("box_scale = 2.7", "box_scale = -1.0", "input.box_scale"),
            ("live_class = 1", "live_class = 1\nsteady = nan", "output.steady"),
            ("live_class = 1", "live_class = 1\ncentre = [inf]", "output.centre"),
            ("threshold = 0.5", "threshold = nan", "decision.threshold"),
            ("threshold = 0.5", "threshold = 50.0", "decision.threshold"),
        ] {
            let error = parse_error(from, to).unwrap_or_else(|| panic!("{to} is accepted"));
            assert!(error.contains(key), "{to}: {error}");
        }
    }
}
