//! From the configured device to a camera, again and again.

use std::path::{Path, PathBuf};

use super::v4l2::V4l2Camera;
use super::{Camera, CameraError, Pacing, Replay, Settings, Video, devices, oriented};

/// Opens the camera that the settings name, again whenever it was lost. One that was unplugged may
/// come back under another number; it is known by the name of its card then.
#[derive(Debug)]
pub struct Opener {
    settings: Settings,
    /// The name of the card that was opened last.
    card: Option<String>,
}

impl Opener {
    /// An opener that has seen no camera yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, card: None }
    }

    /// Opens the camera.
    ///
    /// # Errors
    /// When the device cannot be opened, or the folder or picture cannot be read.
    pub fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let camera = self.open_device()?;
        Ok(oriented(camera, &self.settings))
    }

    fn open_device(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let settings = &self.settings;
        let device = settings.device.as_str();
        if let Some(path) = device.strip_prefix("replay:") {
            let (path, repeat) =
                path.strip_suffix("?loop").map_or((path, false), |path| (path, true));
            let path = Path::new(path);
            Ok(if path.is_file() {
                Box::new(Video::open(path, settings.fps, Pacing::RealTime, repeat)?)
            } else {
                Box::new(Replay::open(path, settings.fps, Pacing::RealTime, repeat)?)
            })
        } else {
            let camera = self.open_v4l2()?;
            self.card = Some(camera.card().to_owned());
            Ok(Box::new(camera))
        }
    }

    fn open_v4l2(&self) -> Result<V4l2Camera, CameraError> {
        let settings = &self.settings;
        if let Some(name) = settings.device.strip_prefix("card:") {
            let nodes = devices::all();
            let no_card =
                CameraError::UnknownCard { name: name.to_owned(), there: devices::names(&nodes) };
            return first(devices::called(&nodes, name), settings, no_card);
        }
        let path = Path::new(&settings.device);
        match (V4l2Camera::open(path, settings), &self.card) {
            // Unplugged, or its number is another device's now.
            (Err(err), Some(card)) if !matches!(err, CameraError::Busy { .. }) => {
                let nodes = devices::all();
                let others =
                    devices::called(&nodes, card).into_iter().filter(|other| other != path);
                first(others.collect(), settings, err)
            }
            (opened, _) => opened,
        }
    }
}

/// The first of these devices that is a camera: a webcam has several nodes, and captures on one.
fn first(
    paths: Vec<PathBuf>,
    settings: &Settings,
    mut otherwise: CameraError,
) -> Result<V4l2Camera, CameraError> {
    for (tried, path) in paths.iter().enumerate() {
        match V4l2Camera::open(path, settings) {
            Ok(camera) => return Ok(camera),
            Err(err) if tried == 0 => otherwise = err,
            Err(_) => {}
        }
    }
    Err(otherwise)
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    fn settings(device: &str) -> Settings {
        Settings { device: device.into(), ..Settings::builder().load().unwrap() }
    }

    fn refusal(device: &str) -> CameraError {
        Opener::new(settings(device)).open().err().expect("this device does not open")
    }

    #[test]
    fn a_missing_device_is_named() {
        let err = refusal("/dev/video-none");
        assert!(matches!(err, CameraError::NotFound { .. }), "{err}");
        assert!(err.to_string().contains("/dev/video-none"));
        assert!(!err.is_transient() && !err.is_end());
        let err = refusal("card:No Such Webcam 9000");
        assert!(err.to_string().contains("no camera is called No Such Webcam 9000"), "{err}");
    }

    #[test]
    fn a_camera_that_was_there_and_is_gone_is_still_named_by_its_path() {
        let mut opener = Opener::new(settings("/dev/video-none"));
        opener.card = Some("No Such Webcam 9000".into());
        let err = opener.open().err().unwrap();
        assert!(matches!(err, CameraError::NotFound { .. }), "{err}");
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
        let err = refusal("replay:/nonexistent/folder?loop");
        assert!(err.to_string().contains("/nonexistent/folder "), "{err}");
    }
}
