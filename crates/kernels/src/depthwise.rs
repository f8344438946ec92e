//! Depthwise convolutions: each channel by itself.

use std::ops::Range;

use crate::epilogue::Finished;
use crate::simd::{F32x16, Kernel, LANES, Simd, padded_vectors, vectors, vectors_mut};
use crate::{Epilogue, InstructionSet, RowBuffer, RowBufferMut, Window};

/// A depthwise convolution whose weights are laid out for the kernel.
#[derive(Debug)]
pub struct Depthwise {
    window: Window,
    /// Tap after tap, all channels of it.
    weights: Vec<F32x16>,
    finish: Finished,
}

/// The side of the windows that have a kernel of their own.
const SIDE: usize = 3;

impl Depthwise {
    /// Lays out `weights`, all taps of the first channel first.
    ///
    /// # Panics
    /// When the lengths do not fit together.
    pub fn new(window: Window, weights: &[f32], finish: Epilogue<'_>) -> Self {
        let (channels, taps) = (finish.bias.len(), window.side * window.side);
        assert_eq!(weights.len(), channels * taps);
        let tap = |tap| (0..channels).map(|c| weights[c * taps + tap]).collect::<Vec<_>>();
        Self {
            window,
            weights: (0..taps).flat_map(|t| padded_vectors(&tap(t), 0.0)).collect(),
            finish: Finished::new(finish),
        }
    }

    /// Values of a pixel.
    pub fn channels(&self) -> usize {
        self.chunks() * LANES
    }

    /// Where the window stands.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Convolves: writes those `rows` of `out`.
    ///
    /// # Panics
    /// When the sizes do not fit together.
    pub fn run(
        &self,
        isa: InstructionSet,
        picture: RowBuffer<'_>,
        mut out: RowBufferMut<'_>,
        rows: Range<usize>,
    ) {
        assert_eq!((picture.pixel(), out.pixel()), (self.channels(), self.channels()));
        assert_eq!(self.window.output(picture.size()), Some(out.size()));
        for y in rows {
            let (top, bottom) = self.window.inside(y, picture.size().height);
            let out = vectors_mut(out.row(y));
            isa.run(Task { layer: self, picture, y, top, bottom, out });
        }
    }

    fn chunks(&self) -> usize {
        self.finish.bias.len()
    }
}

/// One row of places.
struct Task<'a> {
    layer: &'a Depthwise,
    picture: RowBuffer<'a>,
    /// Which one.
    y: usize,
    /// First and last + 1 row of taps inside the picture.
    top: usize,
    bottom: usize,
    out: &'a mut [F32x16],
}

impl Kernel for Task<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let Window { stride, side, .. } = self.layer.window;
        if side != SIDE || stride > 2 {
            return self.singles(s, 0..self.width());
        }
        match self.bottom - self.top {
            1 => self.row::<S, 1>(s, stride),
            2 => self.row::<S, 2>(s, stride),
            3 => self.row::<S, 3>(s, stride),
            _ => self.singles(s, 0..self.width()),
        }
    }
}

impl<'a> Task<'a> {
    /// As many places abreast as there are registers for the pixels under their windows; `ROWS` of
    /// their taps are inside the picture.
    #[inline(always)]
    fn row<S: Simd, const ROWS: usize>(&mut self, s: S, stride: usize) {
        match (stride, S::WIDE) {
            (1, true) => self.sweep::<S, ROWS, 1, 6, 8>(s),
            (1, false) => self.sweep::<S, ROWS, 1, 2, 4>(s),
            (_, true) => self.sweep::<S, ROWS, 2, 4, 9>(s),
            (_, false) => self.sweep::<S, ROWS, 2, 1, 3>(s),
        }
    }

    /// `N` places at a time, which have `PIXELS` a row under them.
    #[inline(always)]
    fn sweep<
        S: Simd,
        const ROWS: usize,
        const STRIDE: usize,
        const N: usize,
        const PIXELS: usize,
    >(
        &mut self,
        s: S,
    ) {
        const { assert!(PIXELS == (N - 1) * STRIDE + SIDE) }
        let Depthwise { window, weights, finish } = self.layer;
        let chunks = self.layer.chunks();
        let (first, last) = window.whole(self.picture.size().width, self.width());
        if last - first < N {
            return self.singles(s, 0..self.width());
        }
        self.singles(s, 0..first);
        self.singles(s, last..self.width());
        let lines: [_; ROWS] = std::array::from_fn(|tap| self.under(self.top + tap, first, 0));
        // Once for all, since a check for each load costs a fifth of the time.
        let pixels = (last - first - 1) * STRIDE + SIDE;
        assert!(lines.iter().all(|line| pixels * chunks <= line.len()));
        let out = &mut self.out[first * chunks..last * chunks];
        for chunk in 0..chunks {
            let mut taps = [[s.splat(0.0); SIDE]; ROWS];
            for (i, tap) in taps.as_flattened_mut().iter_mut().enumerate() {
                *tap = s.load(&weights[(self.top * SIDE + i) * chunks + chunk]);
            }
            let bias = s.load(&finish.bias[chunk]);
            let mut x = 0;
            while x < last - first {
                // The last ones are done over again where fewer than N are left.
                x = x.min(last - first - N);
                let mut sums = [[bias]; N];
                for (line, taps) in lines.iter().zip(&taps) {
                    let mut pixels = [s.splat(0.0); PIXELS];
                    for (i, pixel) in pixels.iter_mut().enumerate() {
                        let at = (x * STRIDE + i) * chunks + chunk;
                        // SAFETY: of the pixels that were asserted, it is at most the last.
                        *pixel = s.load(unsafe { line.get_unchecked(at) });
                    }
                    for (tap, weight) in taps.iter().enumerate() {
                        for n in 0..N {
                            sums[n][0] = s.mul_add(pixels[n * STRIDE + tap], *weight, sums[n][0]);
                        }
                    }
                }
                let sums = finish.activate(s, chunk, sums);
                for (n, [sum]) in sums.into_iter().enumerate() {
                    // SAFETY: `x + n` is below `last - first`, so many places `out` has.
                    s.store(sum, unsafe { out.get_unchecked_mut((x + n) * chunks + chunk) });
                }
                x += N;
            }
        }
    }

    /// One place after the other; taps outside the picture count nothing.
    #[inline(always)]
    fn singles<S: Simd>(&mut self, s: S, places: Range<usize>) {
        let Depthwise { window, weights, finish } = self.layer;
        let chunks = self.layer.chunks();
        for x in places {
            let (left, right) = window.inside(x, self.picture.size().width);
            for chunk in 0..chunks {
                let mut sum = s.load(&finish.bias[chunk]);
                for tap_row in self.top..self.bottom {
                    let line = &self.under(tap_row, x, left)[chunk..];
                    let taps = &weights[(tap_row * window.side + left) * chunks + chunk..];
                    for tap in 0..right - left {
                        let (pixel, weight) = (s.load(&line[tap * chunks]), &taps[tap * chunks]);
                        sum = s.mul_add(pixel, s.load(weight), sum);
                    }
                }
                let [[sum]] = finish.activate(s, chunk, [[sum]]);
                s.store(sum, &mut self.out[x * chunks + chunk]);
            }
        }
    }

    /// The pixels under a row of taps, from the `left`th tap of the window at `x` on.
    #[inline(always)]
    fn under(&self, tap: usize, x: usize, left: usize) -> &'a [F32x16] {
        let Window { stride, pad, .. } = self.layer.window;
        let line = vectors(self.picture.row(self.y * stride + tap - pad));
        &line[(x * stride + left - pad) * self.layer.chunks()..]
    }

    /// Places of the row.
    #[inline(always)]
    fn width(&self) -> usize {
        self.out.len() / self.layer.chunks()
    }
}
