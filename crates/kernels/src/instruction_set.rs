//! Which instructions this isa has.

use crate::portable::Portable;
use crate::simd::Kernel;

#[cfg(target_arch = "aarch64")]
use crate::neon::Neon;
#[cfg(target_arch = "x86_64")]
use crate::{avx2::Avx2, avx512::Avx512};

/// The instruction set that kernels run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionSet(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Portable(Portable),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon<false>),
    #[cfg(target_arch = "aarch64")]
    NeonDot(Neon<true>),
}

impl InstructionSet {
    /// The best that this isa has; `None` where there is nothing but plain Rust.
    pub fn detect() -> Option<Self> {
        Self::all().into_iter().rev().find(|p| *p != Self::portable())
    }

    /// Plain Rust: slow, the same results.
    pub fn portable() -> Self {
        Self(Set::Portable(Portable))
    }

    /// All that this isa can run, the slowest first.
    pub fn all() -> Vec<Self> {
        let sets = [
            Some(Set::Portable(Portable)),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Set::Avx2),
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Set::Avx512),
            #[cfg(target_arch = "aarch64")]
            Neon::detect().map(Set::Neon),
            #[cfg(target_arch = "aarch64")]
            Neon::detect().map(Set::NeonDot),
        ];
        sets.into_iter().flatten().map(Self).collect()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(_) => "AVX-512 VNNI",
            #[cfg(target_arch = "aarch64")]
            Set::Neon(_) => "NEON",
            #[cfg(target_arch = "aarch64")]
            Set::NeonDot(_) => "NEON with dot products",
        }
    }

    /// Whether it multiplies bytes faster than floats.
    pub fn has_int8_dot(self) -> bool {
        match self.0 {
            Set::Portable(_) => false,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(_) => false,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(_) => true,
            #[cfg(target_arch = "aarch64")]
            Set::Neon(_) => false,
            #[cfg(target_arch = "aarch64")]
            Set::NeonDot(_) => true,
        }
    }

    pub(crate) fn run(self, kernel: impl Kernel) {
        match self.0 {
            Set::Portable(simd) => kernel.run(simd),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(simd) => simd.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Set::Neon(simd) => simd.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Set::NeonDot(simd) => simd.run(kernel),
        }
    }
}
