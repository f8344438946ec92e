//! Embeddings of aligned faces.

use std::sync::atomic::{AtomicU64, Ordering};

use instored_domain::{Embedding, EmbeddingCount, ModelId};
use instored_imaging::Picture;
use zeroize::Zeroizing;

use super::ensemble::{Ensemble, Member};
use super::network::Network;
use super::purpose::Kind;
use super::{ALIGNED_SIDE, Calibration, Purpose, VisionError};

/// Embedder that runs one network, or an ensemble of networks.
pub struct Embedder {
    id: ModelId,
    calibration: Option<Calibration>,
    members: Vec<MemberNetwork>,
    enrolment_count: AtomicU64,
    recognition_count: AtomicU64,
}

/// Network of an ensemble.
struct MemberNetwork {
    network: Network,
    /// Square root of the network's weight in the score. It scales the network's embedding. The
    /// scaled embeddings of all members are concatenated, so that the cosine of two results is the
    /// weighted mean of the members' cosines.
    weight_sqrt: f32,
    is_mirrored: bool,
    /// Mean output over many faces, which is subtracted from each output. Empty: nothing is
    /// subtracted.
    mean: Vec<f32>,
    /// Constant that is appended to the output. 0: nothing is appended.
    bias_dimension: f32,
}

/// Smallest norm of a network's output for a face, as a multiple of the bias dimension.
///
/// Outputs with a smaller norm are rejected. Pictures without a face produce such outputs, and the
/// bias dimension would make them similar to all faces. The shipped bias dimensions are 0.3 of the
/// typical norm, so that the limit is 0.6 of the typical norm. Of 3,693 measured faces, fewer than
/// one in a thousand have a norm below this limit.
const MIN_NORM_RATIO: f32 = 2.0;

impl Embedder {
    /// Loads an embedder: a shipped ensemble or model by its name, or a model by the path of its
    /// manifest.
    ///
    /// # Errors
    /// If a model does not exist, does not match its manifest, cannot be run, or if its input size
    /// is not 112 × 112 pixels.
    pub fn load(name: &str) -> Result<Self, VisionError> {
        let Ensemble { id, calibration, members } = Ensemble::load(name)?;
        Ok(Self {
            id,
            calibration,
            members: members.iter().map(MemberNetwork::new).collect::<Result<_, _>>()?,
            enrolment_count: AtomicU64::new(0),
            recognition_count: AtomicU64::new(0),
        })
    }

    /// Computes the embedding of a face from [`align`](super::align()). Returns `None` if the norm of a
    /// network's output is too small for a face.
    ///
    /// # Errors
    /// If a network fails or its output cannot be normalised.
    pub fn embed(
        &self,
        face: &Picture,
        purpose: &Purpose<'_>,
    ) -> Result<Option<Embedding>, VisionError> {
        let count = match purpose.kind() {
            Kind::Enrolment => &self.enrolment_count,
            Kind::Recognition => &self.recognition_count,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let mut embeddings = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let Some(embedding) = member.embed(face)? else { return Ok(None) };
            embeddings.push(embedding);
        }
        let length = embeddings.iter().map(|embedding| embedding.values().len()).sum();
        // The exact capacity: a vector that grows would leave copies in freed memory.
        let mut values = Zeroizing::new(Vec::with_capacity(length));
        for (embedding, member) in embeddings.iter().zip(&self.members) {
            values.extend(embedding.values().iter().map(|v| v * member.weight_sqrt));
        }
        let inference_error = |e: instored_domain::EmbeddingError| VisionError::Inference {
            id: self.id.0.clone(),
            reason: e.to_string(),
        };
        Embedding::normalised(std::mem::take(&mut values)).map(Some).map_err(inference_error)
    }

    /// Returns the identifier that templates are bound to.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// Returns the measured thresholds, or `None` if the manifest has none.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// Returns the number of embeddings computed so far, for each purpose.
    pub fn count(&self) -> EmbeddingCount {
        EmbeddingCount {
            enrolment: self.enrolment_count.load(Ordering::Relaxed),
            recognition: self.recognition_count.load(Ordering::Relaxed),
        }
    }
}

impl MemberNetwork {
    fn new(member: &Member) -> Result<Self, VisionError> {
        let manifest = member.model.manifest();
        let side = Some(ALIGNED_SIDE);
        if manifest.input.width != side || manifest.input.height != side {
            let reason =
                format!("an embedder's input must be {ALIGNED_SIDE}x{ALIGNED_SIDE} pixels");
            return Err(manifest.unsupported_error(reason));
        }
        let mean = manifest.output.mean.clone();
        if !mean.is_empty() && Some(mean.len()) != manifest.output.dimension {
            return Err(manifest.unsupported_error(
                "its manifest has different lengths for output.centre and output.dimension",
            ));
        }
        Ok(Self {
            network: Network::new(&member.model, ALIGNED_SIDE, ALIGNED_SIDE)?,
            weight_sqrt: member.weight.sqrt(),
            is_mirrored: member.is_mirrored,
            mean,
            bias_dimension: manifest.output.bias_dimension,
        })
    }

    fn embed(&self, face: &Picture) -> Result<Option<Embedding>, VisionError> {
        let output = self.network.run(face)?.swap_remove(0);
        // One more value than the output, for the bias dimension: the vector must not grow.
        let mut values = Zeroizing::new(Vec::with_capacity(output.len() + 1));
        values.extend_from_slice(&output);
        if self.is_mirrored {
            let mirrored = Zeroizing::new(face.mirrored());
            let mirrored = self.network.run(&mirrored)?.swap_remove(0);
            for (value, mirrored) in values.iter_mut().zip(mirrored.iter()) {
                *value = (*value + mirrored) / 2.0;
            }
        }
        for (value, mean) in values.iter_mut().zip(&self.mean) {
            *value -= mean;
        }
        if self.bias_dimension > 0.0 {
            let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt();
            if norm < self.bias_dimension * MIN_NORM_RATIO {
                return Ok(None);
            }
            values.push(self.bias_dimension);
        }
        Embedding::normalised(std::mem::take(&mut values))
            .map(Some)
            .map_err(|e| self.network.inference_error(&e.to_string()))
    }
}
