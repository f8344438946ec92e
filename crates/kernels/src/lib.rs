//! The arithmetic of small convolutional networks, and of the pictures before them, on a processor's
//! vector unit.
//!
//! A tensor is a slice of pixels, row by row, each with all its channels side by side, padded with
//! zeros to a multiple of sixteen ([`padded`]): every kernel works on sixteen channels at a time and
//! knows no remainders. Each convolution adds a bias and applies its activation before anything is
//! written. The kernels are written once, over the trait `lanes::Simd`; a file for each instruction
//! set implements it. Unsafe code is there, and in one loop of the depthwise kernel that would spend
//! a fifth of its time on checks. Every instruction set gives the same bits as the portable one, which
//! the tests hold them to.

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
pub use pointwise::{Pointwise, Scratch, Weights};
pub use quantized_index::QuantizedIndex;
pub use resample::{add_upsample2x, max_pool};
pub use row_buffer::{RowBuffer, RowBufferMut};
pub use simd::LANES;
pub use yuv_to_rgb::{YuvMatrix, YuvToRgb};

/// Channels as they lie in memory: the next multiple of [`LANES`].
pub const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// Where the window of a convolution stands: the same both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Pixels a side.
    pub side: usize,
    /// Pixels from one place to the next.
    pub stride: usize,
    /// RowBuffer and columns of zeros around the picture.
    pub pad: usize,
}

/// Height and width in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// RowBuffer.
    pub height: usize,
    /// Pixels a row.
    pub width: usize,
}

impl Size {
    /// Pixels in all.
    pub const fn area(self) -> usize {
        self.height * self.width
    }
}

impl Window {
    /// The size of what comes out; `None` when the window does not fit in even once.
    pub fn output(self, input: Size) -> Option<Size> {
        let places =
            |length: usize| Some((length + 2 * self.pad).checked_sub(self.side)? / self.stride + 1);
        Some(Size { height: places(input.height)?, width: places(input.width)? })
    }

    /// First and last + 1 of `places` whose windows lie inside the picture.
    fn whole(self, length: usize, places: usize) -> (usize, usize) {
        let first = self.pad.div_ceil(self.stride).min(places);
        let room = (length + self.pad).checked_sub(self.side);
        let last = room.map_or(first, |room| (room / self.stride + 1).clamp(first, places));
        (first, last)
    }

    /// The part of the window at `place` that lies inside the picture: first and last + 1 tap.
    fn inside(self, place: usize, length: usize) -> (usize, usize) {
        let from = place * self.stride;
        let first = self.pad.saturating_sub(from).min(self.side);
        let last = (length + self.pad).saturating_sub(from).min(self.side);
        (first, last.max(first))
    }
}
