//! JPEG and PNG files.

use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::Picture;

/// Largest side of an image, in pixels. It limits the memory that an image file can use.
const SIDE_MAX: u32 = 16_384;

/// Error of an image file.
#[derive(Debug, thiserror::Error)]
pub enum ImageFileError {
    /// The file contains no picture that can be decoded.
    #[error(
        "cannot decode {path}: {reason}; replace the file with a JPEG or PNG file or remove it",
        path = path.display()
    )]
    Decode {
        /// Path of the file.
        path: PathBuf,
        /// Message of the decoder.
        reason: String,
    },
    /// The file cannot be read.
    #[error(
        "cannot read {path}: {source}; check the path and its permissions, or set camera.device to \
         another file",
        path = path.display()
    )]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Message of the operating system.
        source: io::Error,
    },
}

/// Reads a JPEG or PNG file and applies its EXIF orientation.
///
/// # Errors
/// If the file cannot be read or decoded.
pub fn read_picture(path: &Path) -> Result<Picture, ImageFileError> {
    let bytes = std::fs::read(path)
        .map_err(|source| ImageFileError::Read { path: path.to_owned(), source })?;
    decode_picture(&bytes)
        .map_err(|reason| ImageFileError::Decode { path: path.to_owned(), reason })
}

/// Decodes a JPEG or PNG image and applies its EXIF orientation.
///
/// # Errors
/// Returns the reason if the image cannot be decoded.
pub fn decode_picture(bytes: &[u8]) -> Result<Picture, String> {
    // Some decoders end their message with a line break.
    let image = decode(bytes).map_err(|err| err.to_string().trim_end().to_owned())?;
    let rgb = image.into_rgb8();
    let (width, height) = rgb.dimensions();
    Picture::new(width, height, rgb.into_raw()).map_err(|err| err.to_string())
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, image::ImageError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}
