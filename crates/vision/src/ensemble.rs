//! What an embedder is made of: one model, or several whose embeddings are put side by side.

use instored_domain::ModelId;
use serde::Deserialize;

use super::{Calibration, Model, Role, VisionError};

/// An embedder's models, loaded.
pub(super) struct Ensemble {
    pub id: ModelId,
    pub calibration: Option<Calibration>,
    pub ingredients: Vec<Member>,
}

/// One model of a recipe.
pub(super) struct Member {
    pub model: Model,
    /// Its share in the cosine, 0 to 1; those of a recipe add up to 1.
    pub weight: f32,
    /// Whether the face is embedded together with its mirror image.
    pub mirrored: bool,
}

/// A recipe as its file has it: `models/README.md` tells what each field means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnsembleFile {
    id: ModelId,
    #[serde(rename = "title")]
    _title: String,
    #[serde(rename = "figures")]
    _figures: String,
    ingredients: Vec<MemberEntry>,
    calibration: Option<Calibration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberEntry {
    model: String,
    weight: f32,
    mirrored: bool,
}

/// The recipes inside the program.
const SHIPPED_MODELS: &[(&str, &str)] = &[("blend", include_str!("../../../models/blend.toml"))];

impl Ensemble {
    /// The shipped recipe of that name; else the model of that name or card, alone.
    pub fn load(name: &str) -> Result<Self, VisionError> {
        let Some((_, text)) = SHIPPED_MODELS.iter().find(|(shipped, _)| *shipped == name) else {
            let model = Model::load(name, Role::Embedder)?;
            let card = model.manifest();
            let (id, calibration) = (card.id.clone(), card.calibration.clone());
            let mirrored = card.output.mirrored;
            let ingredients = vec![Member { model, weight: 1.0, mirrored }];
            return Ok(Self { id, calibration, ingredients });
        };
        let written: EnsembleFile = toml::from_str(text)
            .map_err(|e| VisionError::ModelManifest { path: name.into(), reason: e.to_string() })?;
        let ingredient = |part: &MemberEntry| -> Result<Member, VisionError> {
            let model = Model::load(&part.model, Role::Embedder)?;
            Ok(Member { model, weight: part.weight, mirrored: part.mirrored })
        };
        let ingredients = written.ingredients.iter().map(ingredient).collect::<Result<_, _>>()?;
        Ok(Self { id: written.id, calibration: written.calibration, ingredients })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_recipe_can_be_made_and_its_weights_are_shares() {
        for (name, _) in SHIPPED_MODELS {
            let recipe = Ensemble::load(name).unwrap();
            let sum: f32 = recipe.ingredients.iter().map(|i| i.weight).sum();
            assert!((sum - 1.0).abs() < 1e-6 && recipe.ingredients.iter().all(|i| i.weight > 0.0));
        }
    }

    #[test]
    fn a_model_alone_is_a_recipe_and_one_that_is_not_there_is_named() {
        let recipe = Ensemble::load("sface").unwrap();
        assert_eq!(
            (recipe.ingredients.len(), recipe.id.0.as_str()),
            (1, "sface-2021dec-w8-centred")
        );
        let error = Ensemble::load("resnet").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("resnet") && error.contains("sface"), "{error}");
    }
}
