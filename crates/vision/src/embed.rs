//! An aligned face becomes an embedding, if there is a purpose.

use std::sync::atomic::{AtomicU64, Ordering};

use instored_domain::{Embedding, EmbeddingCount, ModelId};
use instored_imaging::Picture;
use zeroize::Zeroizing;

use super::ensemble::{Ensemble, Member};
use super::network::Network;
use super::purpose::Kind;
use super::{ALIGNED_SIDE, Calibration, Purpose, VisionError};

/// Makes embeddings of aligned faces, by one network or by several together.
pub struct Embedder {
    id: ModelId,
    calibration: Option<Calibration>,
    parts: Vec<Part>,
    enrolment: AtomicU64,
    recognition: AtomicU64,
}

/// One network and its share in the embedding.
struct Part {
    network: Network,
    /// The root of its weight: the cosine of two embeddings is then the weighted mean of the
    /// cosines of their parts.
    root: f32,
    mirrored: bool,
    centre: Vec<f32>,
    steady: f32,
}

/// An output shorter than this many times the constant beside it is no face: with the constant it
/// would resemble everybody a little. The constants are 0.3 of the usual length; of 3,693 faces fewer
/// than one in a thousand are shorter than 0.6 of it, and what passes for a face and is none is.
const SHORTEST: f32 = 2.0;

impl Embedder {
    /// Prepares the embedder that the recipe of that name says, or the one model of that name or
    /// card.
    ///
    /// # Errors
    /// When a model is missing, not what its card says, takes another size than 112 x 112 pixels,
    /// or it cannot be run.
    pub fn load(name: &str) -> Result<Self, VisionError> {
        let Ensemble { id, calibration, ingredients } = Ensemble::load(name)?;
        Ok(Self {
            id,
            calibration,
            parts: ingredients.iter().map(Part::new).collect::<Result<_, _>>()?,
            enrolment: AtomicU64::new(0),
            recognition: AtomicU64::new(0),
        })
    }

    /// Makes the embedding of a face that [`align`](super::align()) cut out. `None`: a network saw
    /// no face in it to speak of.
    ///
    /// # Errors
    /// When a network fails or its output has no direction.
    pub fn embed(
        &self,
        face: &Picture,
        purpose: &Purpose<'_>,
    ) -> Result<Option<Embedding>, VisionError> {
        let count = match purpose.kind() {
            Kind::Enrolment => &self.enrolment,
            Kind::Recognition => &self.recognition,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let mut values = Zeroizing::new(Vec::new());
        for part in &self.parts {
            let Some(unit) = part.embed(face)? else { return Ok(None) };
            values.extend(unit.values().iter().map(|v| v * part.root));
        }
        let broken = |e: instored_domain::EmbeddingError| VisionError::Inference {
            id: self.id.0.clone(),
            reason: e.to_string(),
        };
        Embedding::normalised(std::mem::take(&mut values)).map(Some).map_err(broken)
    }

    /// The model, as templates name it.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// Thresholds for a wanted rate of strangers greeted, as measured for this embedder; `None`
    /// when its card has none.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// Embeddings made so far.
    pub fn count(&self) -> EmbeddingCount {
        EmbeddingCount {
            enrolment: self.enrolment.load(Ordering::Relaxed),
            recognition: self.recognition.load(Ordering::Relaxed),
        }
    }
}

impl Part {
    fn new(ingredient: &Member) -> Result<Self, VisionError> {
        let card = ingredient.model.manifest();
        let side = Some(ALIGNED_SIDE);
        if card.input.width != side || card.input.height != side {
            return Err(VisionError::Unusable {
                id: card.id.0.clone(),
                reason: format!("an embedder takes {ALIGNED_SIDE}x{ALIGNED_SIDE} pixels"),
            });
        }
        let centre = card.output.centre.clone();
        if !centre.is_empty() && Some(centre.len()) != card.output.dimension {
            let reason = "its card has a centre of another dimension than its output".to_owned();
            return Err(VisionError::Unusable { id: card.id.0.clone(), reason });
        }
        Ok(Self {
            network: Network::new(&ingredient.model, ALIGNED_SIDE, ALIGNED_SIDE)?,
            root: ingredient.weight.sqrt(),
            mirrored: ingredient.mirrored,
            centre,
            steady: card.output.steady,
        })
    }

    fn embed(&self, face: &Picture) -> Result<Option<Embedding>, VisionError> {
        let mut values = Zeroizing::new(self.network.run(face)?.swap_remove(0));
        if self.mirrored {
            let mirrored = Zeroizing::new(self.network.run(&face.mirrored())?.swap_remove(0));
            for (value, mirrored) in values.iter_mut().zip(mirrored.iter()) {
                *value = (*value + mirrored) / 2.0;
            }
        }
        for (value, centre) in values.iter_mut().zip(&self.centre) {
            *value -= centre;
        }
        if self.steady > 0.0 {
            let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
            if length < self.steady * SHORTEST {
                return Ok(None);
            }
            values.push(self.steady);
        }
        Embedding::normalised(std::mem::take(&mut values))
            .map(Some)
            .map_err(|e| self.network.broken(&e.to_string()))
    }
}
