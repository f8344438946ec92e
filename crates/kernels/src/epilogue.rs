//! Bias and activation of an operator, applied before its output is written.

use crate::simd::{F32x16, Simd, padded_vectors};

/// Bias and activation of each output channel. The output is `max(x, 0) + slope * min(x, 0)`, where
/// `x` is the sum of products and bias. A slope of 0 is ReLU, a slope of 1 is the identity, and any
/// other slope is PReLU.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// Bias of each output channel.
    pub bias: &'a [f32],
    /// Slope of each output channel for negative sums.
    pub slope: &'a [f32],
}

/// [`Epilogue`] in the layout of the kernels.
#[derive(Debug)]
pub struct PackedEpilogue {
    /// Initial values of the sums, sixteen channels per vector.
    pub bias: Vec<F32x16>,
    activation: Activation,
}

#[derive(Debug)]
enum Activation {
    Identity,
    Relu,
    Prelu(Vec<F32x16>),
}

impl PackedEpilogue {
    /// Packs an epilogue.
    ///
    /// # Panics
    /// If `bias` and `slope` differ in length.
    pub fn new(epilogue: Epilogue<'_>) -> Self {
        let Epilogue { bias, slope } = epilogue;
        assert_eq!(bias.len(), slope.len());
        let all_are = |value: f32| slope.iter().all(|slope| *slope == value);
        let activation = if all_are(1.0) {
            Activation::Identity
        } else if all_are(0.0) {
            Activation::Relu
        } else {
            Activation::Prelu(padded_vectors(slope, 0.0))
        };
        Self { bias: padded_vectors(bias, 0.0), activation }
    }

    /// Returns the number of vectors per output pixel.
    #[inline(always)]
    pub fn vectors(&self) -> usize {
        self.bias.len()
    }

    /// Applies the activation to sums of `R` rows and `P` vectors of channels, starting at vector
    /// `column`. The sums include the bias.
    #[inline(always)]
    pub fn activate<S: Simd, const R: usize, const P: usize>(
        &self,
        s: S,
        column: usize,
        mut sums: [[S::Floats; P]; R],
    ) -> [[S::Floats; P]; R] {
        let zero = s.splat(0.0);
        match &self.activation {
            Activation::Identity => {}
            Activation::Relu => {
                for sum in sums.as_flattened_mut() {
                    *sum = s.max(*sum, zero);
                }
            }
            Activation::Prelu(slopes) => {
                for p in 0..P {
                    let slope = s.load(&slopes[column + p]);
                    for sums in &mut sums {
                        let positive = s.max(sums[p], zero);
                        sums[p] = s.mul_add(s.min(sums[p], zero), slope, positive);
                    }
                }
            }
        }
        sums
    }
}
