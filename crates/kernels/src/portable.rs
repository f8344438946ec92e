//! The sixteen lanes in plain Rust: slow, and what the others are measured against.

use crate::simd::{F32x16, I8x4x16, I32x16, LANES, Simd, U8x16};

/// Runs anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;

fn each<T: Copy>(f: impl Fn(usize) -> T) -> [T; LANES] {
    std::array::from_fn(f)
}

impl Simd for Portable {
    type Floats = F32x16;
    type Ints = I32x16;

    const WIDE: bool = false;

    fn splat(self, value: f32) -> Self::Floats {
        [value; LANES]
    }

    fn load(self, from: &F32x16) -> Self::Floats {
        *from
    }

    fn store(self, value: Self::Floats, to: &mut F32x16) {
        *to = value;
    }

    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] + b[i])
    }

    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] * b[i])
    }

    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        each(|i| a[i].mul_add(b[i], c[i]))
    }

    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    fn abs(self, a: Self::Floats) -> Self::Floats {
        a.map(f32::abs)
    }

    fn highest(self, a: Self::Floats) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    fn encode(self, values: Self::Floats) -> U8x16 {
        values.map(|v| (v.round_ties_even() as i8).cast_unsigned())
    }

    fn dot_start(self, _sums: &I32x16) -> Self::Ints {
        [0; LANES]
    }

    fn dot(self, values: [u8; 4], weights: &I8x4x16, sum: Self::Ints) -> Self::Ints {
        let values = values.map(|v| i32::from(v.cast_signed()));
        each(|i| {
            let products = values.iter().zip(weights[i]).map(|(v, w)| v * i32::from(w));
            sum[i].wrapping_add(products.sum())
        })
    }

    fn floats(self, value: Self::Ints) -> Self::Floats {
        value.map(|v| v as f32)
    }
}
