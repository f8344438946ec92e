//! aarch64, in groups of four registers. `DOT`: with the byte dot products of ARMv8.2 (Cortex-A76 and
//! later, the Raspberry Pi 5); the Cortex-A72 of the Raspberry Pi 4 does without them.

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

use crate::simd::{F32x16, I8x4x16, I32x16, Kernel, Simd, U8x16};

/// The proof that the isa has NEON, and the dot products if `DOT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon<const DOT: bool>(());

impl<const DOT: bool> Neon<DOT> {
    /// The proof, if it has.
    pub fn detect() -> Option<Self> {
        let has = is_aarch64_feature_detected!("neon")
            && (!DOT || is_aarch64_feature_detected!("dotprod"));
        has.then_some(Self(()))
    }

    /// Runs a kernel; NEON is part of what every aarch64 target is compiled for.
    pub fn run(self, kernel: impl Kernel) {
        kernel.run(self);
    }
}

// SAFETY, for every block below: the instruction exists, since `self` does; references are valid for
// the sixteen values that are read or written, and these instructions ask for no alignment.
impl<const DOT: bool> Simd for Neon<DOT> {
    type Floats = [float32x4_t; 4];
    type Ints = [int32x4_t; 4];

    const WIDE: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Floats {
        unsafe { [vdupq_n_f32(value); 4] }
    }

    #[inline(always)]
    fn load(self, from: &F32x16) -> Self::Floats {
        let [a, b, c, d] = from.as_chunks::<4>().0 else { unreachable!("16 is 4 times 4") };
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
    fn highest(self, [a, b, c, d]: Self::Floats) -> f32 {
        unsafe { vmaxvq_f32(vmaxq_f32(vmaxq_f32(a, b), vmaxq_f32(c, d))) }
    }

    #[inline(always)]
    fn encode(self, [a, b, c, d]: Self::Floats) -> U8x16 {
        unsafe {
            let narrow =
                |a, b| vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(a)), vqmovn_s32(vcvtnq_s32_f32(b)));
            let bytes = vcombine_s8(vqmovn_s16(narrow(a, b)), vqmovn_s16(narrow(c, d)));
            let mut codes = [0; 16];
            vst1q_u8(codes.as_mut_ptr(), vreinterpretq_u8_s8(bytes));
            codes
        }
    }

    #[inline(always)]
    fn dot_start(self, _sums: &I32x16) -> Self::Ints {
        unsafe { [vdupq_n_s32(0); 4] }
    }

    #[inline(always)]
    fn dot(self, values: [u8; 4], weights: &I8x4x16, mut sum: Self::Ints) -> Self::Ints {
        unsafe {
            let values = vreinterpretq_s8_s32(vdupq_n_s32(i32::from_ne_bytes(values)));
            for (sum, weights) in sum.iter_mut().zip(weights.as_chunks::<4>().0) {
                let weights = vld1q_s8(weights.as_flattened().as_ptr());
                *sum = if DOT { sdot(*sum, weights, values) } else { pairs(*sum, weights, values) };
            }
        }
        sum
    }

    #[inline(always)]
    fn floats(self, [a, b, c, d]: Self::Ints) -> Self::Floats {
        unsafe { [vcvtq_f32_s32(a), vcvtq_f32_s32(b), vcvtq_f32_s32(c), vcvtq_f32_s32(d)] }
    }
}

/// The instruction SDOT, for which the standard library has no stable function.
///
/// # Safety
/// The isa has to have the dot products.
#[inline(always)]
unsafe fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: it reads and writes registers only.
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

/// The same without the instruction.
///
/// # Safety
/// The isa has to have NEON.
#[inline(always)]
unsafe fn pairs(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the caller's.
    unsafe {
        let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
        let high = vmull_high_s8(a, b);
        vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))
    }
}
