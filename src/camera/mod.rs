//! Where pictures come from.
//!
//! One port, [`Camera`]; behind it a V4L2 device, a folder of pictures ([`Replay`]), a [`Video`] or a
//! played scene ([`scene::Stage`]). [`open`] tells them apart by the configured device.

mod formats;
mod mjpeg;
mod pace;
mod pixels;
mod replay;
pub mod scene;
mod settings;
mod still;
mod v4l2;
mod video;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::vision::Frame;

pub use pace::Pace;
pub use replay::Replay;
pub use settings::Settings;
pub use still::{decode_picture, read_picture};
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
    Denied {
        /// Which.
        device: String,
    },
    /// The device went away.
    #[error("camera {device} was unplugged; plug it in again")]
    Gone {
        /// Which.
        device: String,
    },
    /// The device has no format that can be read.
    #[error(
        "camera {device} has no usable format: it offers {offered}, and YUYV or MJPG is needed; \
         use another camera (one that needs libcamera cannot be used)"
    )]
    Unsupported {
        /// Which.
        device: String,
        /// What it offers.
        offered: String,
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
    BrokeDown,
    /// A file that is no picture.
    #[error("{path} cannot be shown: {reason}; replace or remove it", path = path.display())]
    Picture {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that cannot be read.
    #[error("{path} cannot be read: {source}; name another in camera.device", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
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
    Frame(String),
}

impl CameraError {
    /// Whether only one frame is lost, so that the same camera can be asked for the next.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Frame(_) | Self::Picture { .. } | Self::File { .. })
    }

    /// Whether there are no more frames because all were shown.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Ended)
    }
}

/// Opens the camera that `settings` name.
///
/// # Errors
/// When the device cannot be opened, or the folder or picture cannot be read.
pub fn open(settings: &Settings) -> Result<Box<dyn Camera>, CameraError> {
    let camera = open_device(settings)?;
    Ok(if settings.mirror { Box::new(Mirrored(camera)) } else { camera })
}

fn open_device(settings: &Settings) -> Result<Box<dyn Camera>, CameraError> {
    let device = settings.device.as_str();
    if let Some(path) = device.strip_prefix("replay:") {
        let (path, repeat) = path.strip_suffix("?loop").map_or((path, false), |path| (path, true));
        let path = Path::new(path);
        Ok(if path.is_file() {
            Box::new(Video::open(path, settings.fps, Pace::RealTime, repeat)?)
        } else {
            Box::new(Replay::open(path, settings.fps, Pace::RealTime, repeat)?)
        })
    } else if let Some(portrait) = device.strip_prefix("scene:") {
        let portrait = read_picture(portrait.as_ref())?;
        Ok(Box::new(scene::Visits::new(settings, portrait, Pace::RealTime)))
    } else {
        Ok(Box::new(v4l2::V4l2Camera::open(settings)?))
    }
}

/// A camera seen in a mirror.
struct Mirrored(Box<dyn Camera>);

impl Camera for Mirrored {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let mut frame = self.0.next_frame()?;
        frame.picture = frame.picture.mirrored();
        Ok(frame)
    }

    fn describe(&self) -> String {
        format!("{}, mirrored", self.0.describe())
    }
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;
    use crate::vision::Picture;

    fn settings(device: &str) -> Settings {
        Settings { device: device.into(), ..Settings::builder().load().unwrap() }
    }

    fn refusal(device: &str) -> CameraError {
        open(&settings(device)).err().expect("this device does not open")
    }

    #[test]
    fn a_missing_device_is_named() {
        let err = refusal("/dev/video-none");
        assert!(matches!(err, CameraError::NotFound { .. }), "{err}");
        assert!(err.to_string().contains("/dev/video-none"));
        assert!(!err.is_transient() && !err.is_end());
    }

    #[test]
    fn a_file_that_is_no_camera_is_refused() {
        let err = refusal("/dev/null");
        assert!(matches!(err, CameraError::Device { .. }), "{err}");
        let err = refusal("/dev/\0");
        assert!(matches!(err, CameraError::NotFound { .. }), "{err}");
    }

    #[test]
    fn a_missing_portrait_or_folder_is_named() {
        let err = refusal("scene:/nonexistent/portrait.jpg");
        assert!(err.to_string().contains("/nonexistent/portrait.jpg"), "{err}");
        let err = refusal("replay:/nonexistent/folder?loop");
        assert!(err.to_string().contains("/nonexistent/folder "), "{err}");
    }

    #[test]
    fn a_mirrored_camera_shows_the_other_side() {
        let folder = tempfile::tempdir().unwrap();
        let mut rgb = vec![0; 6];
        rgb[0] = 200;
        image::save_buffer(folder.path().join("1.png"), &rgb, 2, 1, image::ColorType::Rgb8)
            .unwrap();
        let mut settings = settings(&format!("replay:{}", folder.path().display()));
        settings.mirror = true;
        let mut camera = open(&settings).unwrap();
        assert!(camera.describe().ends_with("mirrored"));
        let seen = camera.next_frame().unwrap().picture;
        assert_eq!(seen, Picture::new(2, 1, vec![0, 0, 0, 200, 0, 0]).unwrap());
        assert!(camera.next_frame().unwrap_err().is_end());
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (toml, reason) in [
            ("fps = 0", "between 1 and 120"),
            ("width = 8", "between 64 and 4096"),
            ("timeout_ms = 0", "between 100 and 60000"),
        ] {
            let read: Result<<Settings as Config>::Layer, _> = toml::from_str(toml);
            assert!(read.err().unwrap().to_string().contains(reason), "{toml}");
        }
    }
}
