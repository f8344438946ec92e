//! 1 × 1 convolutions and fully connected layers: a row of values for each pixel, times a matrix.
//!
//! With weights in bytes, each row is rounded to bytes too, with a scale of its own: the largest of
//! its values becomes 127. The products are summed exactly.

use std::ops::Range;

use crate::epilogue::Finished;
use crate::gemm::{ByteProduct, FloatProduct, Values, encode};
use crate::simd::{
    F32x16, I8x4x16, I32x16, Kernel, LANES, Simd, padded_vectors, vectors, vectors_mut,
};
use crate::tile::Block;
use crate::{Epilogue, InstructionSet, RowBuffer, RowBufferMut, padded};

/// The weights of a layer, all inputs of the first output first.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// As they are.
    F32(&'a [f32]),
    /// Bytes, and for each output what they are multiplied with.
    Int8 {
        /// The bytes.
        codes: &'a [i8],
        /// A value an output.
        scales: &'a [f32],
    },
}

/// A layer whose weights are packed for the kernels.
#[derive(Debug)]
pub struct Pointwise {
    inputs: usize,
    panels: Panels,
    finish: Finished,
}

/// Weights of sixteen outputs side by side, all inputs of the first sixteen outputs first.
#[derive(Debug)]
enum Panels {
    F32(Vec<F32x16>),
    Int8 {
        /// Four inputs of an output side by side.
        weights: Vec<I8x4x16>,
        scales: Vec<F32x16>,
        /// For each output the sum of its weights.
        sums: Vec<I32x16>,
    },
}

/// Working memory of the kernels.
#[derive(Debug, Default)]
pub struct Scratch {
    codes: Vec<[u8; 4]>,
    scales: Vec<f32>,
    pub(crate) patches: Vec<f32>,
}

impl Scratch {
    /// Overwrites all that is left of the last input.
    pub fn wipe(&mut self) {
        self.codes.fill([0; 4]);
        self.scales.fill(0.0);
        self.patches.fill(0.0);
    }

    /// Whether nothing is left of any input.
    pub fn is_wiped(&self) -> bool {
        let floats = self.scales.iter().chain(&self.patches);
        self.codes.iter().all(|code| *code == [0; 4]) && floats.into_iter().all(|v| *v == 0.0)
    }
}

/// RowBuffer that are rounded to bytes and multiplied in one go: few enough to stay in the nearest cache.
const BLOCK: usize = 48;

/// The most inputs whose products cannot overflow their sum.
const MOST_INPUTS: usize = (i32::MAX / (255 * 128)) as usize;

impl Pointwise {
    /// Packs the weights of a layer whose rows have `inputs` values, to be given padded; a value of
    /// `finish.bias` an output.
    ///
    /// # Panics
    /// When the lengths do not fit together, or there are more than 65,000 inputs in bytes.
    pub fn new(inputs: usize, weights: Weights<'_>, finish: Epilogue<'_>) -> Self {
        let outputs = finish.bias.len();
        let panels = match weights {
            Weights::F32(values) => {
                assert_eq!(values.len(), inputs * outputs);
                Panels::F32(packed(values, inputs, outputs, |[value]| value))
            }
            Weights::Int8 { codes, scales } => {
                assert_eq!((codes.len(), scales.len()), (inputs * outputs, outputs));
                assert!(padded(inputs) <= MOST_INPUTS, "{inputs} products overflow their sum");
                let sum = |row: &[i8]| row.iter().map(|w| i32::from(*w)).sum();
                let sums: Vec<i32> = codes.chunks_exact(inputs).map(sum).collect();
                Panels::Int8 {
                    weights: packed(codes, inputs, outputs, |four| four),
                    scales: padded_vectors(scales, 0.0),
                    sums: padded_vectors(&sums, 0),
                }
            }
        };
        Self { inputs: padded(inputs), panels, finish: Finished::new(finish) }
    }

    /// Values of a row that goes in.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Values of a row that comes out.
    pub fn outputs(&self) -> usize {
        self.finish.bias.len() * LANES
    }

    /// Multiplies every pixel of those `rows` of `picture`, and adds the same of `residual` after the
    /// activation.
    ///
    /// # Panics
    /// When the sizes do not fit together.
    pub fn run(
        &self,
        isa: InstructionSet,
        picture: RowBuffer<'_>,
        residual: Option<RowBuffer<'_>>,
        mut out: RowBufferMut<'_>,
        mut rows: Range<usize>,
        scratch: &mut Scratch,
    ) {
        assert_eq!((picture.size(), picture.pixel()), (out.size(), self.inputs));
        let like_out =
            |other: RowBuffer<'_>| (other.size(), other.pixel()) == (out.size(), out.pixel());
        assert!(out.pixel() == self.outputs() && residual.is_none_or(like_out));
        while !rows.is_empty() {
            let count = picture.together(&rows).min(out.together(&rows));
            let count = residual.map_or(count, |residual| count.min(residual.together(&rows)));
            let part = rows.start..rows.start + count;
            let values = picture.several(&part);
            let residual = residual.map(|residual| residual.several(&part));
            self.multiply(isa, values, residual, out.several(&part), scratch);
            rows.start += count;
        }
    }

    /// Multiplies every row of `rows`.
    pub(crate) fn multiply(
        &self,
        isa: InstructionSet,
        rows: &[f32],
        residual: Option<&[f32]>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        assert_eq!(rows.len() / self.inputs, out.len() / self.outputs());
        let values = Values { lines: &[rows], step: self.inputs, span: self.inputs, skipped: 0 };
        self.multiply_overlapping(isa, values, residual, out, scratch);
    }

    /// As [`multiply`](Self::multiply), for rows that overlap in memory; with weights in bytes for
    /// none such.
    pub(crate) fn multiply_overlapping(
        &self,
        isa: InstructionSet,
        values: Values<'_>,
        residual: Option<&[f32]>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        assert!(residual.is_none_or(|residual| residual.len() == out.len()));
        let Scratch { codes, scales, .. } = scratch;
        if matches!(self.panels, Panels::Int8 { .. }) {
            codes.resize(codes.len().max(BLOCK * self.inputs / 4), [0; 4]);
            scales.resize(BLOCK, 0.0);
        }
        let residual = residual.map(vectors);
        isa.run(Task { layer: self, values, residual, out: vectors_mut(out), codes, scales });
    }

    /// Whether its weights are not in bytes.
    pub(crate) fn takes_floats(&self) -> bool {
        matches!(self.panels, Panels::F32(_))
    }
}

/// `G` inputs of each of sixteen outputs side by side; zeros where there is none.
fn packed<T: Copy + Default, U: Copy, const G: usize>(
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
            let (panel, at) = (i / groups, i % groups * G);
            std::array::from_fn(|lane| {
                group(std::array::from_fn(|g| weight(panel * LANES + lane, at + g)))
            })
        })
        .collect()
}

struct Task<'a> {
    layer: &'a Pointwise,
    values: Values<'a>,
    residual: Option<&'a [F32x16]>,
    out: &'a mut [F32x16],
    codes: &'a mut [[u8; 4]],
    scales: &'a mut [f32],
}

impl Kernel for Task<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Pointwise { inputs, panels, finish } = self.layer;
        let columns = finish.bias.len();
        for (i, out) in self.out.chunks_mut(BLOCK * columns).enumerate() {
            let count = out.len() / columns;
            let residual = self.residual.map(|all| &all[i * BLOCK * columns..][..out.len()]);
            let out = Block { finish, residual, out };
            match panels {
                Panels::F32(weights) => {
                    let (values, first) = (self.values, i * BLOCK);
                    out.fill(s, &FloatProduct { values, first, inputs: *inputs, weights });
                }
                Panels::Int8 { weights, scales, sums } => {
                    let groups = inputs / 4;
                    let codes = &mut self.codes[..count * groups];
                    for ((row, codes), scale) in self.values.lines[0][i * BLOCK * inputs..]
                        .chunks_exact(*inputs)
                        .zip(codes.chunks_exact_mut(groups))
                        .zip(&mut *self.scales)
                    {
                        *scale = encode(s, row, codes);
                    }
                    let row_scales = &self.scales[..count];
                    out.fill(s, &ByteProduct { codes, row_scales, groups, weights, scales, sums });
                }
            }
        }
    }
}
