//! Vector operations that the kernels need from an instruction set.

/// Number of values in a vector.
pub const LANES: usize = 16;

/// Sixteen `f32` in memory.
pub type F32x16 = [f32; LANES];

/// Sixteen `i32` in memory.
pub type I32x16 = [i32; LANES];

/// Sixteen bytes in memory.
pub type U8x16 = [u8; LANES];

/// Four `i8` for each of sixteen lanes in memory.
pub type I8x4x16 = [[i8; 4]; LANES];

/// Operations on vectors of sixteen lanes. The number of registers per vector depends on the
/// instruction set.
///
/// A value of an implementing type proves that the processor has the instructions: only
/// [`InstructionSet`](crate::InstructionSet) creates one, after detection.
///
/// All implementations round in the same way. Multiply-add is fused. Conversion to integers rounds
/// to the nearest, and ties to even.
pub trait Simd: Copy {
    /// Sixteen `f32` in registers.
    type Floats: Copy;
    /// Sixteen `i32` in registers.
    type Ints: Copy;

    /// True if there are enough registers for tiles of 6 rows by 64 columns.
    const HAS_WIDE_TILES: bool;

    /// Returns a vector with `value` in every lane.
    fn splat(self, value: f32) -> Self::Floats;
    /// Loads a vector from memory.
    fn load(self, from: &F32x16) -> Self::Floats;
    /// Stores a vector to memory.
    fn store(self, value: Self::Floats, to: &mut F32x16);
    /// Returns `a + b`.
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Returns `a * b`.
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Returns `a * b + c`, rounded once.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// Returns the larger value of each lane. The result is unspecified in lanes with a NaN.
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Returns the smaller value of each lane. The result is unspecified in lanes with a NaN.
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Returns the absolute value of each lane.
    fn abs(self, a: Self::Floats) -> Self::Floats;
    /// Returns the largest value of all lanes.
    fn reduce_max(self, a: Self::Floats) -> f32;

    /// Rounds values of -127 to 127 to bytes, in the encoding that [`dot4`](Self::dot4) requires.
    fn quantize(self, values: Self::Floats) -> U8x16;
    /// Returns the initial sum for calls of [`dot4`](Self::dot4). It compensates for the encoding
    /// of the bytes. `sums` are the sums of all weights of each column.
    fn dot_init(self, sums: &I32x16) -> Self::Ints;
    /// Adds, in each of sixteen columns, the dot product of four quantized values and four weights.
    fn dot4(self, values: [u8; 4], weights: &I8x4x16, sum: Self::Ints) -> Self::Ints;
    /// Converts integers to floats, rounded to the nearest.
    fn to_floats(self, value: Self::Ints) -> Self::Floats;
}

/// Kernel with its arguments, run by [`InstructionSet::run`](crate::InstructionSet::run).
///
/// `run` and all functions that it calls must be inlined: otherwise they are not compiled for the
/// instruction set.
pub trait Kernel {
    /// Runs the kernel.
    fn run<S: Simd>(self, simd: S);
}

/// Returns `values` as whole vectors.
///
/// # Panics
/// If the length is not a multiple of [`LANES`].
pub fn vectors(values: &[f32]) -> &[F32x16] {
    let (vectors, rest) = values.as_chunks();
    assert!(rest.is_empty(), "channels are padded to whole vectors");
    vectors
}

/// Returns `values` as whole mutable vectors; see [`vectors`].
pub fn vectors_mut(values: &mut [f32]) -> &mut [F32x16] {
    let (vectors, rest) = values.as_chunks_mut();
    assert!(rest.is_empty(), "channels are padded to whole vectors");
    vectors
}

/// Copies `values` into vectors; missing lanes of the last vector are `filler`.
pub fn padded_vectors<T: Copy>(values: &[T], filler: T) -> Vec<[T; LANES]> {
    let vector = |values: &[T]| std::array::from_fn(|i| values.get(i).copied().unwrap_or(filler));
    values.chunks(LANES).map(vector).collect()
}
