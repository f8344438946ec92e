//! 1 × 1 convolutions and fully connected layers: a row of values for each pixel, times a matrix.
//!
//! With weights in bytes, each row is rounded to bytes too, with a scale of its own: the largest of
//! its values becomes 127. The products are summed exactly.

use std::ops::Range;

use crate::finish::Finished;
use crate::lanes::{Kernel, LANES, Lanes, Sixteen, padded_vectors, vectors, vectors_mut};
use crate::{Finish, Processor, Rows, RowsMut, padded};

/// The weights of a layer, all inputs of the first output first.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// As they are.
    Floats(&'a [f32]),
    /// Bytes, and for each output what they are multiplied with.
    Bytes {
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
    Floats(Vec<Sixteen<f32>>),
    Bytes {
        /// Four inputs of an output side by side.
        weights: Vec<Sixteen<[i8; 4]>>,
        scales: Vec<Sixteen<f32>>,
        /// For each output the sum of its weights.
        sums: Vec<Sixteen<i32>>,
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

/// Rows that are rounded to bytes and multiplied in one go: few enough to stay in the nearest cache.
const BLOCK: usize = 48;

/// A row with nothing larger than this counts as zeros.
const NOTHING: f32 = 1e-30;

/// The most inputs whose products cannot overflow their sum.
const MOST_INPUTS: usize = (i32::MAX / (255 * 128)) as usize;

impl Pointwise {
    /// Packs the weights of a layer whose rows have `inputs` values, to be given padded; a value of
    /// `finish.bias` an output.
    ///
    /// # Panics
    /// When the lengths do not fit together, or there are more than 65,000 inputs in bytes.
    pub fn new(inputs: usize, weights: Weights<'_>, finish: Finish<'_>) -> Self {
        let outputs = finish.bias.len();
        let panels = match weights {
            Weights::Floats(values) => {
                assert_eq!(values.len(), inputs * outputs);
                Panels::Floats(packed(values, inputs, outputs, |[value]| value))
            }
            Weights::Bytes { codes, scales } => {
                assert_eq!((codes.len(), scales.len()), (inputs * outputs, outputs));
                assert!(padded(inputs) <= MOST_INPUTS, "{inputs} products overflow their sum");
                let sum = |row: &[i8]| row.iter().map(|w| i32::from(*w)).sum();
                let sums: Vec<i32> = codes.chunks_exact(inputs).map(sum).collect();
                Panels::Bytes {
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
        processor: Processor,
        picture: Rows<'_>,
        residual: Option<Rows<'_>>,
        mut out: RowsMut<'_>,
        mut rows: Range<usize>,
        scratch: &mut Scratch,
    ) {
        assert_eq!((picture.size(), picture.pixel()), (out.size(), self.inputs));
        let like_out = |other: Rows<'_>| (other.size(), other.pixel()) == (out.size(), out.pixel());
        assert!(out.pixel() == self.outputs() && residual.is_none_or(like_out));
        while !rows.is_empty() {
            let together = [Some(picture), residual].into_iter().flatten();
            let together = together.map(|rows_of| rows_of.together(&rows)).min();
            let count = together.map_or(1, |count| count.min(out.together(&rows)));
            let part = rows.start..rows.start + count;
            let values = picture.several(&part);
            let residual = residual.map(|residual| residual.several(&part));
            self.multiply(processor, values, residual, out.several(&part), scratch);
            rows.start += count;
        }
    }

    /// Multiplies every row of `rows`.
    pub(crate) fn multiply(
        &self,
        processor: Processor,
        rows: &[f32],
        residual: Option<&[f32]>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        assert_eq!(rows.len() / self.inputs, out.len() / self.outputs());
        let values = Values { lines: &[rows], step: self.inputs, span: self.inputs, skipped: 0 };
        self.multiply_overlapping(processor, values, residual, out, scratch);
    }

    /// As [`multiply`](Self::multiply), for rows that overlap in memory; with weights in bytes for
    /// none such.
    pub(crate) fn multiply_overlapping(
        &self,
        processor: Processor,
        values: Values<'_>,
        residual: Option<&[f32]>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        assert!(residual.is_none_or(|residual| residual.len() == out.len()));
        let Scratch { codes, scales, .. } = scratch;
        if matches!(self.panels, Panels::Bytes { .. }) {
            codes.resize(codes.len().max(BLOCK * self.inputs / 4), [0; 4]);
            scales.resize(BLOCK, 0.0);
        }
        let residual = residual.map(vectors);
        processor.run(Task { layer: self, values, residual, out: vectors_mut(out), codes, scales });
    }

    /// Whether its weights are not in bytes.
    pub(crate) fn takes_floats(&self) -> bool {
        matches!(self.panels, Panels::Floats(_))
    }
}

/// Rows of values, each in as many pieces as there are `lines`.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    /// Where the first row's pieces begin.
    pub lines: &'a [&'a [f32]],
    /// From where a row's piece begins to where the next row's does.
    pub step: usize,
    /// Values of a piece.
    pub span: usize,
    /// Inputs of the layer before the first piece. These, and those behind the last, count as zero.
    pub skipped: usize,
}

/// `G` inputs of each of sixteen outputs side by side; zeros where there is none.
fn packed<T: Copy + Default, U: Copy, const G: usize>(
    weights: &[T],
    inputs: usize,
    outputs: usize,
    group: impl Fn([T; G]) -> U,
) -> Vec<Sixteen<U>> {
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
    residual: Option<&'a [Sixteen<f32>]>,
    out: &'a mut [Sixteen<f32>],
    codes: &'a mut [[u8; 4]],
    scales: &'a mut [f32],
}

impl Kernel for Task<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Pointwise { inputs, panels, finish } = self.layer;
        let columns = finish.bias.len();
        for (i, out) in self.out.chunks_mut(BLOCK * columns).enumerate() {
            let count = out.len() / columns;
            let residual = self.residual.map(|all| &all[i * BLOCK * columns..][..out.len()]);
            let out = Block { finish, residual, out };
            match panels {
                Panels::Floats(weights) => {
                    let (values, first) = (self.values, i * BLOCK);
                    out.fill(s, &FloatProduct { values, first, inputs: *inputs, weights });
                }
                Panels::Bytes { weights, scales, sums } => {
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

/// Rounds a row to bytes. Returns what they are to be multiplied with.
#[inline(always)]
pub(crate) fn encode<S: Lanes>(s: S, row: &[f32], codes: &mut [[u8; 4]]) -> f32 {
    let row = vectors(row);
    let mut highest = s.splat(0.0);
    for values in row {
        highest = s.max(highest, s.abs(s.load(values)));
    }
    let highest = s.highest(highest);
    let (scale, inverse) =
        if highest > NOTHING { (highest / 127.0, 127.0 / highest) } else { (0.0, 0.0) };
    let inverse = s.splat(inverse);
    for (values, codes) in row.iter().zip(codes.as_flattened_mut().as_chunks_mut().0) {
        *codes = s.encode(s.mul(s.load(values), inverse));
    }
    scale
}

/// Some rows of the output, and what is done to a sum before it is written there.
struct Block<'a> {
    finish: &'a Finished,
    residual: Option<&'a [Sixteen<f32>]>,
    out: &'a mut [Sixteen<f32>],
}

impl Block<'_> {
    /// Fills the block in tiles whose sums stay in registers.
    #[inline(always)]
    fn fill<S: Lanes>(mut self, s: S, product: &impl Product) {
        let columns = self.finish.bias.len();
        let mut column = 0;
        while column < columns {
            match columns - column {
                4.. if S::WIDE => {
                    self.strip::<S, 4>(s, product, column);
                    column += 4;
                }
                2.. if S::WIDE => {
                    self.strip::<S, 2>(s, product, column);
                    column += 2;
                }
                _ => {
                    self.strip::<S, 1>(s, product, column);
                    column += 1;
                }
            }
        }
    }

    #[inline(always)]
    fn strip<S: Lanes, const P: usize>(&mut self, s: S, product: &impl Product, column: usize) {
        let rows = self.out.len() / self.finish.bias.len();
        let mut row = 0;
        while S::WIDE && P <= 2 && row + 12 <= rows {
            self.tile::<S, 12, P>(s, product, row, column);
            row += 12;
        }
        while row + 6 <= rows {
            self.tile::<S, 6, P>(s, product, row, column);
            row += 6;
        }
        match rows - row {
            5 => self.tile::<S, 5, P>(s, product, row, column),
            4 => self.tile::<S, 4, P>(s, product, row, column),
            3 => self.tile::<S, 3, P>(s, product, row, column),
            2 => self.tile::<S, 2, P>(s, product, row, column),
            1 => self.tile::<S, 1, P>(s, product, row, column),
            _ => {}
        }
    }

    #[inline(always)]
    fn tile<S: Lanes, const R: usize, const P: usize>(
        &mut self,
        s: S,
        product: &impl Product,
        row: usize,
        column: usize,
    ) {
        let bias = &self.finish.bias;
        let sums = product.tile::<S, R, P>(s, row, column, &bias[column..][..P]);
        let sums = self.finish.activate(s, column, sums);
        for (r, sums) in sums.into_iter().enumerate() {
            let at = (row + r) * bias.len() + column;
            let out = &mut self.out[at..][..P];
            for p in 0..P {
                let mut value = sums[p];
                if let Some(residual) = self.residual {
                    value = s.add(value, s.load(&residual[at + p]));
                }
                s.store(value, &mut out[p]);
            }
        }
    }
}

/// Rows times panels.
pub(crate) trait Product {
    /// The sums of `R` rows and `P` panels, with the bias.
    fn tile<S: Lanes, const R: usize, const P: usize>(
        &self,
        s: S,
        row: usize,
        column: usize,
        bias: &[Sixteen<f32>],
    ) -> [[S::Floats; P]; R];
}

struct FloatProduct<'a> {
    values: Values<'a>,
    /// Which of their rows is the first here.
    first: usize,
    inputs: usize,
    weights: &'a [Sixteen<f32>],
}

impl Product for FloatProduct<'_> {
    #[inline(always)]
    fn tile<S: Lanes, const R: usize, const P: usize>(
        &self,
        s: S,
        row: usize,
        column: usize,
        bias: &[Sixteen<f32>],
    ) -> [[S::Floats; P]; R] {
        let mut sums = [[s.splat(0.0); P]; R];
        for p in 0..P {
            for sums in &mut sums {
                sums[p] = s.load(&bias[p]);
            }
        }
        let Values { lines, step, span, skipped } = self.values;
        for (l, line) in lines.iter().enumerate() {
            let rows: [&[f32]; R] =
                std::array::from_fn(|r| &line[(self.first + row + r) * step..][..span]);
            let panels: [&[Sixteen<f32>]; P] = std::array::from_fn(|p| {
                &self.weights[(column + p) * self.inputs + skipped + l * span..][..span]
            });
            for i in 0..span {
                let mut weights = [s.splat(0.0); P];
                for p in 0..P {
                    weights[p] = s.load(&panels[p][i]);
                }
                for r in 0..R {
                    let value = s.splat(rows[r][i]);
                    for p in 0..P {
                        sums[r][p] = s.mul_add(value, weights[p], sums[r][p]);
                    }
                }
            }
        }
        sums
    }
}

pub(crate) struct ByteProduct<'a> {
    pub codes: &'a [[u8; 4]],
    pub row_scales: &'a [f32],
    pub groups: usize,
    pub weights: &'a [Sixteen<[i8; 4]>],
    pub scales: &'a [Sixteen<f32>],
    pub sums: &'a [Sixteen<i32>],
}

impl Product for ByteProduct<'_> {
    #[inline(always)]
    fn tile<S: Lanes, const R: usize, const P: usize>(
        &self,
        s: S,
        row: usize,
        column: usize,
        bias: &[Sixteen<f32>],
    ) -> [[S::Floats; P]; R] {
        let mut dots = [[s.dot_start(&self.sums[column]); P]; R];
        for p in 1..P {
            for dots in &mut dots {
                dots[p] = s.dot_start(&self.sums[column + p]);
            }
        }
        let n = self.groups;
        let rows: [&[[u8; 4]]; R] = std::array::from_fn(|r| &self.codes[(row + r) * n..][..n]);
        let panels: [&[Sixteen<[i8; 4]>]; P] =
            std::array::from_fn(|p| &self.weights[(column + p) * n..][..n]);
        for i in 0..n {
            for r in 0..R {
                for p in 0..P {
                    dots[r][p] = s.dot(rows[r][i], &panels[p][i], dots[r][p]);
                }
            }
        }
        let mut sums = [[s.splat(0.0); P]; R];
        for r in 0..R {
            let row_scale = s.splat(self.row_scales[row + r]);
            for p in 0..P {
                let scale = s.mul(row_scale, s.load(&self.scales[column + p]));
                sums[r][p] = s.mul_add(s.floats(dots[r][p]), scale, s.load(&bias[p]));
            }
        }
        sums
    }
}
