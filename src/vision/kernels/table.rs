//! Many unit vectors, rounded to bytes, and the scalar products of one vector with all of them.

use zeroize::Zeroize;

use crate::lanes::{Kernel, LANES, Lanes, Sixteen};
use crate::pointwise::{ByteProduct, Product, encode};
use crate::{Processor, padded};

/// Vectors of one length, a byte a value. They are overwritten when they go, and never moved while
/// there are more to come: no copy stays behind in memory that was given back.
#[derive(Debug)]
pub struct Table {
    dimension: usize,
    length: usize,
    blocks: Vec<Block>,
}

/// Vectors of a block.
const BLOCK: usize = PANELS * LANES;
const PANELS: usize = 4;

#[derive(Debug)]
struct Block {
    /// Four values of sixteen vectors side by side, all values of the first sixteen vectors first.
    codes: Vec<Sixteen<[i8; 4]>>,
    /// For each vector what its bytes are multiplied with, and their sum.
    scales: [Sixteen<f32>; PANELS],
    sums: [Sixteen<i32>; PANELS],
}

impl Table {
    /// An empty table of vectors of `dimension` values.
    pub fn new(dimension: usize) -> Self {
        Self { dimension, length: 0, blocks: Vec::new() }
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
    pub fn bytes(&self) -> usize {
        let block = size_of::<Block>() + self.groups() * PANELS * size_of::<Sixteen<[i8; 4]>>();
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

    /// The scalar products of `vector`, rounded to bytes as well, with all vectors, into `products`.
    /// Returns how far one may be from that of the unrounded vector with a vector of length 1.
    ///
    /// # Panics
    /// When it has another length than the table's vectors.
    pub fn products(&self, processor: Processor, vector: &[f32], products: &mut Vec<f32>) -> f32 {
        assert_eq!(vector.len(), self.dimension);
        let mut row = vector.to_vec();
        row.resize(padded(self.dimension), 0.0);
        products.clear();
        products.resize(self.blocks.len() * BLOCK, 0.0);
        let (mut codes, mut scale) = (vec![[0; 4]; self.groups()], 0.0);
        let (row, codes) = (&mut row, &mut codes);
        processor.run(Products { table: self, row, codes, scale: &mut scale, products });
        products.truncate(self.length);
        let rounding = |value: &f32| {
            let rounded = if scale > 0.0 { (value / scale).round_ties_even() * scale } else { 0.0 };
            (value - rounded).powi(2)
        };
        let apart = row.iter().map(rounding).sum::<f32>().sqrt();
        row.zeroize();
        codes.zeroize();
        apart
    }

    /// The scalar product of `vector` with the one at `place`, as that is kept.
    ///
    /// # Panics
    /// When there is no vector at `place`.
    pub fn product(&self, place: usize, vector: &[f32]) -> f32 {
        assert!(place < self.length);
        let (block, panel, lane) = at(place);
        let sum: f32 =
            vector.iter().enumerate().map(|(i, v)| v * f32::from(self.code(place, i))).sum();
        sum * self.blocks[block].scales[panel][lane]
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

struct Products<'a> {
    table: &'a Table,
    row: &'a [f32],
    codes: &'a mut [[u8; 4]],
    scale: &'a mut f32,
    products: &'a mut [f32],
}

impl Kernel for Products<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        *self.scale = encode(s, self.row, self.codes);
        let (groups, no_bias) = (self.codes.len(), [[0.0; LANES]; PANELS]);
        for (block, products) in self.table.blocks.iter().zip(self.products.chunks_exact_mut(BLOCK))
        {
            let product = ByteProduct {
                codes: self.codes,
                row_scales: &[*self.scale],
                groups,
                weights: &block.codes,
                scales: &block.scales,
                sums: &block.sums,
            };
            let (products, _) = products.as_chunks_mut::<LANES>();
            if S::WIDE {
                let [sums] = product.tile::<S, 1, PANELS>(s, 0, 0, &no_bias);
                for (sum, products) in sums.into_iter().zip(products) {
                    s.store(sum, products);
                }
            } else {
                for (panel, products) in products.iter_mut().enumerate() {
                    let [[sum]] = product.tile::<S, 1, 1>(s, 0, panel, &no_bias);
                    s.store(sum, products);
                }
            }
        }
    }
}
