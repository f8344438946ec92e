//! NEON on aarch64, with four registers per vector.
//!
//! `Neon<true>` uses the int8 dot products of ARMv8.2, which the Cortex-A76 (Raspberry Pi 5) and later
//! cores have. `Neon<false>` runs without them, as on the Cortex-A72 (Raspberry Pi 4).

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

use crate::simd::{F32x16, I8x4x16, I32x16, Kernel, Simd, U8x16};

/// Proof that the processor has NEON, and int8 dot products if `DOT` is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon<const DOT: bool>(());

impl<const DOT: bool> Neon<DOT> {
    /// Returns the proof, or `None` if the processor lacks one of the instruction sets.
    pub fn detect() -> Option<Self> {
        let is_supported = is_aarch64_feature_detected!("neon")
            && (!DOT || is_aarch64_feature_detected!("dotprod"));
        is_supported.then_some(Self(()))
    }

    /// Runs a kernel. It needs no special compilation, because every aarch64 target enables NEON.
    pub fn run(self, kernel: impl Kernel) {
        kernel.run(self);
    }
}

// SAFETY, for every block below: `self` proves that the processor has the instruction. References are
// valid for the sixteen values that are read or written. The loads and stores need no alignment.
impl<const DOT: bool> Simd for Neon<DOT> {
    type Floats = [float32x4_t; 4];
    type Ints = [int32x4_t; 4];

    const HAS_WIDE_TILES: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Floats {
        unsafe { [vdupq_n_f32(value); 4] }
    }

    #[inline(always)]
    fn load(self, from: &F32x16) -> Self::Floats {
        let [a, b, c, d] = from.as_chunks::<4>().0 else { unreachable!("16 = 4 × 4") };
        unsafe {
            [
                vld1q_f32(a.as_ptr()),
                vld1q_f32(b.as_ptr()),
                vld1q_f32(c.as_ptr()),
                vld1q_f32(d.as_ptr()),
            ]
        }
    }

    #[inline(always)]
    fn store(self, value: Self::Floats, to: &mut F32x16) {
        for (value, to) in value.into_iter().zip(to.as_chunks_mut::<4>().0) {
            unsafe { vst1q_f32(to.as_mut_ptr(), value) }
        }
    }

    #[inline(always)]
    fn add(self, mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
        for (a, b) in a.iter_mut().zip(b) {
            *a = unsafe { vaddq_f32(*a, b) };
        }
        a
    }

    #[inline(always)]
    fn mul(self, mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
        for (a, b) in a.iter_mut().zip(b) {
            *a = unsafe { vmulq_f32(*a, b) };
        }
        a
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Floats, b: Self::Floats, mut c: Self::Floats) -> Self::Floats {
        for i in 0..4 {
            c[i] = unsafe { vfmaq_f32(c[i], a[i], b[i]) };
        }
        c
    }

    #[inline(always)]
    fn max(self, mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
        for (a, b) in a.iter_mut().zip(b) {
            *a = unsafe { vmaxq_f32(*a, b) };
        }
        a
    }

    #[inline(always)]
    fn min(self, mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
        for (a, b) in a.iter_mut().zip(b) {
            *a = unsafe { vminq_f32(*a, b) };
        }
        a
    }

    #[inline(always)]
    fn abs(self, mut a: Self::Floats) -> Self::Floats {
        for a in &mut a {
            *a = unsafe { vabsq_f32(*a) };
        }
        a
    }

    #[inline(always)]
    fn reduce_max(self, [a, b, c, d]: Self::Floats) -> f32 {
        unsafe { vmaxvq_f32(vmaxq_f32(vmaxq_f32(a, b), vmaxq_f32(c, d))) }
    }

    #[inline(always)]
    fn quantize(self, [a, b, c, d]: Self::Floats) -> U8x16 {
        unsafe {
            let narrow =
                |a, b| vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(a)), vqmovn_s32(vcvtnq_s32_f32(b)));
            let bytes = vcombine_s8(vqmovn_s16(narrow(a, b)), vqmovn_s16(narrow(c, d)));
            let mut bytes_out = [0; 16];
            vst1q_u8(bytes_out.as_mut_ptr(), vreinterpretq_u8_s8(bytes));
            bytes_out
        }
    }

    #[inline(always)]
    fn dot_init(self, _sums: &I32x16) -> Self::Ints {
        unsafe { [vdupq_n_s32(0); 4] }
    }

    #[inline(always)]
    fn dot4(self, values: [u8; 4], weights: &I8x4x16, mut sum: Self::Ints) -> Self::Ints {
        unsafe {
            let values = vreinterpretq_s8_s32(vdupq_n_s32(i32::from_ne_bytes(values)));
            for (sum, weights) in sum.iter_mut().zip(weights.as_chunks::<4>().0) {
                let weights = vld1q_s8(weights.as_flattened().as_ptr());
                *sum = if DOT {
                    sdot(*sum, weights, values)
                } else {
                    dot4_by_pairs(*sum, weights, values)
                };
            }
        }
        sum
    }

    #[inline(always)]
    fn to_floats(self, [a, b, c, d]: Self::Ints) -> Self::Floats {
        unsafe { [vcvtq_f32_s32(a), vcvtq_f32_s32(b), vcvtq_f32_s32(c), vcvtq_f32_s32(d)] }
    }
}

/// Executes the instruction SDOT, for which the standard library has no stable function.
///
/// # Safety
/// The processor must have int8 dot products.
#[inline(always)]
unsafe fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction reads and writes registers only; the caller guarantees that it exists.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Computes the result of [`sdot`] without that instruction.
///
/// # Safety
/// The processor must have NEON.
#[inline(always)]
unsafe fn dot4_by_pairs(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the caller guarantees that the instructions exist.
    unsafe {
        let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
        let high = vmull_high_s8(a, b);
        vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))
    }
}
