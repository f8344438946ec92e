//! Convolutions over all channels: the pixels under the window, side by side, are a row for a
//! [`Pointwise`].

use std::ops::Range;

use crate::gemm::Values;
use crate::{
    Epilogue, InstructionSet, Pointwise, RowBuffer, RowBufferMut, Scratch, Size, Weights, Window,
};

/// A convolution whose weights are packed for the kernels.
#[derive(Debug)]
pub struct Convolution {
    window: Window,
    /// Values of a pixel that goes in.
    pixel: usize,
    inner: Pointwise,
}

/// Up to this side, windows inside the picture are read where they lie.
const SIDE: usize = 3;

impl Convolution {
    /// Packs `weights`: for each output, tap after tap, the values of a pixel side by side.
    ///
    /// # Panics
    /// When the lengths do not fit together.
    pub fn new(window: Window, pixel: usize, weights: Weights<'_>, finish: Epilogue<'_>) -> Self {
        let inputs = window.side * window.side * pixel;
        Self { window, pixel, inner: Pointwise::new(inputs, weights, finish) }
    }

    /// Values of a pixel that goes in.
    pub fn pixel(&self) -> usize {
        self.pixel
    }

    /// Values of a pixel that comes out.
    pub fn outputs(&self) -> usize {
        self.inner.outputs()
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
        scratch: &mut Scratch,
    ) {
        assert_eq!((picture.pixel(), out.pixel()), (self.pixel, self.outputs()));
        assert_eq!(self.window.output(picture.size()), Some(out.size()));
        let Size { height, width } = picture.size();
        let (Window { side, stride, pad }, places) = (self.window, out.size().width);
        let inside = match self.window.whole(width, places) {
            (first, last) if side <= SIDE && self.inner.takes_floats() => first..last,
            _ => 0..0,
        };
        for y in rows {
            let out = out.row(y);
            let (top, bottom) = self.window.inside(y, height);
            self.gathered(isa, picture, y, 0..inside.start, out, scratch);
            self.gathered(isa, picture, y, inside.end..places, out, scratch);
            if inside.is_empty() {
                continue;
            }
            let from = (inside.start * stride).saturating_sub(pad) * self.pixel;
            let mut lines: [&[f32]; SIDE] = [&[]; SIDE];
            for (tap, line) in (top..bottom).zip(&mut lines) {
                *line = &picture.row(y * stride + tap - pad)[from..];
            }
            let values = Values {
                lines: &lines[..bottom - top],
                step: stride * self.pixel,
                span: side * self.pixel,
                skipped: top * side * self.pixel,
            };
            let out = &mut out[inside.start * self.outputs()..inside.end * self.outputs()];
            self.inner.multiply_overlapping(isa, values, None, out, scratch);
        }
    }

    /// Those places of the `y`th row of places, with what is under their windows side by side.
    fn gathered(
        &self,
        isa: InstructionSet,
        picture: RowBuffer<'_>,
        y: usize,
        places: Range<usize>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let mut patches = std::mem::take(&mut scratch.patches);
        patches.clear();
        patches.resize(places.len() * self.inner.inputs(), 0.0);
        for (x, patch) in places.clone().zip(patches.chunks_exact_mut(self.inner.inputs())) {
            self.gather(picture, (y, x), patch);
        }
        let out = &mut out[places.start * self.outputs()..places.end * self.outputs()];
        self.inner.multiply(isa, &patches, None, out, scratch);
        scratch.patches = patches;
    }

    /// What lies outside the picture stays zero.
    fn gather(&self, picture: RowBuffer<'_>, (y, x): (usize, usize), patch: &mut [f32]) {
        let Window { side, stride, pad } = self.window;
        let span = side * self.pixel;
        let (top, bottom) = self.window.inside(y, picture.size().height);
        let (left, right) = self.window.inside(x, picture.size().width);
        let (from, to) = (left * self.pixel, right * self.pixel);
        for (tap, line) in patch.chunks_exact_mut(span).enumerate().take(bottom).skip(top) {
            let row = picture.row(y * stride + tap - pad);
            let at = (x * stride + left - pad) * self.pixel;
            line[from..to].copy_from_slice(&row[at..][..to - from]);
        }
    }
}
