//! Portable implementation in plain Rust. It is slow, and it is the reference for the other
//! implementations.

use crate::simd::{F32x16, I8x4x16, I32x16, LANES, Simd, U8x16};

/// Implementation that runs on any processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;

/// Returns `value(i)` in each lane `i`.
fn lanes<T: Copy>(value: impl Fn(usize) -> T) -> [T; LANES] {
    std::array::from_fn(value)
}

impl Simd for Portable {
    type Floats = F32x16;
    type Ints = I32x16;

    const HAS_WIDE_TILES: bool = false;

    fn splat(self, value: f32) -> F32x16 {
        [value; LANES]
    }

    fn load(self, from: &F32x16) -> F32x16 {
        *from
    }

    fn store(self, value: F32x16, to: &mut F32x16) {
        *to = value;
    }

    fn add(self, a: F32x16, b: F32x16) -> F32x16 {
        lanes(|i| a[i] + b[i])
    }

    fn mul(self, a: F32x16, b: F32x16) -> F32x16 {
        lanes(|i| a[i] * b[i])
    }

    fn mul_add(self, a: F32x16, b: F32x16, c: F32x16) -> F32x16 {
        lanes(|i| a[i].mul_add(b[i], c[i]))
    }

    fn max(self, a: F32x16, b: F32x16) -> F32x16 {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    fn min(self, a: F32x16, b: F32x16) -> F32x16 {
        lanes(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    fn abs(self, a: F32x16) -> F32x16 {
        a.map(f32::abs)
    }

    fn reduce_max(self, a: F32x16) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    fn quantize(self, values: F32x16) -> U8x16 {
        values.map(|v| (v.round_ties_even() as i8).cast_unsigned())
    }

    fn dot_init(self, _sums: &I32x16) -> I32x16 {
        [0; LANES]
    }

    fn dot4(self, values: [u8; 4], weights: &I8x4x16, sum: I32x16) -> I32x16 {
        let values = values.map(|v| i32::from(v.cast_signed()));
        lanes(|i| {
            let products = values.iter().zip(weights[i]).map(|(v, w)| v * i32::from(w));
            sum[i].wrapping_add(products.sum())
        })
    }

    fn to_floats(self, value: I32x16) -> F32x16 {
        value.map(|v| v as f32)
    }
}
