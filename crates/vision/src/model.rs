//! Models: ONNX weights that match their manifest.

use std::borrow::Cow;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{ModelManifest, Role, VisionError};

/// Model that is contained in the program.
struct ShippedModel {
    /// Name in the configuration.
    name: &'static str,
    manifest: &'static str,
    weights: &'static [u8],
}

macro_rules! shipped_models {
    ($($name:literal),*) => {
        &[$(ShippedModel {
            name: $name,
            manifest: include_str!(concat!("../../../models/", $name, ".toml")),
            weights: include_bytes!(concat!("../../../models/", $name, ".onnx")),
        }),*]
    };
}

const SHIPPED_MODELS: &[ShippedModel] =
    shipped_models!("yunet", "sface", "mobilefacenet", "minifasnet");

/// Weights that match their manifest.
pub struct Model {
    manifest: ModelManifest,
    weights: Cow<'static, [u8]>,
}

impl Model {
    /// Loads a shipped model by its name, or another model by the path of its manifest (.toml).
    ///
    /// # Errors
    /// If the model does not exist, its manifest is invalid, its weights do not match the manifest, or
    /// its role is not `role`.
    pub fn load(name_or_manifest: &str, role: Role) -> Result<Self, VisionError> {
        let model = if name_or_manifest.ends_with(".toml") {
            Self::from_manifest_file(Path::new(name_or_manifest))?
        } else {
            Self::shipped(name_or_manifest, role)?
        };
        if model.manifest.role != role {
            return Err(VisionError::WrongRole {
                id: model.manifest.id.0,
                found: model.manifest.role.to_string(),
                expected: role.to_string(),
            });
        }
        Ok(model)
    }

    fn shipped(name: &str, role: Role) -> Result<Self, VisionError> {
        let Some(model) = SHIPPED_MODELS.iter().find(|model| model.name == name) else {
            let name = name.to_owned();
            return Err(VisionError::UnknownModel { name, known: Self::shipped_names(role)? });
        };
        Self::verified(Path::new(name), model.manifest, Cow::Borrowed(model.weights))
    }

    /// Returns the names of all shipped models with this role.
    fn shipped_names(role: Role) -> Result<Vec<&'static str>, VisionError> {
        let mut names = Vec::new();
        for ShippedModel { name, manifest, .. } in SHIPPED_MODELS {
            if ModelManifest::parse(Path::new(name), manifest)?.role == role {
                names.push(*name);
            }
        }
        Ok(names)
    }

    fn from_manifest_file(path: &Path) -> Result<Self, VisionError> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|source| VisionError::Read { path: path.to_owned(), source })
        };
        let text = String::from_utf8(read(path)?)
            .map_err(|e| VisionError::Manifest { path: path.to_owned(), reason: e.to_string() })?;
        let file = ModelManifest::parse(path, &text)?.file;
        let weights = read(&path.parent().unwrap_or(Path::new("")).join(file))?;
        Self::verified(path, &text, Cow::Owned(weights))
    }

    pub(super) fn verified(
        path: &Path,
        manifest: &str,
        weights: Cow<'static, [u8]>,
    ) -> Result<Self, VisionError> {
        let manifest = ModelManifest::parse(path, manifest)?;
        let found = hex(&Sha256::digest(&weights));
        if found != manifest.sha256 {
            return Err(VisionError::HashMismatch {
                id: manifest.id.0,
                file: manifest.file,
                expected: manifest.sha256,
                found,
            });
        }
        Ok(Self { manifest, weights })
    }

    /// Returns the smallest accepted score of a detector or PAD model.
    pub(super) fn threshold(&self) -> Result<f32, VisionError> {
        let decision = self.manifest.decision.as_ref();
        decision.map(|decision| decision.threshold).ok_or_else(|| {
            self.manifest.unsupported_error("its manifest has no [decision] with a threshold")
        })
    }

    /// Returns the manifest.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// Returns the contents of the ONNX file.
    pub(super) fn weights(&self) -> &[u8] {
        &self.weights
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a copy of the shipped detector with a changed manifest. Returns the manifest's path.
    fn copy_of_detector(dir: &Path, change: impl Fn(String) -> String) -> String {
        let shipped = SHIPPED_MODELS.iter().find(|model| model.name == "yunet").unwrap();
        let path = dir.join("custom.toml");
        std::fs::write(dir.join("yunet.onnx"), shipped.weights).unwrap();
        std::fs::write(&path, change(shipped.manifest.to_owned())).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn load_error(manifest: &str) -> VisionError {
        Model::load(manifest, Role::Detector).map(|_| ()).unwrap_err()
    }

    #[test]
    fn shipped_models_match_their_manifests() {
        for shipped in SHIPPED_MODELS {
            let manifest = ModelManifest::parse(Path::new(shipped.name), shipped.manifest).unwrap();
            let model = Model::load(shipped.name, manifest.role).unwrap();
            assert_eq!(model.weights().len() as u64, manifest.bytes, "{}", shipped.name);
        }
    }

    #[test]
    fn custom_model_is_loaded_by_manifest_path() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = copy_of_detector(dir.path(), |manifest| manifest);
        assert!(Model::load(&manifest, Role::Detector).is_ok());
    }

    #[test]
    fn changed_weights_are_rejected_with_file_name() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = copy_of_detector(dir.path(), |manifest| manifest);
        let weights = dir.path().join("yunet.onnx");
        let mut bytes = std::fs::read(&weights).unwrap();
        bytes[1000] ^= 1;
        std::fs::write(&weights, bytes).unwrap();
        let error = load_error(&manifest);
        assert!(matches!(error, VisionError::HashMismatch { .. }), "{error}");
        assert!(error.to_string().contains("yunet.onnx"), "{error}");
    }

    #[test]
    fn unknown_key_wrong_role_or_unknown_name_is_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = copy_of_detector(dir.path(), |manifest| format!("speed = 9\n{manifest}"));
        let error = load_error(&manifest);
        assert!(error.to_string().contains("speed"), "{error}");
        assert!(matches!(Model::load("yunet", Role::Embedder), Err(VisionError::WrongRole { .. })));
        assert!(matches!(
            Model::load("resnet", Role::Embedder),
            Err(VisionError::UnknownModel { .. })
        ));
    }
}
