//! AVX2 and FMA on x86-64, with two registers per vector. AVX2 has no exact int8 dot product, so
//! that networks use dequantized `f32` weights.

use std::arch::x86_64::*;

use crate::simd::{F32x16, I8x4x16, I32x16, Kernel, Simd, U8x16};

/// Proof that the processor has AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// Returns the proof, or `None` if the processor lacks one of the instruction sets.
    pub fn detect() -> Option<Self> {
        let is_supported = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        is_supported.then_some(Self(()))
    }

    /// Runs a kernel that is compiled for these instruction sets.
    pub fn run(self, kernel: impl Kernel) {
        // SAFETY: a value of this type exists only if the features were detected.
        unsafe { with_features(self, kernel) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn with_features(simd: Avx2, kernel: impl Kernel) {
    kernel.run(simd);
}

// SAFETY, for every block below: `self` proves that the processor has the instruction. References are
// valid for the sixteen values that are read or written. The loads and stores need no alignment.
impl Simd for Avx2 {
    type Floats = [__m256; 2];
    type Ints = [__m256i; 2];

    const HAS_WIDE_TILES: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> [__m256; 2] {
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    fn load(self, from: &F32x16) -> [__m256; 2] {
        unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from[8..].as_ptr())] }
    }

    #[inline(always)]
    fn store(self, [low, high]: [__m256; 2], to: &mut F32x16) {
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), low);
            _mm256_storeu_ps(to[8..].as_mut_ptr(), high);
        }
    }

    #[inline(always)]
    fn add(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul_add(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }

    #[inline(always)]
    fn max(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn min(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn abs(self, [low, high]: [__m256; 2]) -> [__m256; 2] {
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            [_mm256_andnot_ps(sign, low), _mm256_andnot_ps(sign, high)]
        }
    }

    #[inline(always)]
    fn reduce_max(self, [low, high]: [__m256; 2]) -> f32 {
        unsafe {
            let eight = _mm256_max_ps(low, high);
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn quantize(self, [low, high]: [__m256; 2]) -> U8x16 {
        unsafe {
            let (low, high) = (_mm256_cvtps_epi32(low), _mm256_cvtps_epi32(high));
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
            let (low, high) = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            let mut bytes = [0; 16];
            _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm_packs_epi16(low, high));
            bytes
        }
    }

    #[inline(always)]
    fn dot_init(self, _sums: &I32x16) -> [__m256i; 2] {
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    #[inline(always)]
    fn dot4(self, values: [u8; 4], weights: &I8x4x16, sum: [__m256i; 2]) -> [__m256i; 2] {
        let mut sums = sum;
        unsafe {
            let values = _mm_cvtepi8_epi16(_mm_set1_epi32(i32::from_ne_bytes(values)));
            let values = _mm256_broadcastq_epi64(values);
            for (sum, weights) in sums.iter_mut().zip(weights.as_chunks::<8>().0) {
                // A register holds two partial sums for each of four columns, which `hadd` adds.
                let [first, second] = [&weights[..4], &weights[4..]].map(|four| {
                    let bytes = _mm_loadu_si128(four.as_ptr().cast());
                    _mm256_madd_epi16(_mm256_cvtepi8_epi16(bytes), values)
                });
                let columns =
                    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(first, second));
                *sum = _mm256_add_epi32(*sum, columns);
            }
        }
        sums
    }

    #[inline(always)]
    fn to_floats(self, [low, high]: [__m256i; 2]) -> [__m256; 2] {
        unsafe { [_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)] }
    }
}
