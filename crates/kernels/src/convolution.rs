//! Dense convolutions: each output depends on all input channels. They are computed as matrix
//! products (im2col): the pixels under a window are an input row of a [`Pointwise`].

use std::ops::Range;

use crate::gemm::InputRows;
use crate::pointwise::first_values;
use crate::{
    Epilogue, InstructionSet, Pointwise, RowBuffer, RowBufferMut, Scratch, Size, Weights, Window,
};

/// Convolution with packed weights.
#[derive(Debug)]
pub struct Convolution {
    window: Window,
    /// Number of values per input pixel.
    input_stride: usize,
    product: Pointwise,
}

/// Largest window side for which interior windows are read in place, without a copy.
const IN_PLACE_SIDE_MAX: usize = 3;

impl Convolution {
    /// Packs `weights` in OHWI order: for each output, and then for each tap, `input_stride`
    /// values.
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn new(
        window: Window,
        input_stride: usize,
        weights: Weights<'_>,
        epilogue: Epilogue<'_>,
    ) -> Self {
        let inputs = window.side * window.side * input_stride;
        Self { window, input_stride, product: Pointwise::new(inputs, weights, epilogue) }
    }

    /// Returns the number of values per input pixel.
    pub fn input_stride(&self) -> usize {
        self.input_stride
    }

    /// Returns the number of values per output pixel, padding included.
    pub fn output_stride(&self) -> usize {
        self.product.output_stride()
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
        scratch: &mut Scratch,
    ) {
        assert_eq!(input.pixel_stride(), self.input_stride);
        assert_eq!(out.pixel_stride(), self.output_stride());
        assert_eq!(self.window.output_size(input.size()), Some(out.size()));
        let columns = out.size().width;
        let interior = self.in_place_columns(input.size().width, columns);
        for y in rows {
            let out = out.row(y);
            self.run_gathered(isa, input, y, 0..interior.start, out, scratch);
            self.run_gathered(isa, input, y, interior.end..columns, out, scratch);
            if !interior.is_empty() {
                self.run_in_place(isa, input, y, interior.clone(), out, scratch);
            }
        }
    }

    /// Returns the output columns whose windows are read in place.
    fn in_place_columns(&self, width: usize, columns: usize) -> Range<usize> {
        if self.window.side > IN_PLACE_SIDE_MAX || !self.product.is_f32() {
            return 0..0;
        }
        let (start, end) = self.window.interior(width, columns);
        start..end
    }

    /// Computes `columns` of row `y`. The windows are read directly from the input rows.
    fn run_in_place(
        &self,
        isa: InstructionSet,
        input: RowBuffer<'_>,
        y: usize,
        columns: Range<usize>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let Window { side, stride, pad } = self.window;
        let (top, bottom) = self.window.valid_taps(y, input.size().height);
        let start = (columns.start * stride).saturating_sub(pad) * self.input_stride;
        let mut lines: [&[f32]; IN_PLACE_SIDE_MAX] = [&[]; IN_PLACE_SIDE_MAX];
        for (tap, line) in (top..bottom).zip(&mut lines) {
            *line = &input.row(y * stride + tap - pad)[start..];
        }
        let rows = InputRows {
            lines: &lines[..bottom - top],
            row_stride: stride * self.input_stride,
            segment_len: side * self.input_stride,
            skipped: top * side * self.input_stride,
        };
        let out =
            &mut out[columns.start * self.output_stride()..columns.end * self.output_stride()];
        self.product.multiply_segments(isa, rows, None, out, scratch);
    }

    /// Computes `columns` of row `y`. Each window is first copied into a row of a matrix (im2col).
    fn run_gathered(
        &self,
        isa: InstructionSet,
        input: RowBuffer<'_>,
        y: usize,
        columns: Range<usize>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let patch_len = self.product.input_stride();
        let mut buffer = std::mem::take(&mut scratch.patches);
        let patches = first_values(&mut buffer, columns.len() * patch_len);
        patches.fill(0.0);
        for (x, patch) in columns.clone().zip(patches.chunks_exact_mut(patch_len)) {
            self.gather(input, (y, x), patch);
        }
        let out =
            &mut out[columns.start * self.output_stride()..columns.end * self.output_stride()];
        self.product.multiply(isa, patches, None, out, scratch);
        scratch.patches = buffer;
    }

    /// Copies the pixels under the window of output (`y`, `x`). Values of `patch` outside the input
    /// stay zero.
    fn gather(&self, input: RowBuffer<'_>, (y, x): (usize, usize), patch: &mut [f32]) {
        let Window { side, stride, pad } = self.window;
        let Size { height, width } = input.size();
        let line_len = side * self.input_stride;
        let (top, bottom) = self.window.valid_taps(y, height);
        let (left, right) = self.window.valid_taps(x, width);
        let (from, to) = (left * self.input_stride, right * self.input_stride);
        for (tap, line) in patch.chunks_exact_mut(line_len).enumerate().take(bottom).skip(top) {
            let row = input.row(y * stride + tap - pad);
            let start = (x * stride + left - pad) * self.input_stride;
            line[from..to].copy_from_slice(&row[start..][..to - from]);
        }
    }
}
