//! Pictures and frames: pixel formats, colour conversion, scaling, and image files.
//!
//! Rules:
//! 1. A [`Picture`] is 8-bit RGB, row by row, without padding; its length always matches its size.
//! 2. A buffer from a camera is read completely or rejected. It is never read past its end.
//! 3. Colours are converted when they are first requested; luma is available without conversion.

#![forbid(unsafe_code)]

mod frame_layout;
mod image_file;
mod mjpeg;
mod picture;
mod pixel_format;
mod pixels;
mod scale;
mod yuv;

pub use frame_layout::{FrameLayout, LumaRange};
pub use image_file::{ImageFileError, decode_picture, read_picture};
pub use picture::{Frame, LazyFrame, Picture, PictureSizeError};
pub use pixel_format::{FourCc, PixelFormat};
pub use scale::{CropRect, Scaler};

/// A buffer that contains no usable frame; the next one may be good.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FrameError(pub String);
