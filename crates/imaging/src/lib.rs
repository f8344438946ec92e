//! Pictures and frames: pixel formats, colour conversion, scaling, and image files.
//!
//! | module | contents |
//! |---|---|
//! | `picture` | [`Picture`], and [`Frame`] with its time |
//! | `pixel_format`, `frame_layout` | pixel formats of cameras and their memory layout |
//! | `frame_decoder`, `yuv`, `mjpeg` | decoding of camera buffers |
//! | `scale` | resizing |
//! | `image_file` | JPEG and PNG files |
//!
//! Rules:
//! 1. A [`Picture`] contains 8-bit RGB pixels, row by row, without padding. Its length always
//!    matches its size.
//! 2. A buffer from a camera is read completely or rejected. It is never read past its end.
//! 3. A frame is converted to RGB when its colours are first requested. Its luma is available
//!    without this conversion.

#![forbid(unsafe_code)]

mod frame_decoder;
mod frame_layout;
#[cfg(fuzzing)]
pub mod fuzzing;
mod image_file;
mod mjpeg;
mod picture;
mod pixel_format;
mod scale;
mod yuv;

pub use frame_layout::{FrameLayout, LumaRange};
pub use image_file::{ImageFileError, decode_picture, read_picture};
pub use picture::{Frame, LazyFrame, Picture, PictureSizeError};
pub use pixel_format::{FourCc, PixelFormat};
pub use scale::{CropRect, Scaler};

/// Error of a buffer that contains no usable frame. The next buffer may be usable.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FrameError(pub String);
