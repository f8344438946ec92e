//! Half and double the size.

use crate::lanes::{Kernel, Lanes, Sixteen, vectors, vectors_mut};
use crate::{Processor, Size};

/// The largest of each two by two pixels, channel by channel; an odd last row or column is left out.
///
/// # Panics
/// When the lengths do not fit together.
pub fn max_pool(
    processor: Processor,
    size: Size,
    channels: usize,
    picture: &[f32],
    out: &mut [f32],
) {
    let (picture, out) = (vectors(picture), vectors_mut(out));
    let chunks = crate::padded(channels) / crate::LANES;
    assert_eq!(picture.len(), size.area() * chunks);
    assert_eq!(out.len(), (size.height / 2) * (size.width / 2) * chunks);
    processor.run(MaxPool { row: size.width * chunks, chunks, picture, out });
}

/// `small`, every pixel doubled both ways, added to `large`, of that `size`.
///
/// # Panics
/// When the lengths do not fit together.
pub fn add_doubled(
    processor: Processor,
    size: Size,
    channels: usize,
    large: &[f32],
    small: &[f32],
    out: &mut [f32],
) {
    let (large, small, out) = (vectors(large), vectors(small), vectors_mut(out));
    let chunks = crate::padded(channels) / crate::LANES;
    assert_eq!((large.len(), out.len()), (size.area() * chunks, size.area() * chunks));
    assert_eq!(small.len() * 4, large.len());
    processor.run(AddDoubled { row: size.width * chunks, chunks, large, small, out });
}

struct MaxPool<'a> {
    /// Vectors of a row of the picture, and of a pixel.
    row: usize,
    chunks: usize,
    picture: &'a [Sixteen<f32>],
    out: &'a mut [Sixteen<f32>],
}

impl Kernel for MaxPool<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Self { row, chunks, picture, out } = self;
        let out_row = row / chunks / 2 * chunks;
        for (rows, out) in picture.chunks_exact(2 * row).zip(out.chunks_exact_mut(out_row)) {
            let (upper, lower) = rows.split_at(row);
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
}

struct AddDoubled<'a> {
    /// Vectors of a row of the large picture, and of a pixel.
    row: usize,
    chunks: usize,
    large: &'a [Sixteen<f32>],
    small: &'a [Sixteen<f32>],
    out: &'a mut [Sixteen<f32>],
}

impl Kernel for AddDoubled<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Self { row, chunks, large, small, out } = self;
        for (y, (large, out)) in large.chunks_exact(row).zip(out.chunks_exact_mut(row)).enumerate()
        {
            let small = &small[y / 2 * (row / 2)..][..row / 2];
            for (x, (large, out)) in
                large.chunks_exact(chunks).zip(out.chunks_exact_mut(chunks)).enumerate()
            {
                let small = &small[x / 2 * chunks..][..chunks];
                for c in 0..chunks {
                    s.store(s.add(s.load(&large[c]), s.load(&small[c])), &mut out[c]);
                }
            }
        }
    }
}
