//! Convolutions over all channels: the pixels under the window, side by side, are a row for a
//! [`Pointwise`].

use crate::{Finish, Pointwise, Processor, Scratch, Size, Weights, Window};

/// A convolution whose weights are packed for the kernels.
#[derive(Debug)]
pub struct Convolution {
    window: Window,
    /// Values of a pixel that goes in.
    values: usize,
    inner: Pointwise,
}

/// Values under a row of 3 taps of a picture: these are copied at once.
const SPAN: usize = 9;

impl Convolution {
    /// Packs `weights`: for each output, tap after tap, the values of a pixel side by side.
    ///
    /// # Panics
    /// When the lengths do not fit together.
    pub fn new(window: Window, values: usize, weights: Weights<'_>, finish: Finish<'_>) -> Self {
        let inputs = window.side * window.side * values;
        Self { window, values, inner: Pointwise::new(inputs, weights, finish) }
    }

    /// Values of a pixel that goes in.
    pub fn values(&self) -> usize {
        self.values
    }

    /// Values of all pixels that come out for a picture of that size.
    pub fn outputs(&self, size: Size) -> usize {
        self.window.output(size).map_or(0, |places| places.area() * self.inner.outputs())
    }

    /// Convolves `picture`.
    ///
    /// # Panics
    /// When the lengths do not fit together.
    pub fn run(
        &self,
        processor: Processor,
        size: Size,
        picture: &[f32],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        assert_eq!(picture.len(), size.area() * self.values);
        let places = self.window.output(size).expect("a plan has only windows that fit");
        let row = self.inner.inputs();
        let mut patches = std::mem::take(&mut scratch.patches);
        patches.clear();
        patches.resize(places.width * row, 0.0);
        for (y, out) in out.chunks_exact_mut(places.width * self.inner.outputs()).enumerate() {
            self.gather(size, picture, y, &mut patches);
            self.inner.run(processor, &patches, None, out, scratch);
        }
        scratch.patches = patches;
    }

    /// A row for each place of the `y`th row of places.
    fn gather(&self, size: Size, picture: &[f32], y: usize, patches: &mut [f32]) {
        let Window { side, stride, pad } = self.window;
        let row = size.width * self.values;
        let whole_down = self.window.inside(y, size.height) == (0, side);
        let (first, last) = self.window.whole(size.width, patches.len() / self.inner.inputs());
        for (x, patch) in patches.chunks_exact_mut(self.inner.inputs()).enumerate() {
            if side * self.values == SPAN && whole_down && (first..last).contains(&x) {
                let from = (y * stride - pad) * row + (x * stride - pad) * self.values;
                let lines = picture[from..].chunks(row).take(side);
                for (span, line) in patch.as_chunks_mut().0.iter_mut().zip(lines) {
                    *span = *line.first_chunk::<SPAN>().expect("the window is inside");
                }
            } else {
                self.gather_place(size, picture, (y, x), patch);
            }
        }
    }

    /// What lies outside the picture is zero.
    fn gather_place(&self, size: Size, picture: &[f32], (y, x): (usize, usize), patch: &mut [f32]) {
        let Window { side, stride, pad } = self.window;
        let span = side * self.values;
        let (top, bottom) = self.window.inside(y, size.height);
        let (left, right) = self.window.inside(x, size.width);
        let (from, to) = (left * self.values, right * self.values);
        patch[..side * span].fill(0.0);
        for (tap, line) in patch.chunks_exact_mut(span).enumerate().take(bottom).skip(top) {
            let pixel = (y * stride + tap - pad) * size.width + x * stride + left - pad;
            line[from..to].copy_from_slice(&picture[pixel * self.values..][..to - from]);
        }
    }
}
