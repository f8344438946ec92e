//! Depthwise convolutions: each channel by itself.

use crate::lanes::{Kernel, LANES, Lanes, Sixteen, activate, padded_vectors, vectors, vectors_mut};
use crate::{Finish, Processor, Size, Window};

/// A depthwise convolution whose weights are laid out for the kernel.
#[derive(Debug)]
pub struct Depthwise {
    window: Window,
    /// Tap after tap, all channels of it.
    weights: Vec<Sixteen<f32>>,
    bias: Vec<Sixteen<f32>>,
    slope: Vec<Sixteen<f32>>,
}

impl Depthwise {
    /// Lays out `weights`, all taps of the first channel first.
    ///
    /// # Panics
    /// When the lengths do not fit together.
    pub fn new(window: Window, weights: &[f32], finish: Finish<'_>) -> Self {
        let (channels, taps) = (finish.bias.len(), window.side * window.side);
        assert_eq!((weights.len(), finish.slope.len()), (channels * taps, channels));
        let tap = |tap| (0..channels).map(|c| weights[c * taps + tap]).collect::<Vec<_>>();
        Self {
            window,
            weights: (0..taps).flat_map(|t| padded_vectors(&tap(t), 0.0)).collect(),
            bias: padded_vectors(finish.bias, 0.0),
            slope: padded_vectors(finish.slope, 0.0),
        }
    }

    /// Values of a pixel.
    pub fn channels(&self) -> usize {
        self.bias.len() * LANES
    }

    /// Values of all pixels that come out for a picture of that size.
    pub fn outputs(&self, size: Size) -> usize {
        self.window.output(size).map_or(0, |places| places.area() * self.channels())
    }

    /// Convolves `picture`.
    ///
    /// # Panics
    /// When the lengths do not fit together.
    pub fn run(&self, processor: Processor, size: Size, picture: &[f32], out: &mut [f32]) {
        let chunks = self.bias.len();
        let (picture, out) = (vectors(picture), vectors_mut(out));
        let places = self.window.output(size).expect("a plan has only windows that fit");
        assert_eq!(picture.len(), size.area() * chunks);
        assert_eq!(out.len(), places.area() * chunks);
        processor.run(Task { layer: self, size, places, picture, out });
    }
}

struct Task<'a> {
    layer: &'a Depthwise,
    size: Size,
    places: Size,
    picture: &'a [Sixteen<f32>],
    out: &'a mut [Sixteen<f32>],
}

impl Kernel for Task<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Window { stride, side, .. } = self.layer.window;
        // As many places abreast as there are registers for the pixels under their windows.
        match (side, stride, S::WIDE) {
            (3, 1, true) => self.rows::<S, 3, 1, 6, 8>(s),
            (3, 1, false) => self.rows::<S, 3, 1, 2, 4>(s),
            (3, 2, true) => self.rows::<S, 3, 2, 4, 9>(s),
            (3, 2, false) => self.rows::<S, 3, 2, 1, 3>(s),
            _ => self.any_rows(s),
        }
    }
}

impl Task<'_> {
    /// Windows of `SIDE` pixels a `STRIDE` apart, `N` at a time, which have `PIXELS` a row under them.
    #[inline(always)]
    fn rows<
        S: Lanes,
        const SIDE: usize,
        const STRIDE: usize,
        const N: usize,
        const PIXELS: usize,
    >(
        self,
        s: S,
    ) {
        const { assert!(PIXELS == (N - 1) * STRIDE + SIDE) }
        let chunks = self.layer.bias.len();
        let width = self.places.width;
        let (first, last) = self.layer.window.whole(self.size.width, width);
        for (y, out) in self.out.chunks_exact_mut(width * chunks).enumerate() {
            let row = Row::new(self.layer, self.picture, self.size, y);
            for chunk in 0..chunks {
                let mut x = 0;
                while x < width {
                    if (first..last).contains(&x) && first + N <= last {
                        // The last ones are done over again where fewer than N are left.
                        x = x.min(last - N);
                        let sums = row.abreast::<S, SIDE, STRIDE, N, PIXELS>(s, x, chunk);
                        row.finish(s, sums, x, chunk, out);
                        x += N;
                    } else {
                        row.finish(s, [row.single(s, x, chunk)], x, chunk, out);
                        x += 1;
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn any_rows<S: Lanes>(self, s: S) {
        let chunks = self.layer.bias.len();
        for (y, out) in self.out.chunks_exact_mut(self.places.width * chunks).enumerate() {
            let row = Row::new(self.layer, self.picture, self.size, y);
            for x in 0..self.places.width {
                for chunk in 0..chunks {
                    row.finish(s, [row.single(s, x, chunk)], x, chunk, out);
                }
            }
        }
    }
}

/// One row of places.
struct Row<'a> {
    layer: &'a Depthwise,
    picture: &'a [Sixteen<f32>],
    /// Pixels of a row of the picture.
    width: usize,
    /// Which row of places.
    y: usize,
    /// First and last + 1 row of taps inside the picture.
    top: usize,
    bottom: usize,
}

impl<'a> Row<'a> {
    fn new(layer: &'a Depthwise, picture: &'a [Sixteen<f32>], size: Size, y: usize) -> Self {
        let (top, bottom) = layer.window.inside(y, size.height);
        Self { layer, picture, width: size.width, y, top, bottom }
    }

    /// The pixels under a row of taps, from the `left`th tap of the window at `x` on.
    #[inline(always)]
    fn under(&self, tap: usize, x: usize, left: usize, chunk: usize) -> &'a [Sixteen<f32>] {
        let Window { stride, pad, .. } = self.layer.window;
        let pixel = (self.y * stride + tap - pad) * self.width + x * stride + left - pad;
        &self.picture[pixel * self.layer.bias.len() + chunk..]
    }

    /// `N` places from `x` on whose windows lie inside the picture from left to right.
    #[inline(always)]
    fn abreast<
        S: Lanes,
        const SIDE: usize,
        const STRIDE: usize,
        const N: usize,
        const PIXELS: usize,
    >(
        &self,
        s: S,
        x: usize,
        chunk: usize,
    ) -> [S::Floats; N] {
        let Depthwise { weights, bias, .. } = self.layer;
        let chunks = bias.len();
        let mut sums = [s.load(&bias[chunk]); N];
        for tap_row in self.top..self.bottom {
            let line = self.under(tap_row, x, 0, chunk);
            let taps = &weights[tap_row * SIDE * chunks + chunk..];
            // Once for all, since a check for each load costs a fifth of the time.
            assert!((PIXELS - 1) * chunks < line.len() && (SIDE - 1) * chunks < taps.len());
            let mut pixels = [s.splat(0.0); PIXELS];
            for (i, pixel) in pixels.iter_mut().enumerate() {
                // SAFETY: `i` is at most `PIXELS - 1`, for which it was asserted.
                *pixel = s.load(unsafe { line.get_unchecked(i * chunks) });
            }
            for tap in 0..SIDE {
                // SAFETY: `tap` is at most `SIDE - 1`, for which it was asserted.
                let weight = s.load(unsafe { taps.get_unchecked(tap * chunks) });
                for n in 0..N {
                    sums[n] = s.mul_add(pixels[n * STRIDE + tap], weight, sums[n]);
                }
            }
        }
        sums
    }

    /// The place at `x`; taps outside the picture count nothing.
    #[inline(always)]
    fn single<S: Lanes>(&self, s: S, x: usize, chunk: usize) -> S::Floats {
        let Depthwise { window, weights, bias, .. } = self.layer;
        let chunks = bias.len();
        let (left, right) = window.inside(x, self.width);
        let mut sum = s.load(&bias[chunk]);
        for tap_row in self.top..self.bottom {
            let line = self.under(tap_row, x, left, chunk);
            let taps = &weights[(tap_row * window.side + left) * chunks + chunk..];
            for tap in 0..right - left {
                sum = s.mul_add(s.load(&line[tap * chunks]), s.load(&taps[tap * chunks]), sum);
            }
        }
        sum
    }

    #[inline(always)]
    fn finish<S: Lanes, const N: usize>(
        &self,
        s: S,
        sums: [S::Floats; N],
        x: usize,
        chunk: usize,
        out: &mut [Sixteen<f32>],
    ) {
        let chunks = self.layer.bias.len();
        for (n, sum) in sums.into_iter().enumerate() {
            let value = activate(s, sum, &self.layer.slope[chunk]);
            s.store(value, &mut out[(x + n) * chunks + chunk]);
        }
    }
}
