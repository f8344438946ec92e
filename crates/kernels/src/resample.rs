//! Pooling to half the size and upsampling to twice the size.

use std::ops::Range;

use crate::simd::{F32x16, Kernel, LANES, Simd, vectors, vectors_mut};
use crate::{InstructionSet, RowBuffer, RowBufferMut};

/// Computes `rows` of `out`: the maximum of each block of 2 × 2 pixels, for each channel. If the
/// height or width of the input is odd, its last row or column is ignored.
///
/// # Panics
/// If the sizes do not match.
pub fn max_pool(
    isa: InstructionSet,
    input: RowBuffer<'_>,
    mut out: RowBufferMut<'_>,
    rows: Range<usize>,
) {
    let (from, to) = (input.size(), out.size());
    assert_eq!((from.height / 2, from.width / 2), (to.height, to.width));
    assert_eq!(input.pixel_stride(), out.pixel_stride());
    let chunks = input.pixel_stride() / LANES;
    for y in rows {
        let (upper, lower) = (vectors(input.row(2 * y)), vectors(input.row(2 * y + 1)));
        isa.run(MaxPoolRow { chunks, upper, lower, out: vectors_mut(out.row(y)) });
    }
}

/// Computes `rows` of `out`: the sum of `large` and of `small`, whose pixels are repeated to twice
/// its size.
///
/// # Panics
/// If the sizes do not match.
pub fn add_upsample2x(
    isa: InstructionSet,
    large: RowBuffer<'_>,
    small: RowBuffer<'_>,
    mut out: RowBufferMut<'_>,
    rows: Range<usize>,
) {
    let (from, to) = (small.size(), out.size());
    let stride = out.pixel_stride();
    assert_eq!((2 * from.height, 2 * from.width), (to.height, to.width));
    assert_eq!((large.size(), large.pixel_stride(), small.pixel_stride()), (to, stride, stride));
    let chunks = stride / LANES;
    for y in rows {
        let (large, small) = (vectors(large.row(y)), vectors(small.row(y / 2)));
        isa.run(AddUpsample2xRow { chunks, large, small, out: vectors_mut(out.row(y)) });
    }
}

struct MaxPoolRow<'a> {
    /// Vectors per pixel.
    chunks: usize,
    upper: &'a [F32x16],
    lower: &'a [F32x16],
    out: &'a mut [F32x16],
}

impl Kernel for MaxPoolRow<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { chunks, upper, lower, out } = self;
        let (upper, lower) = (upper.chunks_exact(2 * chunks), lower.chunks_exact(2 * chunks));
        for ((upper, lower), out) in upper.zip(lower).zip(out.chunks_exact_mut(chunks)) {
            for (c, out) in out.iter_mut().enumerate() {
                let above = s.max(s.load(&upper[c]), s.load(&upper[chunks + c]));
                let below = s.max(s.load(&lower[c]), s.load(&lower[chunks + c]));
                s.store(s.max(above, below), out);
            }
        }
    }
}

struct AddUpsample2xRow<'a> {
    /// Vectors per pixel.
    chunks: usize,
    large: &'a [F32x16],
    small: &'a [F32x16],
    out: &'a mut [F32x16],
}

impl Kernel for AddUpsample2xRow<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { chunks, large, small, out } = self;
        let pairs = large.chunks_exact(2 * chunks).zip(out.chunks_exact_mut(2 * chunks));
        for ((large, out), small) in pairs.zip(small.chunks_exact(chunks)) {
            for (c, small) in small.iter().enumerate() {
                let small = s.load(small);
                for i in [c, chunks + c] {
                    s.store(s.add(s.load(&large[i]), small), &mut out[i]);
                }
            }
        }
    }
}
