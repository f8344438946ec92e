//! Pseudo-random numbers (SplitMix64; Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", 2014).
//!
//! The pictures of a seed must not depend on the version of a library. Therefore, the generator is part
//! of this crate.

/// Increment of the generator's state: 2^64 divided by the golden ratio.
const INCREMENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// Returns a pseudo-random number that depends on `seed` only.
pub(super) fn hash(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(INCREMENT);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Returns a pseudo-random number from 0 (inclusive) to 1 (exclusive) that depends on `seed` only.
pub(super) fn uniform_hash(seed: u64) -> f32 {
    (hash(seed) >> 40) as f32 / (1u32 << 24) as f32
}

/// Sequence of pseudo-random numbers.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Starts the sequence of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number from 0 (inclusive) to 1 (exclusive).
    pub(super) fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(INCREMENT);
        uniform_hash(self.0)
    }

    /// Returns a number from `low` (inclusive) to `high` (exclusive).
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }
}
