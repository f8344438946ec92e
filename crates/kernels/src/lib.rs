//! SIMD kernels for small convolutional networks and for the pictures that they read.
//!
//! | module | contents |
//! |---|---|
//! | `simd`, `portable`, `avx2`, `avx512`, `neon` | vector operations, with an implementation for each instruction set |
//! | `instruction_set` | detection of the processor's instruction sets |
//! | `convolution`, `depthwise`, `pointwise`, `resample` | operators on tensors |
//! | `epilogue` | bias and activation of an operator |
//! | `gemm`, `tile` | matrix products in register tiles |
//! | `row_buffer` | tensors that keep all rows or only the newest rows in memory |
//! | `node`, `schedule`, `plan` | networks: operators, execution order, memory |
//! | `quantized_index` | nearest-neighbour search in int8 vectors |
//! | `pixel_lut`, `yuv_to_rgb` | conversion of pixels |
//!
//! Rules:
//! 1. A tensor is stored in NHWC order, batch size 1. Its channels are padded with zeros to a multiple
//!    of [`LANES`]; see [`padded`]. Kernels therefore have no remainder loops over channels.
//! 2. An operator adds its bias and applies its activation before it writes to memory.
//! 3. A kernel is written once, over the trait `simd::Simd`. Each instruction set returns the same
//!    bits as the portable implementation, which the tests verify.
//! 4. Unsafe code is limited to the implementations of `Simd` and one loop of the depthwise kernel,
//!    where bounds checks would take a fifth of the time.

mod convolution;
mod depthwise;
mod epilogue;
mod gemm;
mod instruction_set;
mod node;
mod pixel_lut;
mod plan;
mod pointwise;
mod portable;
mod quantized_index;
mod resample;
mod row_buffer;
mod schedule;
mod simd;
mod tile;
mod window;
mod yuv_to_rgb;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(test)]
mod tests;

pub use convolution::Convolution;
pub use depthwise::Depthwise;
pub use epilogue::Epilogue;
pub use instruction_set::InstructionSet;
pub use node::{Node, Op, Output};
pub use pixel_lut::PixelLut;
pub use plan::Plan;
pub use pointwise::{INT8_INPUTS_MAX, Pointwise, Scratch, Weights};
pub use quantized_index::QuantizedIndex;
pub use resample::{add_upsample2x, max_pool};
pub use row_buffer::{RowBuffer, RowBufferMut};
pub use simd::LANES;
pub use window::{Size, Window};
pub use yuv_to_rgb::{YuvMatrix, YuvToRgb};

/// Returns the number of channels in memory: `channels` rounded up to a multiple of [`LANES`].
pub const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}
