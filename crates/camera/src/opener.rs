//! Opener of the camera that the configuration selects.

use std::path::{Path, PathBuf};

use crate::v4l2::V4l2Camera;
use crate::{Camera, CameraError, Pacing, Replay, Settings, Video, devices, oriented};

/// Opener of the configured camera, used at the start and after each loss. A camera that is plugged in
/// again may have another number; the opener then finds the camera by the name of its card.
#[derive(Debug)]
pub struct Opener {
    settings: Settings,
    /// Name of the card that was opened last.
    card: Option<String>,
}

impl Opener {
    /// Creates an opener that has opened no camera yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, card: None }
    }

    /// Opens the camera.
    ///
    /// # Errors
    /// When the device cannot be opened, or the folder or video cannot be read.
    pub fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let camera = self.open_device()?;
        Ok(oriented(camera, &self.settings))
    }

    /// Opens the configured device, folder or video.
    fn open_device(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let settings = &self.settings;
        let device = settings.device.as_str();
        if let Some(path) = device.strip_prefix("replay:") {
            let (path, is_repeated) =
                path.strip_suffix("?loop").map_or((path, false), |path| (path, true));
            let path = Path::new(path);
            Ok(if path.is_file() {
                Box::new(Video::open(path, settings.fps, Pacing::RealTime, is_repeated)?)
            } else {
                Box::new(Replay::open(path, settings.fps, Pacing::RealTime, is_repeated)?)
            })
        } else {
            let camera = self.open_v4l2()?;
            self.card = Some(camera.card().to_owned());
            Ok(Box::new(camera))
        }
    }

    /// Opens a V4L2 device by card name or path. If the path fails, tries the devices with the name of
    /// the card that was opened last.
    fn open_v4l2(&self) -> Result<V4l2Camera, CameraError> {
        let settings = &self.settings;
        if let Some(name) = settings.device.strip_prefix("card:") {
            let devices = devices::all();
            let unknown = CameraError::UnknownCard {
                name: name.to_owned(),
                available: devices::card_names(&devices),
            };
            return open_first(devices::paths_by_card(&devices, name), settings, unknown);
        }
        let path = Path::new(&settings.device);
        match (V4l2Camera::open(path, settings), &self.card) {
            // The camera is unplugged or has another number.
            (Err(err), Some(card)) if !matches!(err, CameraError::Busy { .. }) => {
                let mut paths = devices::paths_by_card(&devices::all(), card);
                paths.retain(|candidate| candidate != path);
                open_first(paths, settings, err)
            }
            (opened, _) => opened,
        }
    }
}

/// Opens the first device that is a camera. A webcam has several devices, of which one delivers frames.
/// If no device is a camera, returns the error of the first device, or `fallback` if `paths` is empty.
fn open_first(
    paths: Vec<PathBuf>,
    settings: &Settings,
    fallback: CameraError,
) -> Result<V4l2Camera, CameraError> {
    let mut first_error = None;
    for path in paths {
        match V4l2Camera::open(&path, settings) {
            Ok(camera) => return Ok(camera),
            Err(err) => _ = first_error.get_or_insert(err),
        }
    }
    Err(first_error.unwrap_or(fallback))
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    fn settings(device: &str) -> Settings {
        Settings { device: device.into(), ..Settings::builder().load().unwrap() }
    }

    fn open_error(device: &str) -> CameraError {
        Opener::new(settings(device)).open().err().expect("this device cannot be opened")
    }

    #[test]
    fn missing_device_error_names_the_device() {
        let err = open_error("/dev/video-none");
        assert!(matches!(err, CameraError::NotFound { .. }), "{err}");
        assert!(err.to_string().contains("/dev/video-none"));
        assert!(!err.is_transient() && !err.is_end());
        let err = open_error("card:No Such Webcam 9000");
        assert!(err.to_string().contains("no camera has the name No Such Webcam 9000"), "{err}");
    }

    #[test]
    fn lost_camera_error_names_its_path() {
        let mut opener = Opener::new(settings("/dev/video-none"));
        opener.card = Some("No Such Webcam 9000".into());
        let err = opener.open().err().unwrap();
        assert!(matches!(err, CameraError::NotFound { .. }), "{err}");
    }

    #[test]
    fn file_that_is_no_camera_is_rejected() {
        let err = open_error("/dev/null");
        assert!(matches!(err, CameraError::Device { .. }), "{err}");
        let err = open_error("/dev/\0");
        assert!(matches!(err, CameraError::NotFound { .. }), "{err}");
    }

    #[test]
    fn missing_folder_error_names_the_folder() {
        let err = open_error("replay:/nonexistent/folder?loop");
        assert!(err.to_string().contains("/nonexistent/folder:"), "{err}");
    }
}
