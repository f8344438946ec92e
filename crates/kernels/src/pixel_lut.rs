//! From the levels of a picture to the numbers that a network reads.

/// What each level of a channel becomes, and the order of the channels.
#[derive(Debug)]
pub struct PixelLut {
    values: [f32; 256],
    blue_first: bool,
}

impl PixelLut {
    /// `value` of each level from 0 to 255; red first, or blue.
    pub fn new(value: impl Fn(f32) -> f32, blue_first: bool) -> Self {
        Self { values: std::array::from_fn(|level| value(level as f32)), blue_first }
    }

    /// The three numbers of a pixel in red, green and blue.
    pub fn of(&self, [red, green, blue]: [u8; 3]) -> [f32; 3] {
        let [first, third] = if self.blue_first { [blue, red] } else { [red, blue] };
        [first, green, third].map(|level| self.values[usize::from(level)])
    }

    /// Writes the numbers of a row of pixels, one behind the other.
    // Not where it is called from: that may be compiled for size.
    #[inline(never)]
    pub fn fill(&self, pixels: &[[u8; 3]], row: &mut [f32]) {
        for (numbers, pixel) in row.as_chunks_mut().0.iter_mut().zip(pixels) {
            *numbers = self.of(*pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_its_number_and_each_channel_its_place() {
        let pixels = [[0, 1, 2], [253, 254, 255]];
        for (blue_first, expected) in [
            (false, [0.0, 2.0, 4.0, 506.0, 508.0, 510.0]),
            (true, [4.0, 2.0, 0.0, 510.0, 508.0, 506.0]),
        ] {
            let mut row = [0.0; 6];
            PixelLut::new(|level| 2.0 * level, blue_first).fill(&pixels, &mut row);
            assert_eq!(row, expected);
        }
    }
}
