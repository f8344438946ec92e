//! What is kept of a face: a point on the unit sphere, never a picture.

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{CustomerId, ModelId};

/// A face as a model sees it: a unit vector of 2 to 4,096 values. Zeroed when dropped; does not print.
#[derive(Clone, PartialEq)]
pub struct Embedding(Zeroizing<Vec<f32>>);

/// Values that are no embedding.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// Too few or too many values.
    #[error("an embedding has 2 to 4096 values, not {0}")]
    Length(usize),
    /// NaN, infinite, or a vector without a direction.
    #[error("the values have no direction")]
    Degenerate,
}

impl Embedding {
    /// Normalises `values` to unit length.
    ///
    /// # Errors
    /// When there are fewer than 2 or more than 4,096 values, or they have no direction.
    pub fn normalised(values: Vec<f32>) -> Result<Self, EmbeddingError> {
        let mut values = Zeroizing::new(values);
        if !(2..=4096).contains(&values.len()) {
            return Err(EmbeddingError::Length(values.len()));
        }
        let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm < 1e-9 {
            return Err(EmbeddingError::Degenerate);
        }
        for v in values.iter_mut() {
            *v = (f64::from(*v) / norm) as f32;
        }
        Ok(Self(values))
    }

    /// The values, a unit vector.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// Cosine similarity, -1 to 1. Embeddings of different lengths are unrelated: 0.
    pub fn cosine(&self, other: &Self) -> f32 {
        if self.0.len() != other.0.len() {
            return 0.0;
        }
        self.0.iter().zip(other.0.iter()).map(|(a, b)| a * b).sum()
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedding([redacted])")
    }
}

/// One enrolled view of a customer's face.
#[derive(Clone, PartialEq, Debug)]
pub struct Template {
    /// Whose face.
    pub customer: CustomerId,
    /// The model that made it; only its own probes are compared with it.
    pub model: ModelId,
    /// Which of the customer's templates, from 0.
    pub sequence: u32,
    /// When it was made.
    pub created: Timestamp,
    /// The face.
    pub embedding: Embedding,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeddings_are_unit_vectors_and_silent() {
        let a = Embedding::normalised(vec![3.0, 4.0]).unwrap();
        let b = Embedding::normalised(vec![-4.0, 3.0]).unwrap();
        assert!((a.cosine(&a) - 1.0).abs() < 1e-6 && a.cosine(&b).abs() < 1e-6);
        assert_eq!(format!("{a:?}"), "Embedding([redacted])");
        assert!(Embedding::normalised(vec![0.0; 8]).is_err());
        assert!(Embedding::normalised(vec![f32::NAN, 1.0]).is_err());
        assert!(Embedding::normalised(vec![1.0]).is_err());
    }
}
