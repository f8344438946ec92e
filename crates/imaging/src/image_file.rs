//! Pictures from files.

use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::Picture;

/// Largest side that is read: a file may claim any size.
const MAX_SIDE: u32 = 16_384;

/// An image file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageFileError {
    /// The file contains no picture that can be decoded.
    #[error("{path} cannot be shown: {reason}; replace or remove it", path = path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// The decoder's message.
        reason: String,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}; name another in camera.device", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's message.
        source: io::Error,
    },
}

/// Reads a JPEG or PNG file, upright as its EXIF data says.
///
/// # Errors
/// When the file cannot be read or is no such picture.
pub fn read_picture(path: &Path) -> Result<Picture, ImageFileError> {
    let unreadable = |reason: String| ImageFileError::Picture { path: path.to_owned(), reason };
    let bytes = std::fs::read(path)
        .map_err(|source| ImageFileError::File { path: path.to_owned(), source })?;
    decode_picture(&bytes).map_err(unreadable)
}

/// Reads a JPEG or PNG from memory, upright as its EXIF data says.
///
/// # Errors
/// What is wrong with it, when it is no such picture.
pub fn decode_picture(bytes: &[u8]) -> Result<Picture, String> {
    let upright = || -> Result<DynamicImage, image::ImageError> {
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        reader.limits(limits);
        let mut decoder = reader.into_decoder()?;
        let orientation = decoder.orientation()?;
        let mut picture = DynamicImage::from_decoder(decoder)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    };
    // Some decoders end their sentence with a line break.
    let rgb = upright().map_err(|err| err.to_string().trim_end().to_owned())?.into_rgb8();
    let (width, height) = rgb.dimensions();
    Picture::new(width, height, rgb.into_raw()).map_err(|err| err.to_string())
}
