//! AVX-512 with int8 dot products (VNNI) on x86-64: Ice Lake, Zen 4 and later.

use std::arch::x86_64::*;

use crate::simd::{F32x16, I8x4x16, I32x16, Kernel, Simd, U8x16};

/// Proof that the processor has AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(());

impl Avx512 {
    /// Returns the proof, or `None` if the processor lacks one of the instruction sets.
    pub fn detect() -> Option<Self> {
        let is_supported = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        is_supported.then_some(Self(()))
    }

    /// Runs a kernel that is compiled for these instruction sets.
    pub fn run(self, kernel: impl Kernel) {
        // SAFETY: a value of this type exists only if the features were detected.
        unsafe { with_features(self, kernel) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn with_features(simd: Avx512, kernel: impl Kernel) {
    kernel.run(simd);
}

// SAFETY, for every block below: `self` proves that the processor has the instruction. References are
// valid for the sixteen values that are read or written. The loads and stores need no alignment.
impl Simd for Avx512 {
    type Floats = __m512;
    type Ints = __m512i;

    const HAS_WIDE_TILES: bool = true;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &F32x16) -> __m512 {
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, value: __m512, to: &mut F32x16) {
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        unsafe { _mm512_abs_ps(a) }
    }

    #[inline(always)]
    fn reduce_max(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(a) }
    }

    /// Adds 128 to each value, because the instruction of `dot4` multiplies unsigned bytes by signed
    /// bytes.
    #[inline(always)]
    fn quantize(self, values: __m512) -> U8x16 {
        unsafe {
            let bytes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(values));
            let unsigned = _mm_xor_si128(bytes, _mm_set1_epi8(i8::MIN));
            let mut bytes_out = [0; 16];
            _mm_storeu_si128(bytes_out.as_mut_ptr().cast(), unsigned);
            bytes_out
        }
    }

    /// Returns -128 times the sums, which cancels the offset of the quantized values.
    #[inline(always)]
    fn dot_init(self, sums: &I32x16) -> __m512i {
        unsafe {
            let sums = _mm512_loadu_si512(sums.as_ptr().cast());
            _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32::<7>(sums))
        }
    }

    #[inline(always)]
    fn dot4(self, values: [u8; 4], weights: &I8x4x16, sum: __m512i) -> __m512i {
        unsafe {
            let weights = _mm512_loadu_si512(weights.as_ptr().cast());
            _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(i32::from_ne_bytes(values)), weights)
        }
    }

    #[inline(always)]
    fn to_floats(self, value: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(value) }
    }
}
