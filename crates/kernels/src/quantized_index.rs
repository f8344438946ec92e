//! Many vectors, rounded to bytes, and those of them whose scalar products with a vector are largest.

use zeroize::Zeroize;

use crate::gemm::{ByteProduct, Product, encode};
use crate::simd::{F32x16, I8x4x16, I32x16, Kernel, LANES, Simd};
use crate::{InstructionSet, padded};

/// Vectors of one length, a byte a value. They are overwritten when they go, and never moved while
/// there are more to come: no copy stays behind in memory that was given back.
#[derive(Debug)]
pub struct QuantizedIndex {
    dimension: usize,
    length: usize,
    blocks: Vec<Block>,
    /// No vector has ever been longer.
    longest: f32,
}

/// Vectors of a block.
const BLOCK: usize = PANELS * LANES;
const PANELS: usize = 4;

/// How far sums in floats may be off, of the lengths of both vectors.
const SUMS: f32 = 1e-4;

#[derive(Debug)]
struct Block {
    /// Four values of sixteen vectors side by side, all values of the first sixteen vectors first.
    codes: Vec<I8x4x16>,
    /// For each vector what its bytes are multiplied with, and their sum.
    scales: [F32x16; PANELS],
    sums: [I32x16; PANELS],
}

impl QuantizedIndex {
    /// An empty table of vectors of `dimension` values.
    pub fn new(dimension: usize) -> Self {
        Self { dimension, length: 0, blocks: Vec::new(), longest: 0.0 }
    }

    /// Values of a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Vectors.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Memory that the vectors take, bytes.
    pub fn memory_bytes(&self) -> usize {
        let block = size_of::<Block>() + self.groups() * PANELS * size_of::<I8x4x16>();
        self.blocks.len() * block
    }

    /// Puts a vector behind the last one: its largest value becomes 127, the others are rounded.
    ///
    /// # Panics
    /// When it has another length than the table's vectors.
    pub fn push(&mut self, vector: &[f32]) {
        assert_eq!(vector.len(), self.dimension);
        if self.length == self.blocks.len() * BLOCK {
            self.blocks.push(Block {
                codes: vec![[[0; 4]; LANES]; self.groups() * PANELS],
                scales: [[0.0; LANES]; PANELS],
                sums: [[0; LANES]; PANELS],
            });
        }
        let highest = vector.iter().fold(0f32, |highest, value| highest.max(value.abs()));
        let scale = highest / 127.0;
        let code = |value: &f32| if scale > 0.0 { (value / scale).round() as i8 } else { 0 };
        self.length += 1;
        self.longest = self.longest.max(length(vector.iter().map(|v| f32::from(code(v)) * scale)));
        self.put(self.length - 1, vector.iter().map(code), scale);
    }

    /// Puts the last vector in the place of the one at `place`, which is gone.
    ///
    /// # Panics
    /// When there is no vector at `place`.
    pub fn swap_remove(&mut self, place: usize) {
        assert!(place < self.length);
        let last = self.length - 1;
        let (block, panel, lane) = at(last);
        let scale = self.blocks[block].scales[panel][lane];
        let mut codes: Vec<i8> = (0..self.dimension).map(|i| self.code(last, i)).collect();
        self.put(place, codes.iter().copied(), scale);
        codes.fill(0);
        self.put(last, codes.into_iter(), 0.0);
        self.length = last;
        self.blocks.truncate(self.length.div_ceil(BLOCK));
    }

    /// The places of all vectors that may be among the two whose [products](Self::dot) with
    /// `vector` are largest, in order: few, but for ties. `vector` is rounded to bytes as well for it.
    ///
    /// # Panics
    /// When it has another length than the table's vectors.
    pub fn top2(&self, isa: InstructionSet, vector: &[f32]) -> Vec<usize> {
        assert_eq!(vector.len(), self.dimension);
        let mut row = vector.to_vec();
        row.resize(padded(self.dimension), 0.0);
        let mut codes = vec![[0; 4]; self.groups()];
        let mut found = Found::default();
        isa.run(Scan { table: self, row: &row, codes: &mut codes, found: &mut found });
        row.zeroize();
        codes.zeroize();
        let Found { candidates, least, .. } = found;
        candidates.into_iter().filter(|(_, product)| *product >= least).map(|(at, _)| at).collect()
    }

    /// The scalar product of `vector` with the one at `place`, as that is kept.
    ///
    /// # Panics
    /// When there is no vector at `place`.
    pub fn dot(&self, place: usize, vector: &[f32]) -> f32 {
        assert!(place < self.length);
        let (block, panel, lane) = at(place);
        let sum: f32 =
            vector.iter().enumerate().map(|(i, v)| v * f32::from(self.code(place, i))).sum();
        sum * self.blocks[block].scales[panel][lane]
    }

    /// How far the product of a vector with `row`, rounded with that scale, may be from the exact one.
    fn apart(&self, row: &[f32], scale: f32) -> f32 {
        let rounded =
            |v: f32| if scale > 0.0 { (v / scale).round_ties_even() * scale } else { 0.0 };
        let rounding = length(row.iter().map(|value| value - rounded(*value)));
        (rounding + SUMS * length(row.iter().copied())) * self.longest
    }

    fn groups(&self) -> usize {
        padded(self.dimension) / 4
    }

    fn code(&self, place: usize, i: usize) -> i8 {
        let (block, panel, lane) = at(place);
        self.blocks[block].codes[panel * self.groups() + i / 4][lane][i % 4]
    }

    fn put(&mut self, place: usize, codes: impl Iterator<Item = i8>, scale: f32) {
        let (groups, (block, panel, lane)) = (self.groups(), at(place));
        let block = &mut self.blocks[block];
        let mut sum = 0;
        for (i, code) in codes.enumerate() {
            block.codes[panel * groups + i / 4][lane][i % 4] = code;
            sum += i32::from(code);
        }
        block.scales[panel][lane] = scale;
        block.sums[panel][lane] = sum;
    }
}

/// Block, panel and lane.
fn at(place: usize) -> (usize, usize, usize) {
    (place / BLOCK, place / LANES % PANELS, place % LANES)
}

impl Drop for Block {
    fn drop(&mut self) {
        self.codes.iter_mut().for_each(Zeroize::zeroize);
        self.scales.zeroize();
        self.sums.zeroize();
    }
}

fn length(values: impl Iterator<Item = f32>) -> f32 {
    values.map(|value| value * value).sum::<f32>().sqrt()
}

/// What a scan has found so far.
struct Found {
    first: f32,
    second: f32,
    /// A product that is less is not among the first two even if rounding took all that it may.
    least: f32,
    /// Places and products that were not less when they were met.
    candidates: Vec<(usize, f32)>,
}

impl Default for Found {
    fn default() -> Self {
        let [first, second, least] = [f32::NEG_INFINITY; 3];
        Self { first, second, least, candidates: Vec::new() }
    }
}

impl Found {
    /// `apart`: how far a product may be from the exact one.
    fn meet(&mut self, place: usize, product: f32, apart: f32) {
        if product >= self.least {
            self.second = self.second.max(self.first.min(product));
            self.first = self.first.max(product);
            self.least = self.second - 2.0 * apart;
            self.candidates.push((place, product));
        }
    }
}

struct Scan<'a> {
    table: &'a QuantizedIndex,
    row: &'a [f32],
    codes: &'a mut [[u8; 4]],
    found: &'a mut Found,
}

impl Kernel for Scan<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { table, row, codes, found } = self;
        let scale = encode(s, row, codes);
        let apart = table.apart(row, scale);
        let (groups, no_bias) = (codes.len(), [[0.0; LANES]; PANELS]);
        for (i, block) in table.blocks.iter().enumerate() {
            let product = ByteProduct {
                codes,
                row_scales: &[scale],
                groups,
                weights: &block.codes,
                scales: &block.scales,
                sums: &block.sums,
            };
            let mut sums = [s.splat(0.0); PANELS];
            if S::WIDE {
                [sums] = product.tile::<S, 1, PANELS>(s, 0, 0, &no_bias);
            } else {
                for (panel, sum) in sums.iter_mut().enumerate() {
                    [[*sum]] = product.tile::<S, 1, 1>(s, 0, panel, &no_bias);
                }
            }
            let mut highest = sums[0];
            for sum in &sums[1..] {
                highest = s.max(highest, *sum);
            }
            if s.highest(highest) < found.least {
                continue;
            }
            let mut products = [[0.0; LANES]; PANELS];
            for (sum, products) in sums.into_iter().zip(&mut products) {
                s.store(sum, products);
            }
            let places = i * BLOCK..table.length;
            for (place, product) in places.zip(products.as_flattened()) {
                found.meet(place, *product, apart);
            }
        }
    }
}
