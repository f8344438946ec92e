//! What follows a convolution before anything is written.

use crate::simd::{F32x16, Simd, padded_vectors};

/// What follows a convolution, channel by channel: `max(x, 0) + slope * min(x, 0)` of the sum and the
/// bias. A slope of 0 is ReLU, 1 leaves the sum as it is, others are PReLU.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// A value an output channel.
    pub bias: &'a [f32],
    /// A value an output channel.
    pub slope: &'a [f32],
}

/// A [`Epilogue`], ready for the kernels.
#[derive(Debug)]
pub struct Finished {
    /// Of sixteen channels each; the convolution begins with it.
    pub bias: Vec<F32x16>,
    activation: Activation,
}

#[derive(Debug)]
enum Activation {
    None,
    Relu,
    Prelu(Vec<F32x16>),
}

impl Finished {
    /// # Panics
    /// When there is not a slope for each bias.
    pub fn new(finish: Epilogue<'_>) -> Self {
        let Epilogue { bias, slope } = finish;
        assert_eq!(bias.len(), slope.len());
        let all = |value: f32| slope.iter().all(|slope| *slope == value);
        let activation = if all(1.0) {
            Activation::None
        } else if all(0.0) {
            Activation::Relu
        } else {
            Activation::Prelu(padded_vectors(slope, 0.0))
        };
        Self { bias: padded_vectors(bias, 0.0), activation }
    }

    /// Activates sums of `P` times sixteen channels, of which the first are `chunk`; the bias is in
    /// them already.
    #[inline(always)]
    pub fn activate<S: Simd, const R: usize, const P: usize>(
        &self,
        s: S,
        chunk: usize,
        mut sums: [[S::Floats; P]; R],
    ) -> [[S::Floats; P]; R] {
        let zero = s.splat(0.0);
        match &self.activation {
            Activation::None => {}
            Activation::Relu => {
                for sum in sums.as_flattened_mut() {
                    *sum = s.max(*sum, zero);
                }
            }
            Activation::Prelu(slopes) => {
                for p in 0..P {
                    let slope = s.load(&slopes[chunk + p]);
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
