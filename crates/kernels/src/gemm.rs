//! Sums of products of rows and panels of weights, a panel being sixteen outputs side by side.

use crate::simd::{F32x16, I8x4x16, I32x16, Simd, vectors};

/// A row with nothing larger than this counts as zeros.
const NOTHING: f32 = 1e-30;

/// RowBuffer of values, each in as many pieces as there are `lines`.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// Where the first row's pieces begin.
    pub lines: &'a [&'a [f32]],
    /// From where a row's piece begins to where the next row's does.
    pub step: usize,
    /// Values of a piece.
    pub span: usize,
    /// Inputs of the layer before the first piece. These, and those behind the last, count as zero.
    pub skipped: usize,
}

/// Rounds a row to bytes. Returns what they are to be multiplied with.
#[inline(always)]
pub fn encode<S: Simd>(s: S, row: &[f32], codes: &mut [[u8; 4]]) -> f32 {
    let row = vectors(row);
    let mut highest = s.splat(0.0);
    for values in row {
        highest = s.max(highest, s.abs(s.load(values)));
    }
    let highest = s.highest(highest);
    let (scale, inverse) =
        if highest > NOTHING { (highest / 127.0, 127.0 / highest) } else { (0.0, 0.0) };
    let inverse = s.splat(inverse);
    for (values, codes) in row.iter().zip(codes.as_flattened_mut().as_chunks_mut().0) {
        *codes = s.encode(s.mul(s.load(values), inverse));
    }
    scale
}

/// RowBuffer times panels.
pub trait Product {
    /// The sums of `R` rows and `P` panels, with the bias.
    fn tile<S: Simd, const R: usize, const P: usize>(
        &self,
        s: S,
        row: usize,
        column: usize,
        bias: &[F32x16],
    ) -> [[S::Floats; P]; R];
}

/// Of floats.
pub struct FloatProduct<'a> {
    pub values: Values<'a>,
    /// Which of their rows is the first here.
    pub first: usize,
    /// Inputs of each panel, those included that have no values.
    pub inputs: usize,
    pub weights: &'a [F32x16],
}

impl Product for FloatProduct<'_> {
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
        let Values { lines, step, span, skipped } = self.values;
        for (l, line) in lines.iter().enumerate() {
            let rows: [&[f32]; R] =
                std::array::from_fn(|r| &line[(self.first + row + r) * step..][..span]);
            let panels: [&[F32x16]; P] = std::array::from_fn(|p| {
                &self.weights[(column + p) * self.inputs + skipped + l * span..][..span]
            });
            for i in 0..span {
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

/// Of bytes.
pub struct ByteProduct<'a> {
    pub codes: &'a [[u8; 4]],
    pub row_scales: &'a [f32],
    pub groups: usize,
    pub weights: &'a [I8x4x16],
    pub scales: &'a [F32x16],
    pub sums: &'a [I32x16],
}

impl Product for ByteProduct<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const P: usize>(
        &self,
        s: S,
        row: usize,
        column: usize,
        bias: &[F32x16],
    ) -> [[S::Floats; P]; R] {
        let mut dots = [[s.dot_start(&self.sums[column]); P]; R];
        for p in 1..P {
            for dots in &mut dots {
                dots[p] = s.dot_start(&self.sums[column + p]);
            }
        }
        let n = self.groups;
        let rows: [&[[u8; 4]]; R] = std::array::from_fn(|r| &self.codes[(row + r) * n..][..n]);
        let panels: [&[I8x4x16]; P] =
            std::array::from_fn(|p| &self.weights[(column + p) * n..][..n]);
        for i in 0..n {
            for r in 0..R {
                for p in 0..P {
                    dots[r][p] = s.dot(rows[r][i], &panels[p][i], dots[r][p]);
                }
            }
        }
        let mut sums = [[s.splat(0.0); P]; R];
        for r in 0..R {
            let row_scale = s.splat(self.row_scales[row + r]);
            for p in 0..P {
                let scale = s.mul(row_scale, s.load(&self.scales[column + p]));
                sums[r][p] = s.mul_add(s.floats(dots[r][p]), scale, s.load(&bias[p]));
            }
        }
        sums
    }
}
