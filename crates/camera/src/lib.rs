//! Where pictures come from.
//!
//! One port, [`Camera`]; behind it a V4L2 device, a folder of pictures ([`Replay`]), a [`Video`] or a
//! played scene ([`scene::SceneCamera`]). An [`Opener`] tells them apart by the configured device.

#![forbid(unsafe_code)]

mod devices;
mod formats;
mod opener;
mod oriented;
mod pace;
mod replay;
mod settings;
mod v4l2;
mod video;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use instored_imaging::{Frame, FrameError, ImageFileError};

pub use opener::Opener;
pub use pace::{FrameClock, Pacing};
pub use replay::Replay;
pub use settings::{Rotation, Settings};
pub use video::Video;

/// A source of frames.
pub trait Camera: Send {
    /// Waits for the next frame: a device at most the configured timeout, or a frame's time more
    /// where it is faster than wanted.
    ///
    /// # Errors
    /// Those for which [`CameraError::is_transient`] holds concern one frame: ask again. After
    /// [`CameraError::Ended`] there are no more. After any other the camera is to be opened again.
    fn next_frame(&mut self) -> Result<Frame, CameraError>;

    /// What this camera is, for a log: device, format, size, rate.
    fn describe(&self) -> String;
}

/// Turns and mirrors the pictures of `camera` as `settings` say.
pub fn oriented(camera: Box<dyn Camera>, settings: &Settings) -> Box<dyn Camera> {
    oriented::Oriented::by(camera, settings.rotate, settings.mirror)
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// A replay is over.
    #[error("the replay is over: no more pictures")]
    Ended,
    /// The camera is silent.
    #[error(
        "camera {device} gave no frame within {timeout:?}; check its cable, or raise camera.timeout_ms"
    )]
    TimedOut {
        /// Which.
        device: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// There is no such device.
    #[error(
        "camera {device} does not exist; plug it in, or set camera.device to one of /dev/video*"
    )]
    NotFound {
        /// Which.
        device: String,
    },
    /// Somebody else has it.
    #[error("camera {device} is in use by another program; stop that program")]
    Busy {
        /// Which.
        device: String,
    },
    /// The device may not be opened.
    #[error("camera {device} may not be opened; add the service's user to the group video")]
    PermissionDenied {
        /// Which.
        device: String,
    },
    /// The device went away.
    #[error("camera {device} was unplugged; plug it in again")]
    Disconnected {
        /// Which.
        device: String,
    },
    /// No device bears the name.
    #[error("no camera is called {name}; there are: {there}. Set camera.device to one of them")]
    UnknownCard {
        /// Which was asked for.
        name: String,
        /// The names of those that are there.
        there: String,
    },
    /// The device has no format that can be read.
    #[error(
        "camera {device} has no usable format: it offers {offered}, and one of RGB3, BGR3, YUYV, \
         UYVY, NV12, YU12, MJPG and GREY is needed; use another camera (the README says what can \
         be done for one on the ribbon cable)"
    )]
    NoUsableFormat {
        /// Which.
        device: String,
        /// What it offers.
        offered: String,
    },
    /// The device's frames are of no size that can be read.
    #[error(
        "camera {device} cannot be read: {reason}; set camera.width and camera.height to others"
    )]
    UnsupportedLayout {
        /// Which.
        device: String,
        /// What is wrong with them.
        reason: String,
    },
    /// The device goes on delivering, but no pictures.
    #[error(
        "camera {device} gave nothing but damaged frames for {timeout:?}, the last one because \
         {reason}; check its cable, and whether its hub has power"
    )]
    NoUsableFrames {
        /// Which.
        device: String,
        /// For how long.
        timeout: Duration,
        /// What was wrong with the last.
        reason: String,
    },
    /// Anything else the device said.
    #[error("camera {device} failed while {doing}: {source}; unplugging and plugging in may help")]
    Device {
        /// Which.
        device: String,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The driver did something that its library does not know.
    #[error("the camera's driver did something unknown; the log above says what")]
    DriverPanicked,
    /// An image file that cannot be used.
    #[error(transparent)]
    ImageFile(#[from] ImageFileError),
    /// A folder without pictures.
    #[error(
        "folder {path} cannot be replayed: {reason}; name one that holds .jpg or .png files",
        path = path.display()
    )]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A video that cannot be shown.
    #[error(
        "the video {path} cannot be replayed: {reason}; `sudo apt install ffmpeg` brings what reads \
         videos, and a folder of .jpg or .png files needs nothing",
        path = path.display()
    )]
    Video {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// One damaged buffer.
    #[error("a frame was damaged: {0}; the next may be good")]
    DamagedFrame(#[from] FrameError),
}

impl CameraError {
    /// Whether only one frame is lost, so that the same camera can be asked for the next.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::DamagedFrame(_) | Self::ImageFile(_))
    }

    /// Whether there are no more frames because all were shown.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Ended)
    }
}
