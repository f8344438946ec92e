//! Sixteen lanes, in however many registers a processor needs for them.

/// Values that are worked on at once.
pub const LANES: usize = 16;

/// Sixteen `f32` in memory.
pub type F32x16 = [f32; LANES];
/// Sixteen `i32` in memory.
pub type I32x16 = [i32; LANES];
/// Sixteen bytes in memory.
pub type U8x16 = [u8; LANES];
/// Four `i8` for each of sixteen lanes in memory.
pub type I8x4x16 = [[i8; 4]; LANES];

/// What a kernel needs of an instruction set. A value of an implementing type is the proof that the
/// isa has the instructions: only [`InstructionSet`](crate::InstructionSet) makes one, after asking.
///
/// Rounding is the same everywhere: products and sums are fused, and integers are rounded to the
/// nearest, ties to even.
pub trait Simd: Copy {
    /// Sixteen `f32`.
    type Floats: Copy;
    /// Sixteen `i32`.
    type Ints: Copy;

    /// Whether there are enough registers for tiles of 6 rows by 64 columns.
    const WIDE: bool;

    /// The same value in every lane.
    fn splat(self, value: f32) -> Self::Floats;
    /// From memory.
    fn load(self, from: &F32x16) -> Self::Floats;
    /// To memory.
    fn store(self, value: Self::Floats, to: &mut F32x16);
    /// `a + b`.
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b`.
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// The larger of each two. Either may come out where one is NaN.
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The smaller of each two. Either may come out where one is NaN.
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Without the sign.
    fn abs(self, a: Self::Floats) -> Self::Floats;
    /// The largest of all lanes.
    fn highest(self, a: Self::Floats) -> f32;

    /// Values of -127 to 127, rounded, as bytes in the form that [`dot`](Self::dot) takes.
    fn encode(self, values: Self::Floats) -> U8x16;
    /// Where a chain of dot products begins: what makes up for the form of the bytes, given the sum
    /// of all weights of each column.
    fn dot_start(self, sums: &I32x16) -> Self::Ints;
    /// Adds the product of four encoded values and four weights, for each of sixteen columns.
    fn dot(self, values: [u8; 4], weights: &I8x4x16, sum: Self::Ints) -> Self::Ints;
    /// Integers as floats, rounded to the nearest.
    fn floats(self, value: Self::Ints) -> Self::Floats;
}

/// A kernel with its arguments, to be run by [`InstructionSet::run`](crate::InstructionSet::run). `run` must be
/// inlined, with all that it calls: only so is it compiled for the instruction set.
pub trait Kernel {
    /// Does the work.
    fn run<S: Simd>(self, simd: S);
}

/// A pixel's channels, or any other slice, as whole vectors.
pub fn vectors(values: &[f32]) -> &[F32x16] {
    let (vectors, rest) = values.as_chunks();
    assert!(rest.is_empty(), "channels are padded to whole vectors");
    vectors
}

/// As [`vectors`], to be written.
pub fn vectors_mut(values: &mut [f32]) -> &mut [F32x16] {
    let (vectors, rest) = values.as_chunks_mut();
    assert!(rest.is_empty(), "channels are padded to whole vectors");
    vectors
}

/// A value a channel, padded with `filler`, as vectors.
pub fn padded_vectors<T: Copy>(values: &[T], filler: T) -> Vec<[T; LANES]> {
    let vector = |values: &[T]| std::array::from_fn(|i| values.get(i).copied().unwrap_or(filler));
    values.chunks(LANES).map(vector).collect()
}
