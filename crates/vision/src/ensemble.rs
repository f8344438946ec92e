//! Ensembles: embedders that fuse the scores of several models. A single model is an ensemble, too.

use instored_domain::ModelId;
use serde::Deserialize;

use super::{Calibration, Model, Role, VisionError};

/// Models of an embedder.
pub(super) struct Ensemble {
    pub id: ModelId,
    pub calibration: Option<Calibration>,
    pub members: Vec<Member>,
}

/// Model of an ensemble.
pub(super) struct Member {
    pub model: Model,
    /// Weight in the fused cosine, 0 to 1. The weights of an ensemble add up to 1.
    pub weight: f32,
    /// True if the output is the mean over a face and its mirror image.
    pub is_mirrored: bool,
}

/// Manifest of an ensemble; `models/README.md` documents its fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnsembleManifest {
    id: ModelId,
    #[serde(rename = "title")]
    _title: String,
    #[serde(rename = "figures")]
    _figures: String,
    #[serde(rename = "ingredients")]
    members: Vec<MemberManifest>,
    calibration: Option<Calibration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberManifest {
    model: String,
    weight: f32,
    #[serde(rename = "mirrored")]
    is_mirrored: bool,
}

/// Names and manifests of the ensembles that are contained in the program.
const SHIPPED_ENSEMBLES: &[(&str, &str)] = &[("blend", include_str!("../../../models/blend.toml"))];

impl Ensemble {
    /// Loads a shipped ensemble by its name. Any other name or path is loaded as a single model.
    pub fn load(name: &str) -> Result<Self, VisionError> {
        match SHIPPED_ENSEMBLES.iter().find(|(shipped, _)| *shipped == name) {
            Some((_, manifest)) => Self::from_manifest(name, manifest),
            None => Self::from_model(name).map_err(with_ensemble_names),
        }
    }

    fn from_manifest(name: &str, text: &str) -> Result<Self, VisionError> {
        let manifest: EnsembleManifest = toml::from_str(text)
            .map_err(|e| VisionError::Manifest { path: name.into(), reason: e.to_string() })?;
        let member = |member: &MemberManifest| -> Result<Member, VisionError> {
            let model = Model::load(&member.model, Role::Embedder)?;
            Ok(Member { model, weight: member.weight, is_mirrored: member.is_mirrored })
        };
        let members = manifest.members.iter().map(member).collect::<Result<_, _>>()?;
        Ok(Self { id: manifest.id, calibration: manifest.calibration, members })
    }

    fn from_model(name: &str) -> Result<Self, VisionError> {
        let model = Model::load(name, Role::Embedder)?;
        let manifest = model.manifest();
        let (id, calibration) = (manifest.id.clone(), manifest.calibration.clone());
        let is_mirrored = manifest.output.is_mirrored;
        Ok(Self { id, calibration, members: vec![Member { model, weight: 1.0, is_mirrored }] })
    }
}

/// Adds the names of the shipped ensembles to [`VisionError::UnknownModel`].
fn with_ensemble_names(error: VisionError) -> VisionError {
    match error {
        VisionError::UnknownModel { name, mut known } => {
            known.splice(0..0, SHIPPED_ENSEMBLES.iter().map(|(name, _)| *name));
            VisionError::UnknownModel { name, known }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_ensembles_load_and_weights_add_up_to_one() {
        for (name, _) in SHIPPED_ENSEMBLES {
            let members = Ensemble::load(name).unwrap().members;
            let sum: f32 = members.iter().map(|member| member.weight).sum();
            assert!((sum - 1.0).abs() < 1e-6 && members.iter().all(|member| member.weight > 0.0));
        }
    }

    #[test]
    fn single_model_loads_and_unknown_name_lists_embedders() {
        let ensemble = Ensemble::load("sface").unwrap();
        assert_eq!(
            (ensemble.members.len(), ensemble.id.0.as_str()),
            (1, "sface-2021dec-w8-centred")
        );
        let error = Ensemble::load("resnet").map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("unknown model `resnet`; use blend, sface, mobilefacenet,"));
    }
}
