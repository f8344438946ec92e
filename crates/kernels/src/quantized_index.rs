//! Index of int8 vectors that finds the largest dot products with a query.

use zeroize::{Zeroize, Zeroizing};

use crate::gemm::{Gemm, Int8Gemm, quantize_row};
use crate::simd::{F32x16, I8x4x16, I32x16, Kernel, LANES, Simd};
use crate::{InstructionSet, padded};

/// Vectors of one dimension, quantized to one byte per value.
///
/// A removed vector is overwritten with zeros. Adding a vector never moves the values of other
/// vectors, so that freed memory contains no copy of them.
#[derive(Debug)]
pub struct QuantizedIndex {
    dimension: usize,
    length: usize,
    #[expect(clippy::vec_box, reason = "a list that grows would leave copies in freed memory")]
    blocks: Vec<Box<Block>>,
    /// Largest norm of all vectors ever added.
    max_norm: f32,
}

/// Number of panels in a block. A panel holds sixteen vectors.
const BLOCK_PANELS: usize = 4;

/// Number of vectors in a block.
const BLOCK_VECTORS: usize = BLOCK_PANELS * LANES;

/// Largest rounding error of a dot product in `f32`, relative to the product of both norms.
const SUM_ERROR_MAX: f32 = 1e-4;

#[derive(Debug)]
struct Block {
    /// Groups of four values of sixteen vectors side by side. All values of the first sixteen
    /// vectors come first.
    values: Vec<I8x4x16>,
    /// Scale of each vector: the float value of one quantization step.
    scales: [F32x16; BLOCK_PANELS],
    /// Sum of the quantized values of each vector.
    sums: [I32x16; BLOCK_PANELS],
}

impl QuantizedIndex {
    /// Creates an empty index of vectors of `dimension` values.
    pub fn new(dimension: usize) -> Self {
        Self { dimension, length: 0, blocks: Vec::new(), max_norm: 0.0 }
    }

    /// Returns the number of values of a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Returns the number of vectors.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns true if there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns the memory that the vectors take, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let values = self.groups() * BLOCK_PANELS * size_of::<I8x4x16>();
        self.blocks.len() * (size_of::<Box<Block>>() + size_of::<Block>() + values)
    }

    /// Appends a vector. Its values are divided by a scale so that the largest becomes 127, and
    /// rounded.
    ///
    /// # Panics
    /// If the vector has another dimension than the index.
    pub fn push(&mut self, vector: &[f32]) {
        assert_eq!(vector.len(), self.dimension);
        if self.length == self.blocks.len() * BLOCK_VECTORS {
            self.blocks.push(Box::new(Block {
                values: vec![[[0; 4]; LANES]; self.groups() * BLOCK_PANELS],
                scales: [[0.0; LANES]; BLOCK_PANELS],
                sums: [[0; LANES]; BLOCK_PANELS],
            }));
        }
        let max = vector.iter().fold(0f32, |max, value| max.max(value.abs()));
        let scale = max / 127.0;
        let quantize = |value: &f32| if scale > 0.0 { (value / scale).round() as i8 } else { 0 };
        let dequantized = vector.iter().map(|value| f32::from(quantize(value)) * scale);
        self.max_norm = self.max_norm.max(norm(dequantized));
        self.length += 1;
        self.write(self.length - 1, vector.iter().map(quantize), scale);
    }

    /// Removes the vector at `position` and moves the last vector there.
    ///
    /// # Panics
    /// If there is no vector at `position`.
    pub fn swap_remove(&mut self, position: usize) {
        assert!(position < self.length);
        let last = self.length - 1;
        let (block, panel, lane) = split(last);
        let scale = self.blocks[block].scales[panel][lane];
        let mut values = Zeroizing::new(vec![0; self.dimension]);
        values.iter_mut().enumerate().for_each(|(i, value)| *value = self.value(last, i));
        self.write(position, values.iter().copied(), scale);
        self.write(last, std::iter::repeat_n(0, self.dimension), 0.0);
        self.length = last;
        self.blocks.truncate(self.length.div_ceil(BLOCK_VECTORS));
    }

    /// Returns the positions, in ascending order, of all vectors that may have one of the two
    /// largest [dot products](Self::dot) with `query`. Without
    /// ties, the result has few more than two positions.
    ///
    /// The search compares dot products with a quantized query; the result contains every vector that
    /// the quantization error may have moved out of the top 2.
    ///
    /// # Panics
    /// If the query has another dimension than the index.
    pub fn top2(&self, isa: InstructionSet, query: &[f32]) -> Vec<usize> {
        assert_eq!(query.len(), self.dimension);
        let mut row = Zeroizing::new(vec![0.0; padded(self.dimension)]);
        row[..query.len()].copy_from_slice(query);
        let mut quantized = Zeroizing::new(vec![[0; 4]; self.groups()]);
        let mut top2 = Top2::default();
        isa.run(Scan { index: self, row: &row, quantized: &mut quantized, top2: &mut top2 });
        let Top2 { candidates, prune_below, .. } = top2;
        let kept = candidates.into_iter().filter(|(_, product)| *product >= prune_below);
        kept.map(|(position, _)| position).collect()
    }

    /// Returns the dot product of `query` and the dequantized vector at `position`.
    ///
    /// # Panics
    /// If there is no vector at `position`.
    pub fn dot(&self, position: usize, query: &[f32]) -> f32 {
        assert!(position < self.length);
        let (block, panel, lane) = split(position);
        let products =
            query.iter().enumerate().map(|(i, v)| v * f32::from(self.value(position, i)));
        products.sum::<f32>() * self.blocks[block].scales[panel][lane]
    }

    /// Returns the largest error of a dot product with `row` if `row` is quantized with `scale`.
    fn error_bound(&self, row: &[f32], scale: f32) -> f32 {
        let dequantized =
            |v: f32| if scale > 0.0 { (v / scale).round_ties_even() * scale } else { 0.0 };
        let quantization_error = norm(row.iter().map(|value| value - dequantized(*value)));
        (quantization_error + SUM_ERROR_MAX * norm(row.iter().copied())) * self.max_norm
    }

    /// Returns the number of groups of four values per vector.
    fn groups(&self) -> usize {
        padded(self.dimension) / 4
    }

    /// Returns quantized value `i` of the vector at `position`.
    fn value(&self, position: usize, i: usize) -> i8 {
        let (block, panel, lane) = split(position);
        self.blocks[block].values[panel * self.groups() + i / 4][lane][i % 4]
    }

    /// Writes a quantized vector and its scale.
    fn write(&mut self, position: usize, values: impl Iterator<Item = i8>, scale: f32) {
        let (groups, (block, panel, lane)) = (self.groups(), split(position));
        let block = &mut self.blocks[block];
        let mut sum = 0;
        for (i, value) in values.enumerate() {
            block.values[panel * groups + i / 4][lane][i % 4] = value;
            sum += i32::from(value);
        }
        block.scales[panel][lane] = scale;
        block.sums[panel][lane] = sum;
    }
}

/// Splits a position into the indices of block, panel and lane.
fn split(position: usize) -> (usize, usize, usize) {
    (position / BLOCK_VECTORS, position / LANES % BLOCK_PANELS, position % LANES)
}

impl Drop for Block {
    fn drop(&mut self) {
        self.values.iter_mut().for_each(Zeroize::zeroize);
        self.scales.zeroize();
        self.sums.zeroize();
    }
}

fn norm(values: impl Iterator<Item = f32>) -> f32 {
    values.map(|value| value * value).sum::<f32>().sqrt()
}

/// The two largest dot products of a scan, and the candidates for the exact comparison.
struct Top2 {
    first: f32,
    second: f32,
    /// Pruning bound: a vector with a dot product below the bound cannot be in the top 2, given the
    /// largest rounding error.
    prune_below: f32,
    /// Positions and dot products that were not below the bound when they were added.
    candidates: Vec<(usize, f32)>,
}

impl Default for Top2 {
    fn default() -> Self {
        let [first, second, prune_below] = [f32::NEG_INFINITY; 3];
        Self { first, second, prune_below, candidates: Vec::new() }
    }
}

impl Top2 {
    /// Adds a dot product that differs from the exact one by at most `error_bound`.
    fn push(&mut self, position: usize, product: f32, error_bound: f32) {
        if product >= self.prune_below {
            self.second = self.second.max(self.first.min(product));
            self.first = self.first.max(product);
            self.prune_below = self.second - 2.0 * error_bound;
            self.candidates.push((position, product));
        }
    }
}

struct Scan<'a> {
    index: &'a QuantizedIndex,
    row: &'a [f32],
    quantized: &'a mut [[u8; 4]],
    top2: &'a mut Top2,
}

impl Kernel for Scan<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { index, row, quantized, top2 } = self;
        let scale = quantize_row(s, row, quantized);
        let error_bound = index.error_bound(row, scale);
        let (groups, no_bias) = (quantized.len(), [[0.0; LANES]; BLOCK_PANELS]);
        for (i, block) in index.blocks.iter().enumerate() {
            let product = Int8Gemm {
                rows: quantized,
                row_scales: &[scale],
                groups,
                weights: &block.values,
                scales: &block.scales,
                sums: &block.sums,
            };
            let mut sums = [s.splat(0.0); BLOCK_PANELS];
            if S::HAS_WIDE_TILES {
                [sums] = product.tile::<S, 1, BLOCK_PANELS>(s, 0, 0, &no_bias);
            } else {
                for (panel, sum) in sums.iter_mut().enumerate() {
                    [[*sum]] = product.tile::<S, 1, 1>(s, 0, panel, &no_bias);
                }
            }
            let mut max = sums[0];
            for sum in &sums[1..] {
                max = s.max(max, *sum);
            }
            if s.reduce_max(max) < top2.prune_below {
                continue;
            }
            let mut products = [[0.0; LANES]; BLOCK_PANELS];
            for (sum, products) in sums.into_iter().zip(&mut products) {
                s.store(sum, products);
            }
            let positions = i * BLOCK_VECTORS..index.length;
            for (position, product) in positions.zip(products.as_flattened()) {
                top2.push(position, *product, error_bound);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_keeps_its_address_when_index_grows() {
        let mut index = QuantizedIndex::new(3);
        let mut addresses = Vec::new();
        // Another allocation after each block prevents that the list grows in place.
        let mut obstacles = Vec::new();
        for _ in 0..20 * BLOCK_VECTORS {
            index.push(&[1.0, 2.0, 3.0]);
            obstacles.push(vec![0u8; 1024]);
            addresses.push(&raw const index.blocks[0].scales);
        }
        assert!(addresses.iter().all(|address| *address == addresses[0]));
    }
}
