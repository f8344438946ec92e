//! Sources of frames.
//!
//! | module | contents |
//! |---|---|
//! | `opener` | camera that the configuration selects, reopened after each loss |
//! | `v4l2`, `formats`, `devices` | V4L2 devices, choice of the format, names of the cards |
//! | `replay`, `video` | folders of pictures and video files |
//! | `oriented` | rotation and mirroring |
//! | `pacing` | frame times and frame rates |
//!
//! Rules:
//! 1. The times of a camera's frames never decrease.
//! 2. [`Camera::next_frame`] blocks for at most the configured timeout plus one frame period.
//! 3. Each error names the device, the reason and the remedy.

#![forbid(unsafe_code)]

mod devices;
mod error;
mod formats;
mod opener;
mod oriented;
mod pacing;
mod replay;
mod settings;
mod v4l2;
mod video;

use instored_imaging::Frame;

pub use error::CameraError;
pub use opener::Opener;
pub use oriented::oriented;
pub use pacing::{FrameClock, Pacing};
pub use replay::Replay;
pub use settings::{Rotation, Settings};
pub use video::Video;

/// A source of frames.
pub trait Camera: Send {
    /// Waits for the next frame, for at most the configured timeout plus one frame period.
    ///
    /// # Errors
    /// If [`CameraError::is_transient`] is true, only one frame is lost: call this function again.
    /// After [`CameraError::Ended`], there are no more frames. After any other error, reopen the
    /// camera.
    fn next_frame(&mut self) -> Result<Frame, CameraError>;

    /// Returns the device, format, size and rate for the log.
    fn describe(&self) -> String;
}
