//! Detection and selection of the processor's instruction sets.

use crate::portable::Portable;
use crate::simd::Kernel;

#[cfg(target_arch = "aarch64")]
use crate::neon::Neon;
#[cfg(target_arch = "x86_64")]
use crate::{avx2::Avx2, avx512::Avx512};

/// Instruction set that kernels run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionSet(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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
    /// Returns the fastest instruction set of this processor, or `None` if only the portable
    /// implementation runs on it.
    pub fn detect() -> Option<Self> {
        Self::all().into_iter().rev().find(|isa| *isa != Self::portable())
    }

    /// Returns the portable implementation, which is slow and has the same results.
    pub fn portable() -> Self {
        Self(Kind::Portable(Portable))
    }

    /// Returns all instruction sets of this processor, the slowest first.
    pub fn all() -> Vec<Self> {
        let kinds = [
            Some(Kind::Portable(Portable)),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Kind::Avx2),
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Kind::Avx512),
            #[cfg(target_arch = "aarch64")]
            Neon::detect().map(Kind::Neon),
            #[cfg(target_arch = "aarch64")]
            Neon::detect().map(Kind::NeonDot),
        ];
        kinds.into_iter().flatten().map(Self).collect()
    }

    /// Returns the name of the instruction set, for reports.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "AVX-512 VNNI",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "NEON",
            #[cfg(target_arch = "aarch64")]
            Kind::NeonDot(_) => "NEON with dot products",
        }
    }

    /// Returns true if int8 dot products are faster than products of floats.
    pub fn has_int8_dot(self) -> bool {
        match self.0 {
            Kind::Portable(_) => false,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => false,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => true,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => false,
            #[cfg(target_arch = "aarch64")]
            Kind::NeonDot(_) => true,
        }
    }

    /// Runs a kernel compiled for this instruction set.
    pub(crate) fn run(self, kernel: impl Kernel) {
        match self.0 {
            Kind::Portable(simd) => kernel.run(simd),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(simd) => simd.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(simd) => simd.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Kind::NeonDot(simd) => simd.run(kernel),
        }
    }
}
