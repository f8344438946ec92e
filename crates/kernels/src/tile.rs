//! Products in tiles whose sums stay in registers.

use crate::epilogue::Finished;
use crate::gemm::Product;
use crate::simd::{F32x16, Simd};

/// Some rows of the output, and what is done to a sum before it is written there.
pub struct Block<'a> {
    pub finish: &'a Finished,
    pub residual: Option<&'a [F32x16]>,
    pub out: &'a mut [F32x16],
}

impl Block<'_> {
    /// Fills the block in tiles whose sums stay in registers.
    #[inline(always)]
    pub fn fill<S: Simd>(mut self, s: S, product: &impl Product) {
        let columns = self.finish.bias.len();
        let mut column = 0;
        while column < columns {
            match columns - column {
                4.. if S::WIDE => {
                    self.strip::<S, 4>(s, product, column);
                    column += 4;
                }
                2.. if S::WIDE => {
                    self.strip::<S, 2>(s, product, column);
                    column += 2;
                }
                _ => {
                    self.strip::<S, 1>(s, product, column);
                    column += 1;
                }
            }
        }
    }

    #[inline(always)]
    fn strip<S: Simd, const P: usize>(&mut self, s: S, product: &impl Product, column: usize) {
        let rows = self.out.len() / self.finish.bias.len();
        let mut row = 0;
        while S::WIDE && P <= 2 && row + 12 <= rows {
            self.tile::<S, 12, P>(s, product, row, column);
            row += 12;
        }
        while row + 6 <= rows {
            self.tile::<S, 6, P>(s, product, row, column);
            row += 6;
        }
        match rows - row {
            5 => self.tile::<S, 5, P>(s, product, row, column),
            4 => self.tile::<S, 4, P>(s, product, row, column),
            3 => self.tile::<S, 3, P>(s, product, row, column),
            2 => self.tile::<S, 2, P>(s, product, row, column),
            1 => self.tile::<S, 1, P>(s, product, row, column),
            _ => {}
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const P: usize>(
        &mut self,
        s: S,
        product: &impl Product,
        row: usize,
        column: usize,
    ) {
        let bias = &self.finish.bias;
        let sums = product.tile::<S, R, P>(s, row, column, &bias[column..][..P]);
        let sums = self.finish.activate(s, column, sums);
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
