//! Model files: a card that says what the weights are, and weights that must match their card.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use instored_domain::ModelId;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Calibration, VisionError};

/// A model's card: `models/README.md` tells what each field means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ModelManifest {
    pub id: ModelId,
    pub title: String,
    pub role: Role,
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
    pub licence: String,
    pub source: String,
    pub training_data: String,
    pub conversion: String,
    pub figures: String,
    pub input: Input,
    #[serde(default)]
    pub output: Output,
    pub decision: Option<DecisionPoint>,
    /// Embedders only: thresholds for a wanted rate of strangers greeted.
    pub calibration: Option<Calibration>,
}

/// How pixels become the network's input.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Pixels a row; a detector takes any multiple of 32.
    pub width: Option<u32>,
    /// RowBuffer; a detector takes any multiple of 32.
    pub height: Option<u32>,
    /// Order of the channels.
    pub colour: Colour,
    /// Subtracted from a pixel of 0 to 255.
    pub mean: f32,
    /// Then divided by.
    pub scale: f32,
    /// Liveness only: how far the face's box is grown.
    pub box_scale: Option<f32>,
}

/// Order of the colour channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Colour {
    Rgb,
    Bgr,
}

/// What comes out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Values of a template, or classes of a liveness model.
    pub dimension: Option<usize>,
    /// Embedders only: the mean of the outputs over faces, which is subtracted; a value a dimension.
    /// Empty: nothing is.
    #[serde(default)]
    pub centre: Vec<f32>,
    /// Embedders only: a constant value behind the output, in its unit. The shorter an output is,
    /// the less the network saw; beside a constant it then says less.
    #[serde(default)]
    pub steady: f32,
    /// Embedders only: whether a face is embedded together with its mirror image, and the mean
    /// taken; twice the work, fewer mistakes.
    #[serde(default)]
    pub mirrored: bool,
    /// Liveness only: the class that means a live face.
    pub live_class: Option<usize>,
}

/// Where yes begins, for a detector or a liveness model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionPoint {
    /// Probability of a liveness model, score of a detector.
    pub threshold: f32,
}

/// What a model is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Role {
    Detector,
    Embedder,
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

/// A model that ships inside the program.
pub struct Shipped {
    /// The name that the configuration uses.
    pub name: &'static str,
    card: &'static str,
    weights: &'static [u8],
}

macro_rules! shipped {
    ($($name:literal),*) => {
        &[$(Shipped {
            name: $name,
            card: include_str!(concat!("../../../models/", $name, ".toml")),
            weights: include_bytes!(concat!("../../../models/", $name, ".onnx")),
        }),*]
    };
}

/// The models inside the program.
pub const SHIPPED_MODELS: &[Shipped] = shipped!("yunet", "sface", "mobilefacenet", "minifasnet");

/// Weights that match their card.
pub struct Model {
    card: ModelManifest,
    weights: Cow<'static, [u8]>,
}

impl Model {
    /// The shipped model of that name, or the one whose card is at that path.
    ///
    /// # Errors
    /// When there is none, its card is malformed, its weights are not those of the card, or it is
    /// not of the wanted role.
    pub fn load(name_or_card: &str, wanted: Role) -> Result<Self, VisionError> {
        let model = if name_or_card.ends_with(".toml") {
            Self::from_card_file(Path::new(name_or_card))?
        } else {
            let shipped =
                SHIPPED_MODELS.iter().find(|s| s.name == name_or_card).ok_or_else(|| {
                    let known =
                        SHIPPED_MODELS.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
                    VisionError::UnknownModel { name: name_or_card.to_owned(), known }
                })?;
            Self::verified(Path::new(shipped.name), shipped.card, Cow::Borrowed(shipped.weights))?
        };
        if model.card.role != wanted {
            return Err(VisionError::WrongRole {
                id: model.card.id.0,
                found: model.card.role.to_string(),
                wanted: wanted.to_string(),
            });
        }
        Ok(model)
    }

    fn from_card_file(path: &Path) -> Result<Self, VisionError> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|source| VisionError::Read { path: path.to_owned(), source })
        };
        let text = String::from_utf8(read(path)?).map_err(|e| VisionError::ModelManifest {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        let file = parse_card(path, &text)?.file;
        let weights = read(&path.parent().unwrap_or(Path::new("")).join(file))?;
        Self::verified(path, &text, Cow::Owned(weights))
    }

    fn verified(path: &Path, card: &str, weights: Cow<'static, [u8]>) -> Result<Self, VisionError> {
        let card = parse_card(path, card)?;
        let found = hex(&Sha256::digest(&weights));
        if found != card.sha256 {
            return Err(VisionError::WrongHash {
                id: card.id.0,
                file: card.file,
                expected: card.sha256,
                found,
            });
        }
        Ok(Self { card, weights })
    }

    /// Where yes begins, as the card says.
    pub(super) fn threshold(&self) -> Result<f32, VisionError> {
        let decision = self.card.decision.as_ref().ok_or_else(|| VisionError::Unusable {
            id: self.card.id.0.clone(),
            reason: "its card has no [decision] with a threshold".to_owned(),
        })?;
        Ok(decision.threshold)
    }

    /// What the weights are.
    pub fn manifest(&self) -> &ModelManifest {
        &self.card
    }

    /// The ONNX file.
    pub fn weights(&self) -> &[u8] {
        &self.weights
    }
}

fn parse_card(path: &Path, text: &str) -> Result<ModelManifest, VisionError> {
    toml::from_str(text)
        .map_err(|e| VisionError::ModelManifest { path: path.to_owned(), reason: e.to_string() })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card_and_weights(dir: &Path, change: impl Fn(String) -> String) -> String {
        let shipped = SHIPPED_MODELS.iter().find(|s| s.name == "yunet").unwrap();
        let path = dir.join("own.toml");
        std::fs::write(dir.join("yunet.onnx"), shipped.weights).unwrap();
        std::fs::write(&path, change(shipped.card.to_owned())).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn every_shipped_model_is_what_its_card_says() {
        for shipped in SHIPPED_MODELS {
            let card = parse_card(Path::new(shipped.name), shipped.card).unwrap();
            let model = Model::load(shipped.name, card.role).unwrap();
            assert_eq!(model.weights().len() as u64, model.manifest().bytes, "{}", shipped.name);
        }
    }

    #[test]
    fn a_model_of_ones_own_is_named_by_its_card() {
        let dir = tempfile::tempdir().unwrap();
        let card = card_and_weights(dir.path(), |card| card);
        assert!(Model::load(&card, Role::Detector).is_ok());
    }

    #[test]
    fn weights_that_differ_from_their_card_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let card = card_and_weights(dir.path(), |card| card);
        let weights = dir.path().join("yunet.onnx");
        let mut bytes = std::fs::read(&weights).unwrap();
        bytes[1000] ^= 1;
        std::fs::write(&weights, bytes).unwrap();
        let error = Model::load(&card, Role::Detector).map(|_| ()).unwrap_err();
        assert!(matches!(error, VisionError::WrongHash { .. }), "{error}");
        assert!(error.to_string().contains("yunet.onnx"), "{error}");
    }

    #[test]
    fn a_card_with_an_unknown_key_or_a_wrong_role_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let card = card_and_weights(dir.path(), |card| format!("speed = 9\n{card}"));
        let error = Model::load(&card, Role::Detector).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("speed"), "{error}");
        assert!(matches!(Model::load("yunet", Role::Embedder), Err(VisionError::WrongRole { .. })));
        assert!(matches!(
            Model::load("resnet", Role::Embedder),
            Err(VisionError::UnknownModel { .. })
        ));
    }
}
