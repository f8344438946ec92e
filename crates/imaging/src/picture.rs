//! Pictures (8-bit RGB) and frames.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use zeroize::Zeroize;

/// RGB picture of at least one pixel.
#[derive(Clone)]
pub struct Picture {
    width: u32,
    height: u32,
    /// Pixels; empty until `lazy` is converted.
    rgb: OnceLock<Vec<u8>>,
    lazy: Option<Arc<dyn LazyFrame>>,
}

/// Frame in a camera's own format, converted to RGB on demand.
///
/// Most frames show no motion. Motion is detected from luma alone, so that most frames are never
/// converted.
pub trait LazyFrame: Send + Sync {
    /// Converts the frame to RGB, three bytes for each pixel of the picture.
    fn to_rgb(&self) -> Vec<u8>;
    /// Replaces the contents of `into` with the luma, 0 to 255, of every `step`th pixel of row `y`.
    fn sample_luma(&self, y: usize, step: usize, into: &mut Vec<u8>);
}

/// Error of a buffer whose length does not match the size of the picture.
#[derive(Debug, thiserror::Error)]
#[error("{length} bytes are not an RGB picture of {width}x{height} pixels")]
pub struct PictureSizeError {
    width: u32,
    height: u32,
    length: usize,
}

impl Picture {
    /// Creates a picture of `width` × `height` pixels from `rgb`, three bytes per pixel.
    ///
    /// # Errors
    /// If a side is 0 or the length is not `width * height * 3`.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, PictureSizeError> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if width == 0 || height == 0 || rgb.len() as u64 != expected {
            return Err(PictureSizeError { width, height, length: rgb.len() });
        }
        Ok(Self::from_rgb(width, height, rgb))
    }

    /// Creates a picture that is converted to RGB when its colours are first requested. A side of 0
    /// becomes 1.
    pub fn lazy(width: u32, height: u32, frame: Arc<dyn LazyFrame>) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, rgb: OnceLock::new(), lazy: Some(frame) }
    }

    fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        Self { width, height, rgb: rgb.into(), lazy: None }
    }

    /// Creates a picture of one colour. A side of 0 becomes 1.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self::from_rgb(width, height, colour.repeat(width as usize * height as usize))
    }

    /// Returns the mirror image: left and right are exchanged.
    pub fn mirrored(&self) -> Self {
        let row = self.width as usize * 3;
        let mut rgb = self.rgb().to_vec();
        rgb.chunks_exact_mut(row).for_each(|row| row.as_chunks_mut::<3>().0.reverse());
        Self::from_rgb(self.width, self.height, rgb)
    }

    /// Returns the width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns the pixels, three bytes each.
    pub fn rgb(&self) -> &[u8] {
        self.rgb.get_or_init(|| self.lazy.as_ref().map_or_else(Vec::new, |lazy| lazy.to_rgb()))
    }

    /// Returns the pixels for writing, three bytes each.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        self.rgb();
        self.lazy = None;
        self.rgb.get_mut().map_or(&mut [], |rgb| rgb)
    }

    /// Replaces the contents of `into` with the luma, 0 to 255, of every `step`th pixel of row `y`.
    /// A frame is not converted to RGB for this. For an RGB picture, green approximates luma.
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

/// Makes the picture black, so that a picture of a face leaves no copy in freed memory.
impl Zeroize for Picture {
    fn zeroize(&mut self) {
        self.rgb_mut().zeroize();
    }
}

/// Compares sizes and colours. Frames are converted to RGB first.
impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        (self.width, self.height) == (other.width, other.height) && self.rgb() == other.rgb()
    }
}

impl Eq for Picture {}

/// Prints only the size, because pixels must not be logged.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

/// Picture with its capture time.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Picture.
    pub picture: Picture,
    /// Time from the opening of the camera to the capture; it never decreases.
    pub captured_at: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_picture_has_reversed_columns() {
        let picture = Picture::new(3, 2, (0..18).collect()).unwrap();
        let mirrored = picture.mirrored();
        assert_eq!(mirrored.rgb()[..9], [6, 7, 8, 3, 4, 5, 0, 1, 2]);
        assert_eq!(mirrored.mirrored(), picture);
    }

    #[test]
    fn zeroized_picture_is_black() {
        let mut picture = Picture::filled(3, 2, [7; 3]);
        picture.zeroize();
        assert_eq!(picture, Picture::filled(3, 2, [0; 3]));
    }
}
