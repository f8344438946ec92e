//! Pictures: 8-bit RGB, row by row, nothing between the rows.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// An RGB picture, at least one pixel each way.
#[derive(Clone)]
pub struct Picture {
    width: u32,
    height: u32,
    /// Empty only as long as there is a lazy to make it of.
    rgb: OnceLock<Vec<u8>>,
    lazy: Option<Arc<dyn LazyFrame>>,
}

/// A picture in a camera's own form. Most frames show nothing new, which can be told from their
/// brightness alone: colours are made of it when somebody asks for them.
pub trait LazyFrame: Send + Sync {
    /// The bytes RGBRGB…, of the picture's size.
    fn to_rgb(&self) -> Vec<u8>;
    /// Fills `into` anew with the brightness, 0 to 255, of every `step`th pixel of row `y`.
    fn sample_luma(&self, y: usize, step: usize, into: &mut Vec<u8>);
}

/// A buffer that does not hold the picture it should.
#[derive(Debug, thiserror::Error)]
#[error("{length} bytes are not an RGB picture of {width}x{height}")]
pub struct PictureSizeError {
    width: u32,
    height: u32,
    length: usize,
}

impl Picture {
    /// A picture of `width` x `height` from `rgb`, 3 bytes a pixel.
    ///
    /// # Errors
    /// When a side is 0 or the length is not `width * height * 3`.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, PictureSizeError> {
        let wanted = u64::from(width) * u64::from(height) * 3;
        if width == 0 || height == 0 || rgb.len() as u64 != wanted {
            return Err(PictureSizeError { width, height, length: rgb.len() });
        }
        Ok(Self::of(width, height, rgb))
    }

    /// A picture that is developed when its colours are asked for; sides of 0 become 1.
    pub fn lazy(width: u32, height: u32, lazy: Arc<dyn LazyFrame>) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, rgb: OnceLock::new(), lazy: Some(lazy) }
    }

    fn of(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        Self { width, height, rgb: rgb.into(), lazy: None }
    }

    /// A picture of one colour; sides of 0 become 1.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self::of(width, height, colour.repeat(width as usize * height as usize))
    }

    /// The picture as a mirror shows it.
    pub fn mirrored(&self) -> Self {
        let row = self.width as usize * 3;
        let rgb = self
            .rgb()
            .chunks_exact(row)
            .flat_map(|row| row.as_chunks::<3>().0.iter().rev().flatten())
            .copied()
            .collect();
        Self::of(self.width, self.height, rgb)
    }

    /// Pixels a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, RGBRGB…
    pub fn rgb(&self) -> &[u8] {
        self.rgb.get_or_init(|| self.lazy.as_ref().map_or_else(Vec::new, |n| n.to_rgb()))
    }

    /// The bytes, to be painted on.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        self.rgb();
        self.lazy = None;
        self.rgb.get_mut().map_or(&mut [], |rgb| rgb)
    }

    /// Fills `into` anew with the brightness, 0 to 255, of every `step`th pixel of row `y`: luma, or
    /// green, which has most of it. Makes no colours.
    pub fn sample_luma(&self, y: usize, step: usize, into: &mut Vec<u8>) {
        match &self.lazy {
            Some(lazy) => lazy.sample_luma(y, step, into),
            None => {
                let row = &self.rgb()[y * 3 * self.width as usize..][..3 * self.width as usize];
                into.clear();
                into.extend(row.as_chunks::<3>().0.iter().step_by(step).map(|[_, green, _]| green));
            }
        }
    }
}

/// Of the same colours, however they are kept.
impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        (self.width, self.height) == (other.width, other.height) && self.rgb() == other.rgb()
    }
}

impl Eq for Picture {}

/// Pictures do not print.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

/// A picture with its moment.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What was seen.
    pub picture: Picture,
    /// When: monotonic, since the camera's own beginning. Never goes back.
    pub captured_at: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_swaps_left_and_right_and_twice_is_as_before() {
        let picture = Picture::new(3, 2, (0..18).collect()).unwrap();
        let mirrored = picture.mirrored();
        assert_eq!(mirrored.rgb()[..9], [6, 7, 8, 3, 4, 5, 0, 1, 2]);
        assert_eq!(mirrored.mirrored(), picture);
    }
}
