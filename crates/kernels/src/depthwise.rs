//! Depthwise convolutions: each channel has its own kernel.

use std::ops::Range;

use crate::epilogue::PackedEpilogue;
use crate::simd::{F32x16, Kernel, LANES, Simd, padded_vectors, vectors, vectors_mut};
use crate::{Epilogue, InstructionSet, RowBuffer, RowBufferMut, Window};

/// Depthwise convolution with packed weights.
#[derive(Debug)]
pub struct Depthwise {
    window: Window,
    /// Weights of all channels for the first tap, then for the next taps.
    weights: Vec<F32x16>,
    epilogue: PackedEpilogue,
}

/// Side of the windows that the specialised kernel handles.
const FAST_SIDE: usize = 3;

impl Depthwise {
    /// Packs `weights`: all taps of the first channel, then those of the next channels.
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn new(window: Window, weights: &[f32], epilogue: Epilogue<'_>) -> Self {
        let (channels, taps) = (epilogue.bias.len(), window.side * window.side);
        assert_eq!(weights.len(), channels * taps);
        let tap = |tap| (0..channels).map(|c| weights[c * taps + tap]).collect::<Vec<_>>();
        Self {
            window,
            weights: (0..taps).flat_map(|t| padded_vectors(&tap(t), 0.0)).collect(),
            epilogue: PackedEpilogue::new(epilogue),
        }
    }

    /// Returns the number of values per pixel, padding included.
    pub fn pixel_stride(&self) -> usize {
        self.chunks() * LANES
    }

    /// Returns the window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Computes `rows` of `out`.
    ///
    /// # Panics
    /// If the sizes do not match.
    pub fn run(
        &self,
        isa: InstructionSet,
        input: RowBuffer<'_>,
        mut out: RowBufferMut<'_>,
        rows: Range<usize>,
    ) {
        let stride = self.pixel_stride();
        assert_eq!((input.pixel_stride(), out.pixel_stride()), (stride, stride));
        assert_eq!(self.window.output_size(input.size()), Some(out.size()));
        for y in rows {
            let (top, bottom) = self.window.valid_taps(y, input.size().height);
            let out = vectors_mut(out.row(y));
            isa.run(DepthwiseRow { layer: self, input, y, top, bottom, out });
        }
    }

    /// Returns the number of vectors per pixel.
    fn chunks(&self) -> usize {
        self.epilogue.vectors()
    }
}

/// One output row.
struct DepthwiseRow<'a> {
    layer: &'a Depthwise,
    input: RowBuffer<'a>,
    /// Index of the row.
    y: usize,
    /// Index of the first row of taps inside the input.
    top: usize,
    /// Index of the last row of taps inside the input, plus 1.
    bottom: usize,
    out: &'a mut [F32x16],
}

impl Kernel for DepthwiseRow<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let Window { stride, side, .. } = self.layer.window;
        if side != FAST_SIDE || stride > 2 {
            return self.edge_columns(s, 0..self.columns());
        }
        match self.bottom - self.top {
            1 => self.fast_row::<S, 1>(s, stride),
            2 => self.fast_row::<S, 2>(s, stride),
            3 => self.fast_row::<S, 3>(s, stride),
            _ => self.edge_columns(s, 0..self.columns()),
        }
    }
}

impl<'a> DepthwiseRow<'a> {
    /// Computes a row with `ROWS` rows of taps inside the input. The number of columns per step is
    /// the largest for which the pixels under the windows fit into registers.
    #[inline(always)]
    fn fast_row<S: Simd, const ROWS: usize>(&mut self, s: S, stride: usize) {
        match (stride, S::HAS_WIDE_TILES) {
            (1, true) => self.interior::<S, ROWS, 1, 6, 8>(s),
            (1, false) => self.interior::<S, ROWS, 1, 2, 4>(s),
            (_, true) => self.interior::<S, ROWS, 2, 4, 9>(s),
            (_, false) => self.interior::<S, ROWS, 2, 1, 3>(s),
        }
    }

    /// Computes a row, and its interior in steps of `N` columns. The windows of a step cover
    /// `PIXELS` input pixels per row of taps.
    #[inline(always)]
    fn interior<
        S: Simd,
        const ROWS: usize,
        const STRIDE: usize,
        const N: usize,
        const PIXELS: usize,
    >(
        &mut self,
        s: S,
    ) {
        const { assert!(PIXELS == (N - 1) * STRIDE + FAST_SIDE) }
        let Depthwise { window, weights, epilogue } = self.layer;
        let chunks = self.layer.chunks();
        let (start, end) = window.interior(self.input.size().width, self.columns());
        if end - start < N {
            return self.edge_columns(s, 0..self.columns());
        }
        self.edge_columns(s, 0..start);
        self.edge_columns(s, end..self.columns());
        let lines: [_; ROWS] = std::array::from_fn(|tap| self.input_line(self.top + tap, start, 0));
        // The length is checked once, because a bounds check for each load would take a fifth of
        // the time.
        let pixels = (end - start - 1) * STRIDE + FAST_SIDE;
        assert!(lines.iter().all(|line| pixels * chunks <= line.len()));
        let out = &mut self.out[start * chunks..end * chunks];
        for chunk in 0..chunks {
            let mut taps = [[s.splat(0.0); FAST_SIDE]; ROWS];
            for (i, tap) in taps.as_flattened_mut().iter_mut().enumerate() {
                *tap = s.load(&weights[(self.top * FAST_SIDE + i) * chunks + chunk]);
            }
            let bias = s.load(&epilogue.bias[chunk]);
            let mut x = 0;
            while x < end - start {
                // If fewer than N columns are left, the last step overlaps the previous step.
                x = x.min(end - start - N);
                let mut sums = [[bias]; N];
                for (line, taps) in lines.iter().zip(&taps) {
                    let mut pixels = [s.splat(0.0); PIXELS];
                    for (i, pixel) in pixels.iter_mut().enumerate() {
                        let at = (x * STRIDE + i) * chunks + chunk;
                        // SAFETY: `x * STRIDE + i` is at most the last of the asserted pixels.
                        *pixel = s.load(unsafe { line.get_unchecked(at) });
                    }
                    for (tap, weight) in taps.iter().enumerate() {
                        for n in 0..N {
                            sums[n][0] = s.mul_add(pixels[n * STRIDE + tap], *weight, sums[n][0]);
                        }
                    }
                }
                let sums = epilogue.activate(s, chunk, sums);
                for (n, [sum]) in sums.into_iter().enumerate() {
                    // SAFETY: `x + n` is less than `end - start`, the number of columns in `out`.
                    s.store(sum, unsafe { out.get_unchecked_mut((x + n) * chunks + chunk) });
                }
                x += N;
            }
        }
    }

    /// Computes columns one by one and skips taps outside the input.
    #[inline(always)]
    fn edge_columns<S: Simd>(&mut self, s: S, columns: Range<usize>) {
        let Depthwise { window, weights, epilogue } = self.layer;
        let chunks = self.layer.chunks();
        for x in columns {
            let (left, right) = window.valid_taps(x, self.input.size().width);
            for chunk in 0..chunks {
                let mut sum = s.load(&epilogue.bias[chunk]);
                for tap_row in self.top..self.bottom {
                    let line = &self.input_line(tap_row, x, left)[chunk..];
                    let taps = &weights[(tap_row * window.side + left) * chunks + chunk..];
                    for tap in 0..right - left {
                        let (pixel, weight) = (s.load(&line[tap * chunks]), &taps[tap * chunks]);
                        sum = s.mul_add(pixel, s.load(weight), sum);
                    }
                }
                let [[sum]] = epilogue.activate(s, chunk, [[sum]]);
                s.store(sum, &mut self.out[x * chunks + chunk]);
            }
        }
    }

    /// Returns the input pixels under a row of taps, starting with tap `left` of the window at column
    /// `x`.
    #[inline(always)]
    fn input_line(&self, tap_row: usize, x: usize, left: usize) -> &'a [F32x16] {
        let Window { stride, pad, .. } = self.layer.window;
        let line = vectors(self.input.row(self.y * stride + tap_row - pad));
        &line[(x * stride + left - pad) * self.layer.chunks()..]
    }

    /// Returns the number of columns of the row.
    #[inline(always)]
    fn columns(&self) -> usize {
        self.out.len() / self.layer.chunks()
    }
}
