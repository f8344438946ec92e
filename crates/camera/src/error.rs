//! Errors of cameras.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use instored_imaging::{FrameError, ImageFileError, PixelFormat};

use crate::formats;

/// An error of a camera.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The end of a replay.
    #[error("the replay has ended: no more pictures")]
    Ended,
    /// No frame within the timeout.
    #[error(
        "camera {device} delivered no frame within {timeout:?}; check its cable, or raise \
         camera.timeout_ms"
    )]
    TimedOut {
        /// The device.
        device: String,
        /// The configured timeout.
        timeout: Duration,
    },
    /// The device does not exist.
    #[error(
        "camera {device} does not exist; plug it in, or set camera.device to one of /dev/video*"
    )]
    NotFound {
        /// The device.
        device: String,
    },
    /// Another program uses the device.
    #[error(
        "cannot open camera {device}: device busy (another program uses it); stop that program"
    )]
    Busy {
        /// The device.
        device: String,
    },
    /// The user has no permission to open the device.
    #[error(
        "cannot open camera {device}: permission denied; add the service's user to the group video"
    )]
    PermissionDenied {
        /// The device.
        device: String,
    },
    /// The device was disconnected.
    #[error("camera {device} was unplugged; plug it in again")]
    Disconnected {
        /// The device.
        device: String,
    },
    /// No device has the configured name.
    #[error(
        "no camera has the name {name}; available names: {available}; set camera.device to card:NAME \
         with one of these names"
    )]
    UnknownCard {
        /// The configured name.
        name: String,
        /// Names of the available cards.
        available: String,
    },
    /// The device has no format that can be decoded.
    #[error(
        "camera {device} has no usable format: it offers {offered}, but the program can decode only \
         {decodable}; use another camera (docs/hardware.md describes ribbon-cable cameras)",
        decodable = formats::names(PixelFormat::ALL.map(PixelFormat::fourcc))
    )]
    NoUsableFormat {
        /// The device.
        device: String,
        /// Names of the offered formats.
        offered: String,
    },
    /// The frames of the device have a size that cannot be decoded.
    #[error(
        "cannot decode frames of camera {device}: {reason}; set camera.width and camera.height to \
         other values"
    )]
    UnsupportedLayout {
        /// The device.
        device: String,
        /// The reason.
        reason: String,
    },
    /// All frames within the timeout were damaged.
    #[error(
        "camera {device} delivered only damaged frames for {timeout:?}; last error: {reason}; \
         check its cable and the power of its hub"
    )]
    NoUsableFrames {
        /// The device.
        device: String,
        /// The configured timeout.
        timeout: Duration,
        /// The reason of the last damaged frame.
        reason: String,
    },
    /// Any other error of the device.
    #[error("camera {device} failed while {operation}: {source}; unplug it and plug it in again")]
    Device {
        /// The device.
        device: String,
        /// The operation that failed.
        operation: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// A panic in the code that reads the device.
    #[error("the code that reads the camera panicked; the log above contains the reason")]
    ReaderPanicked,
    /// An image file that cannot be read.
    #[error(transparent)]
    ImageFile(#[from] ImageFileError),
    /// A folder that cannot be read or contains no pictures.
    #[error(
        "cannot replay folder {path}: {reason}; set camera.device to a folder with .jpg or .png files",
        path = path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A video that cannot be decoded.
    #[error(
        "cannot replay video {path}: {reason}; install ffmpeg (`sudo apt install ffmpeg`), or use a \
         folder with .jpg or .png files",
        path = path.display()
    )]
    Video {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// One damaged frame.
    #[error("a frame was damaged: {0}; the next frame may be intact")]
    DamagedFrame(#[from] FrameError),
}

impl CameraError {
    /// Returns true if only one frame is lost, and the same camera can deliver the next one.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::DamagedFrame(_) | Self::ImageFile(_))
    }

    /// Returns true at the end of a replay.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Ended)
    }
}
