//! 1 × 1 convolutions and fully connected layers: a matrix product with a row for each pixel.
//!
//! With int8 weights, each row is quantized too, with a scale of its own: its largest absolute value
//! becomes 127. The products are summed exactly.

use std::ops::Range;

use zeroize::{Zeroize, Zeroizing};

use crate::epilogue::PackedEpilogue;
use crate::gemm::{F32Gemm, InputRows, Int8Gemm, quantize_row};
use crate::simd::{
    F32x16, I8x4x16, I32x16, Kernel, LANES, Simd, padded_vectors, vectors, vectors_mut,
};
use crate::tile::OutputBlock;
use crate::{Epilogue, InstructionSet, RowBuffer, RowBufferMut, padded};

/// Weights of a layer: a row of inputs for each output.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// Weights in `f32`.
    F32(&'a [f32]),
    /// Quantized weights.
    Int8 {
        /// Quantized values.
        values: &'a [i8],
        /// Scale of each output: the float value of one quantization step.
        scales: &'a [f32],
    },
}

/// Layer with packed weights.
#[derive(Debug)]
pub struct Pointwise {
    /// Number of values of an input row, including padding.
    inputs: usize,
    panels: Panels,
    epilogue: PackedEpilogue,
}

/// Weights in panels of sixteen outputs: all inputs of the first panel come first.
#[derive(Debug)]
enum Panels {
    F32(Vec<F32x16>),
    Int8 {
        /// Four inputs of each output side by side.
        weights: Vec<I8x4x16>,
        scales: Vec<F32x16>,
        /// Sum of the weights of each output.
        sums: Vec<I32x16>,
    },
}

/// Working memory of the kernels. It is overwritten with zeros when it is dropped.
#[derive(Debug, Default)]
pub struct Scratch {
    quantized: Zeroizing<Vec<[u8; 4]>>,
    scales: Zeroizing<Vec<f32>>,
    pub(crate) patches: Zeroizing<Vec<f32>>,
}

impl Scratch {
    /// Overwrites all values with zeros.
    pub fn wipe(&mut self) {
        self.quantized.fill([0; 4]);
        self.scales.fill(0.0);
        self.patches.fill(0.0);
    }

    /// Returns true if the memory contains only zeros.
    pub fn is_wiped(&self) -> bool {
        let mut floats = self.scales.iter().chain(self.patches.iter());
        self.quantized.iter().all(|four| *four == [0; 4]) && floats.all(|v| *v == 0.0)
    }
}

/// Returns the first `length` values of `buffer`. A shorter buffer is replaced and not reallocated, so
/// that its values are overwritten before its memory is freed.
pub(crate) fn first_values<T: Copy + Default + Zeroize>(
    buffer: &mut Zeroizing<Vec<T>>,
    length: usize,
) -> &mut [T] {
    if buffer.len() < length {
        *buffer = Zeroizing::new(vec![T::default(); length]);
    }
    &mut buffer[..length]
}

/// Number of rows that are quantized and multiplied together. They fit into the L1 cache.
const BLOCK_ROWS: usize = 48;

/// Largest number of inputs, including padding, for which an `i32` sum of int8 products cannot overflow.
pub const INT8_INPUTS_MAX: usize = (i32::MAX / (255 * 128)) as usize;

impl Pointwise {
    /// Packs the weights of a layer with `inputs` values per row; the number of outputs is the number
    /// of biases. At run time, rows are padded to a multiple of [`LANES`].
    ///
    /// # Panics
    /// If the lengths do not match, or if int8 weights have more than 65,793 inputs, including
    /// padding.
    pub fn new(inputs: usize, weights: Weights<'_>, epilogue: Epilogue<'_>) -> Self {
        let outputs = epilogue.bias.len();
        let panels = match weights {
            Weights::F32(values) => {
                assert_eq!(values.len(), inputs * outputs);
                Panels::F32(pack(values, inputs, outputs, |[value]| value))
            }
            Weights::Int8 { values, scales } => {
                assert_eq!((values.len(), scales.len()), (inputs * outputs, outputs));
                assert!(
                    padded(inputs) <= INT8_INPUTS_MAX,
                    "the sum of {inputs} int8 products overflows"
                );
                let sum = |row: &[i8]| row.iter().map(|w| i32::from(*w)).sum();
                let sums: Vec<i32> = values.chunks_exact(inputs).map(sum).collect();
                Panels::Int8 {
                    weights: pack(values, inputs, outputs, |four| four),
                    scales: padded_vectors(scales, 0.0),
                    sums: padded_vectors(&sums, 0),
                }
            }
        };
        Self { inputs: padded(inputs), panels, epilogue: PackedEpilogue::new(epilogue) }
    }

    /// Returns the number of values per input pixel, padding included.
    pub fn input_stride(&self) -> usize {
        self.inputs
    }

    /// Returns the number of values per output pixel, padding included.
    pub fn output_stride(&self) -> usize {
        self.epilogue.vectors() * LANES
    }

    /// Computes `rows` of `out` from the same rows of `input`. The values of `residual` are added
    /// after the activation.
    ///
    /// # Panics
    /// If the sizes do not match.
    pub fn run(
        &self,
        isa: InstructionSet,
        input: RowBuffer<'_>,
        residual: Option<RowBuffer<'_>>,
        mut out: RowBufferMut<'_>,
        mut rows: Range<usize>,
        scratch: &mut Scratch,
    ) {
        assert_eq!((input.size(), input.pixel_stride()), (out.size(), self.inputs));
        assert_eq!(out.pixel_stride(), self.output_stride());
        assert!(residual.is_none_or(|residual| {
            (residual.size(), residual.pixel_stride()) == (out.size(), out.pixel_stride())
        }));
        while !rows.is_empty() {
            let count = input.contiguous_count(&rows).min(out.contiguous_count(&rows));
            let count =
                residual.map_or(count, |residual| count.min(residual.contiguous_count(&rows)));
            let part = rows.start..rows.start + count;
            let residual = residual.map(|residual| residual.rows(&part));
            self.multiply(isa, input.rows(&part), residual, out.rows(&part), scratch);
            rows.start += count;
        }
    }

    /// Multiplies `rows` by the weights.
    pub(crate) fn multiply(
        &self,
        isa: InstructionSet,
        rows: &[f32],
        residual: Option<&[f32]>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        assert_eq!(rows.len() / self.inputs, out.len() / self.output_stride());
        let rows = InputRows {
            lines: &[rows],
            row_stride: self.inputs,
            segment_len: self.inputs,
            skipped: 0,
        };
        self.multiply_segments(isa, rows, residual, out, scratch);
    }

    /// Multiplies rows by the weights. The segments of the rows may overlap in memory. With int8
    /// weights, the rows must be contiguous.
    pub(crate) fn multiply_segments(
        &self,
        isa: InstructionSet,
        rows: InputRows<'_>,
        residual: Option<&[f32]>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        assert!(residual.is_none_or(|residual| residual.len() == out.len()));
        let is_int8 = matches!(self.panels, Panels::Int8 { .. });
        let block_rows = if is_int8 { BLOCK_ROWS } else { 0 };
        let quantized = first_values(&mut scratch.quantized, block_rows * self.inputs / 4);
        let scales = first_values(&mut scratch.scales, block_rows);
        let residual = residual.map(vectors);
        let out = vectors_mut(out);
        isa.run(Multiply { layer: self, rows, residual, out, quantized, scales });
    }

    /// Returns true if the weights are in `f32`.
    pub(crate) fn is_f32(&self) -> bool {
        matches!(self.panels, Panels::F32(_))
    }
}

/// Packs groups of `G` inputs of sixteen outputs side by side. Inputs and outputs are padded with
/// zeros.
fn pack<T: Copy + Default, U: Copy, const G: usize>(
    weights: &[T],
    inputs: usize,
    outputs: usize,
    group: impl Fn([T; G]) -> U,
) -> Vec<[U; LANES]> {
    let weight = |output: usize, input: usize| {
        if output < outputs && input < inputs {
            weights[output * inputs + input]
        } else {
            T::default()
        }
    };
    let groups = padded(inputs) / G;
    (0..outputs.div_ceil(LANES) * groups)
        .map(|i| {
            let (panel, input) = (i / groups, i % groups * G);
            std::array::from_fn(|lane| {
                group(std::array::from_fn(|g| weight(panel * LANES + lane, input + g)))
            })
        })
        .collect()
}

struct Multiply<'a> {
    layer: &'a Pointwise,
    rows: InputRows<'a>,
    residual: Option<&'a [F32x16]>,
    out: &'a mut [F32x16],
    quantized: &'a mut [[u8; 4]],
    scales: &'a mut [f32],
}

impl Kernel for Multiply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Pointwise { inputs, panels, epilogue } = self.layer;
        let columns = epilogue.vectors();
        for (i, out) in self.out.chunks_mut(BLOCK_ROWS * columns).enumerate() {
            let count = out.len() / columns;
            let residual = self.residual.map(|all| &all[i * BLOCK_ROWS * columns..][..out.len()]);
            let out = OutputBlock { epilogue, residual, out };
            match panels {
                Panels::F32(weights) => {
                    let (rows, first_row) = (self.rows, i * BLOCK_ROWS);
                    out.fill(s, &F32Gemm { rows, first_row, inputs: *inputs, weights });
                }
                Panels::Int8 { weights, scales, sums } => {
                    let groups = inputs / 4;
                    let rows = &mut self.quantized[..count * groups];
                    for ((row, quantized), scale) in self.rows.lines[0][i * BLOCK_ROWS * inputs..]
                        .chunks_exact(*inputs)
                        .zip(rows.chunks_exact_mut(groups))
                        .zip(&mut *self.scales)
                    {
                        *scale = quantize_row(s, row, quantized);
                    }
                    let row_scales = &self.scales[..count];
                    out.fill(s, &Int8Gemm { rows, row_scales, groups, weights, scales, sums });
                }
            }
        }
    }
}
