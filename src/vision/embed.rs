//! An aligned face becomes an embedding, if there is a purpose.

use std::sync::atomic::{AtomicU64, Ordering};

use super::network::Network;
use super::purpose::Kind;
use super::{ALIGNED_SIDE, Model, Picture, Purpose, VisionError};
use crate::domain::{Embedding, ModelId};

/// Makes embeddings of aligned faces.
pub struct Embedder {
    network: Network,
    id: ModelId,
    threshold: f32,
    enrolment: AtomicU64,
    recognition: AtomicU64,
}

/// How many embeddings were made, by purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EmbeddingCount {
    /// For people who pressed the button.
    pub enrolment: u64,
    /// To find out whether someone is a customer.
    pub recognition: u64,
}

impl Embedder {
    /// Prepares an embedder that takes 112 x 112 pixels.
    ///
    /// # Errors
    /// When the model takes another size or tract cannot use it.
    pub fn new(model: &Model) -> Result<Self, VisionError> {
        let card = model.card();
        let side = Some(ALIGNED_SIDE);
        if card.input.width != side || card.input.height != side {
            return Err(VisionError::Unusable {
                id: card.id.0.clone(),
                reason: format!("an embedder takes {ALIGNED_SIDE}x{ALIGNED_SIDE} pixels"),
            });
        }
        Ok(Self {
            network: Network::new(model, ALIGNED_SIDE, ALIGNED_SIDE)?,
            id: card.id.clone(),
            threshold: card.decision.threshold,
            enrolment: AtomicU64::new(0),
            recognition: AtomicU64::new(0),
        })
    }

    /// Makes the embedding of a face that [`align`](super::align()) cut out.
    ///
    /// # Errors
    /// When the network fails or its output has no direction.
    pub fn embed(&self, face: &Picture, purpose: &Purpose<'_>) -> Result<Embedding, VisionError> {
        let count = match purpose.kind() {
            Kind::Enrolment => &self.enrolment,
            Kind::Recognition => &self.recognition,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let values = self.network.run(face)?.swap_remove(0);
        Embedding::normalised(values).map_err(|e| self.network.broken(&e.to_string()))
    }

    /// The model, as templates name it.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// Cosine from which two embeddings are one person's, as the model's card says.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Embeddings made so far.
    pub fn count(&self) -> EmbeddingCount {
        EmbeddingCount {
            enrolment: self.enrolment.load(Ordering::Relaxed),
            recognition: self.recognition.load(Ordering::Relaxed),
        }
    }
}
