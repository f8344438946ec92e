//! Products of input rows and packed weights. They are computed in register tiles.
//!
//! Weights are packed in panels. A panel holds the weights of sixteen outputs side by side.

use crate::simd::{F32x16, I8x4x16, I32x16, Simd, vectors};

/// A row whose largest absolute value is at most this limit is quantized to zeros.
const ZERO_ROW_MAX: f32 = 1e-30;

/// Input rows of a product. A row is the concatenation of one segment from each of `lines`.
#[derive(Clone, Copy)]
pub struct InputRows<'a> {
    /// Memory that contains the segments. Each slice starts with the segment of the first row.
    pub lines: &'a [&'a [f32]],
    /// Distance between the segments of two rows, in values.
    pub row_stride: usize,
    /// Number of values in a segment.
    pub segment_len: usize,
    /// Number of inputs of the layer before the first segment. These inputs, and the inputs after
    /// the last segment, are zero.
    pub skipped: usize,
}

/// Quantizes a row to bytes and returns the scale: the float value of one quantization step.
#[inline(always)]
pub fn quantize_row<S: Simd>(s: S, row: &[f32], quantized: &mut [[u8; 4]]) -> f32 {
    let row = vectors(row);
    let mut max = s.splat(0.0);
    for values in row {
        max = s.max(max, s.abs(s.load(values)));
    }
    let max = s.reduce_max(max);
    let (scale, inverse) = if max > ZERO_ROW_MAX { (max / 127.0, 127.0 / max) } else { (0.0, 0.0) };
    let inverse = s.splat(inverse);
    for (values, bytes) in row.iter().zip(quantized.as_flattened_mut().as_chunks_mut().0) {
        *bytes = s.quantize(s.mul(s.load(values), inverse));
    }
    scale
}

/// Product of a matrix of input rows and packed weights.
pub trait Gemm {
    /// Returns the sums of `R` rows and `P` panels, starting at `row` and panel `column`. The sums
    /// include the bias.
    fn tile<S: Simd, const R: usize, const P: usize>(
        &self,
        s: S,
        row: usize,
        column: usize,
        bias: &[F32x16],
    ) -> [[S::Floats; P]; R];
}

/// Product in `f32`.
pub struct F32Gemm<'a> {
    pub rows: InputRows<'a>,
    /// Index of the input row that is row 0 of the product.
    pub first_row: usize,
    /// Number of inputs of each panel, including skipped inputs.
    pub inputs: usize,
    pub weights: &'a [F32x16],
}

impl Gemm for F32Gemm<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const P: usize>(
        &self,
        s: S,
        row: usize,
        column: usize,
        bias: &[F32x16],
    ) -> [[S::Floats; P]; R] {
        let mut sums = [[s.splat(0.0); P]; R];
        for p in 0..P {
            for sums in &mut sums {
                sums[p] = s.load(&bias[p]);
            }
        }
        let InputRows { lines, row_stride, segment_len, skipped } = self.rows;
        for (l, line) in lines.iter().enumerate() {
            let rows: [&[f32]; R] = std::array::from_fn(|r| {
                &line[(self.first_row + row + r) * row_stride..][..segment_len]
            });
            let panels: [&[F32x16]; P] = std::array::from_fn(|p| {
                let start = (column + p) * self.inputs + skipped + l * segment_len;
                &self.weights[start..][..segment_len]
            });
            for i in 0..segment_len {
                let mut weights = [s.splat(0.0); P];
                for p in 0..P {
                    weights[p] = s.load(&panels[p][i]);
                }
                for r in 0..R {
                    let value = s.splat(rows[r][i]);
                    for p in 0..P {
                        sums[r][p] = s.mul_add(value, weights[p], sums[r][p]);
                    }
                }
            }
        }
        sums
    }
}

/// Product in int8. Its integer sums are exact.
pub struct Int8Gemm<'a> {
    /// Quantized rows, four values per group.
    pub rows: &'a [[u8; 4]],
    /// Scale of each row.
    pub row_scales: &'a [f32],
    /// Number of groups of four inputs per row.
    pub groups: usize,
    pub weights: &'a [I8x4x16],
    /// Scale of each output.
    pub scales: &'a [F32x16],
    /// Sum of the weights of each output.
    pub sums: &'a [I32x16],
}

impl Gemm for Int8Gemm<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const P: usize>(
        &self,
        s: S,
        row: usize,
        column: usize,
        bias: &[F32x16],
    ) -> [[S::Floats; P]; R] {
        let mut dots = [[s.dot_init(&self.sums[column]); P]; R];
        for p in 1..P {
            for dots in &mut dots {
                dots[p] = s.dot_init(&self.sums[column + p]);
            }
        }
        let n = self.groups;
        let rows: [&[[u8; 4]]; R] = std::array::from_fn(|r| &self.rows[(row + r) * n..][..n]);
        let panels: [&[I8x4x16]; P] =
            std::array::from_fn(|p| &self.weights[(column + p) * n..][..n]);
        for i in 0..n {
            for r in 0..R {
                for p in 0..P {
                    dots[r][p] = s.dot4(rows[r][i], &panels[p][i], dots[r][p]);
                }
            }
        }
        let mut sums = [[s.splat(0.0); P]; R];
        for r in 0..R {
            let row_scale = s.splat(self.row_scales[row + r]);
            for p in 0..P {
                let scale = s.mul(row_scale, s.load(&self.scales[column + p]));
                sums[r][p] = s.mul_add(s.to_floats(dots[r][p]), scale, s.load(&bias[p]));
            }
        }
        sums
    }
}
