//! Embeddings of aligned faces.

use std::sync::atomic::{AtomicU64, Ordering};

use instored_domain::{Embedding, EmbeddingCount, ModelId};
use instored_imaging::Picture;
use zeroize::Zeroizing;

use super::ensemble::{Ensemble, Member};
use super::network::Network;
use super::purpose::Kind;
use super::{ALIGNED_SIDE, Calibration, Purpose, VisionError};

/// Embedder of one network, or of several whose scores are fused.
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
    /// Square root of the weight. Member embeddings are scaled by it and concatenated, so that the
    /// cosine of two embeddings is the weighted mean of the members' cosines.
    weight_sqrt: f32,
    is_mirrored: bool,
    /// Mean output over faces, which is subtracted. Empty if nothing is subtracted.
    mean: Vec<f32>,
    /// Constant that is appended to the output, or 0.
    bias_dimension: f32,
}

/// Smallest norm of a face's output, relative to the bias dimension.
///
/// Rejects embeddings with a smaller norm: non-faces produce short vectors, which the bias dimension
/// would make similar to all faces. The shipped bias dimensions are 0.3 of the typical norm. Of 3,693
/// faces, fewer than one in a thousand have a norm below 0.6 of the typical one.
const MIN_NORM_RATIO: f32 = 2.0;

impl Embedder {
    /// Loads an embedder: a shipped ensemble or model by its name, or a model by the path of its
    /// manifest.
    ///
    /// # Errors
    /// If a model does not exist, does not match its manifest, has another input size than 112 × 112
    /// pixels, or cannot be run.
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
        let mut values = Zeroizing::new(Vec::new());
        for member in &self.members {
            let Some(unit) = member.embed(face)? else { return Ok(None) };
            values.extend(unit.values().iter().map(|v| v * member.weight_sqrt));
        }
        let failed = |e: instored_domain::EmbeddingError| VisionError::Inference {
            id: self.id.0.clone(),
            reason: e.to_string(),
        };
        Embedding::normalised(std::mem::take(&mut values)).map(Some).map_err(failed)
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
            return Err(manifest.unsupported(reason));
        }
        let mean = manifest.output.mean.clone();
        if !mean.is_empty() && Some(mean.len()) != manifest.output.dimension {
            return Err(manifest.unsupported("the lengths of its centre and its output differ"));
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
        let mut values = Zeroizing::new(self.network.run(face)?.swap_remove(0));
        if self.is_mirrored {
            let mirrored = Zeroizing::new(self.network.run(&face.mirrored())?.swap_remove(0));
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
