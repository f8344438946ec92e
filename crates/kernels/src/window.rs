//! Sizes of tensors and windows of convolutions.

/// Height and width in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Number of rows.
    pub height: usize,
    /// Pixels per row.
    pub width: usize,
}

impl Size {
    /// Returns the number of pixels.
    pub const fn area(self) -> usize {
        self.height * self.width
    }
}

/// Square window of a convolution or pooling; all values are the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side length in pixels.
    pub side: usize,
    /// Distance between two output positions, in input pixels.
    pub stride: usize,
    /// Number of zero rows and columns added on each side of the input.
    pub pad: usize,
}

impl Window {
    /// Window of a single pixel.
    pub const POINTWISE: Self = Self { side: 1, stride: 1, pad: 0 };

    /// Returns the output size, or `None` if the padded input is smaller than the window.
    pub fn output_size(self, input: Size) -> Option<Size> {
        let positions =
            |length: usize| Some((length + 2 * self.pad).checked_sub(self.side)? / self.stride + 1);
        Some(Size { height: positions(input.height)?, width: positions(input.width)? })
    }

    /// Returns the range, as start and end, of output positions whose windows lie inside an input
    /// of `length` pixels. There are `positions` output positions.
    pub(crate) fn interior(self, length: usize, positions: usize) -> (usize, usize) {
        let start = self.pad.div_ceil(self.stride).min(positions);
        // Offset of the last window that lies inside the input, from the start of the padding.
        let offset_max = (length + self.pad).checked_sub(self.side);
        let end =
            offset_max.map_or(start, |offset| (offset / self.stride + 1).clamp(start, positions));
        (start, end)
    }

    /// Returns the range, as start and end, of taps at output `position` that lie inside an input
    /// of `length` pixels.
    pub(crate) fn valid_taps(self, position: usize, length: usize) -> (usize, usize) {
        let offset = position * self.stride;
        let start = self.pad.saturating_sub(offset).min(self.side);
        let end = (length + self.pad).saturating_sub(offset).min(self.side);
        (start, end.max(start))
    }
}
