//! Tiling of a product, which keeps the sums of a tile in registers.

use crate::epilogue::PackedEpilogue;
use crate::gemm::Gemm;
use crate::simd::{F32x16, Simd};

/// Output rows of a product, and the operations that follow the product.
pub struct OutputBlock<'a> {
    pub epilogue: &'a PackedEpilogue,
    /// Values that are added to the output after the activation.
    pub residual: Option<&'a [F32x16]>,
    pub out: &'a mut [F32x16],
}

impl OutputBlock<'_> {
    /// Computes all rows of the block.
    #[inline(always)]
    pub fn fill<S: Simd>(mut self, s: S, product: &impl Gemm) {
        let columns = self.epilogue.vectors();
        let mut column = 0;
        while column < columns {
            match columns - column {
                4.. if S::HAS_WIDE_TILES => {
                    self.fill_columns::<S, 4>(s, product, column);
                    column += 4;
                }
                2.. if S::HAS_WIDE_TILES => {
                    self.fill_columns::<S, 2>(s, product, column);
                    column += 2;
                }
                _ => {
                    self.fill_columns::<S, 1>(s, product, column);
                    column += 1;
                }
            }
        }
    }

    /// Computes all rows of `P` vectors, starting at vector `column`.
    #[inline(always)]
    fn fill_columns<S: Simd, const P: usize>(&mut self, s: S, product: &impl Gemm, column: usize) {
        let rows = self.out.len() / self.epilogue.vectors();
        let mut row = 0;
        while S::HAS_WIDE_TILES && P <= 2 && row + 12 <= rows {
            self.fill_tile::<S, 12, P>(s, product, row, column);
            row += 12;
        }
        while row + 6 <= rows {
            self.fill_tile::<S, 6, P>(s, product, row, column);
            row += 6;
        }
        match rows - row {
            5 => self.fill_tile::<S, 5, P>(s, product, row, column),
            4 => self.fill_tile::<S, 4, P>(s, product, row, column),
            3 => self.fill_tile::<S, 3, P>(s, product, row, column),
            2 => self.fill_tile::<S, 2, P>(s, product, row, column),
            1 => self.fill_tile::<S, 1, P>(s, product, row, column),
            _ => {}
        }
    }

    /// Computes a tile of `R` rows by `P` vectors.
    #[inline(always)]
    fn fill_tile<S: Simd, const R: usize, const P: usize>(
        &mut self,
        s: S,
        product: &impl Gemm,
        row: usize,
        column: usize,
    ) {
        let bias = &self.epilogue.bias;
        let sums = product.tile::<S, R, P>(s, row, column, &bias[column..][..P]);
        let sums = self.epilogue.activate(s, column, sums);
        for (r, sums) in sums.into_iter().enumerate() {
            let at = (row + r) * bias.len() + column;
            let out = &mut self.out[at..][..P];
            for p in 0..P {
                let mut value = sums[p];
                if let Some(residual) = self.residual {
                    value = s.add(value, s.load(&residual[at + p]));
                }
                s.store(value, &mut out[p]);
            }
        }
    }
}
