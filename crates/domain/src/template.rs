//! Face embeddings and templates.

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{CustomerId, ModelId};

/// Minimum Euclidean norm of values that can be normalised.
const MIN_NORM: f64 = 1e-9;

/// A face embedding: a unit vector of 2 to 4,096 values. Its memory is zeroed on drop, and `Debug`
/// redacts the values.
#[derive(Clone, PartialEq)]
pub struct Embedding(Zeroizing<Vec<f32>>);

/// Error for values that cannot be normalised to an embedding.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// The number of values is out of range.
    #[error("an embedding has 2 to 4096 values, not {0}")]
    Length(usize),
    /// The norm of the values is 0 or not finite.
    #[error("the values of an embedding cannot be normalised: their norm is 0 or not finite")]
    NotNormalisable,
}

impl Embedding {
    /// Normalises `values` to unit length.
    ///
    /// # Errors
    /// If there are fewer than 2 or more than 4,096 values, or their norm is 0 or not finite.
    pub fn normalised(values: Vec<f32>) -> Result<Self, EmbeddingError> {
        let mut values = Zeroizing::new(values);
        if !(2..=4096).contains(&values.len()) {
            return Err(EmbeddingError::Length(values.len()));
        }
        let norm = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm < MIN_NORM {
            return Err(EmbeddingError::NotNormalisable);
        }
        for value in values.iter_mut() {
            *value = (f64::from(*value) / norm) as f32;
        }
        Ok(Self(values))
    }

    /// Returns the values of the unit vector.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// Computes the cosine similarity, -1 to 1. Embeddings of different lengths have similarity 0.
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
    /// The customer.
    pub customer: CustomerId,
    /// The model that computed the embedding. The template is compared only with
    /// probes of this model.
    pub model: ModelId,
    /// Position among the customer's templates, from 0.
    pub sequence: u32,
    /// Time of the enrolment.
    pub created: Timestamp,
    /// The embedding of the face.
    pub embedding: Embedding,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedding_is_normalised_and_redacted() {
        let a = Embedding::normalised(vec![3.0, 4.0]).unwrap();
        let b = Embedding::normalised(vec![-4.0, 3.0]).unwrap();
        assert!((a.cosine(&a) - 1.0).abs() < 1e-6 && a.cosine(&b).abs() < 1e-6);
        assert_eq!(format!("{a:?}"), "Embedding([redacted])");
        assert!(Embedding::normalised(vec![0.0; 8]).is_err());
        assert!(Embedding::normalised(vec![f32::NAN, 1.0]).is_err());
        assert!(Embedding::normalised(vec![1.0]).is_err());
    }
}
