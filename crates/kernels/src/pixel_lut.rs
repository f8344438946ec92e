//! Conversion of pixels to network inputs by a lookup table.

/// Lookup table from a colour value (0 to 255) to a network input, and the order of the channels.
#[derive(Debug)]
pub struct PixelLut {
    values: [f32; 256],
    is_bgr: bool,
}

impl PixelLut {
    /// Creates a table of the network inputs for the colour values 0 to 255. The channels are
    /// written in the order blue, green, red if `is_bgr` is true, otherwise red, green, blue.
    pub fn new(network_input: impl Fn(f32) -> f32, is_bgr: bool) -> Self {
        Self { values: std::array::from_fn(|colour| network_input(colour as f32)), is_bgr }
    }

    /// Converts one RGB pixel.
    pub fn convert(&self, [red, green, blue]: [u8; 3]) -> [f32; 3] {
        let [first, third] = if self.is_bgr { [blue, red] } else { [red, blue] };
        [first, green, third].map(|colour| self.values[usize::from(colour)])
    }

    /// Converts a row of RGB pixels into `row`, channels interleaved.
    // It is not inlined, because the caller may be compiled for size instead of speed.
    #[inline(never)]
    pub fn convert_row(&self, pixels: &[[u8; 3]], row: &mut [f32]) {
        for (values, pixel) in row.as_chunks_mut().0.iter_mut().zip(pixels) {
            *values = self.convert(*pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_of_pixels_is_mapped_in_channel_order() {
        let pixels = [[0, 1, 2], [253, 254, 255]];
        for (is_bgr, expected) in [
            (false, [0.0, 2.0, 4.0, 506.0, 508.0, 510.0]),
            (true, [4.0, 2.0, 0.0, 510.0, 508.0, 506.0]),
        ] {
            let mut row = [0.0; 6];
            PixelLut::new(|colour| 2.0 * colour, is_bgr).convert_row(&pixels, &mut row);
            assert_eq!(row, expected);
        }
    }
}
