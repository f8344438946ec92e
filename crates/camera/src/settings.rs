//! Settings of the camera.

use serde::{Deserialize, Serialize};

/// Settings of the camera.
#[derive(Debug, Clone, confique::Config, Serialize)]
pub struct Settings {
    /// Source of the frames. "/dev/video0" is a V4L2 device; its path in "/dev/v4l/by-id/" does not change
    /// when other devices are plugged in. "card:C920" is the device whose name contains that text.
    /// "replay:/folder" replays the .jpg and .png files of a folder, in the order of their names.
    /// "replay:/video.mp4" replays a video and requires ffmpeg. A replay with "?loop" at its end is
    /// repeated. "scene:/portrait.jpg" simulates an entrance: the person of the portrait enters and leaves
    /// repeatedly.
    #[config(default = "/dev/video0", env = "INSTORED_CAMERA_DEVICE")]
    pub device: String,

    /// Width of a frame in pixels, 64 to 4096. A camera without this size delivers the nearest size.
    #[config(default = 640, env = "INSTORED_CAMERA_WIDTH")]
    #[config(validate((64..=4096).contains(width), "must be between 64 and 4096"))]
    pub width: u32,

    /// Height of a frame in pixels, 64 to 4096.
    #[config(default = 480, env = "INSTORED_CAMERA_HEIGHT")]
    #[config(validate((64..=4096).contains(height), "must be between 64 and 4096"))]
    pub height: u32,

    /// Frames per second, 1 to 120. Further frames of a faster camera are dropped.
    #[config(default = 10, env = "INSTORED_CAMERA_FPS")]
    #[config(validate((1..=120).contains(fps), "must be between 1 and 120"))]
    pub fps: u32,

    /// Time without a frame after which the camera is reopened, in milliseconds, 100 to 10000.
    #[config(default = 2000, env = "INSTORED_CAMERA_TIMEOUT_MS")]
    #[config(validate((100..=10_000).contains(timeout_ms), "must be between 100 and 10000"))]
    pub timeout_ms: u64,

    /// Clockwise rotation that makes the picture upright, in degrees: "0", "90", "180" or "270".
    #[config(default = "0", env = "INSTORED_CAMERA_ROTATE")]
    pub rotate: Rotation,

    /// True to swap left and right.
    #[config(default = false, env = "INSTORED_CAMERA_MIRROR")]
    pub mirror: bool,
}

/// A clockwise rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rotation {
    /// 0 degrees.
    #[serde(rename = "0")]
    None,
    /// 90 degrees.
    #[serde(rename = "90")]
    Quarter,
    /// 180 degrees.
    #[serde(rename = "180")]
    Half,
    /// 270 degrees.
    #[serde(rename = "270")]
    ThreeQuarters,
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    #[test]
    fn settings_out_of_range_are_rejected() {
        for (toml, reason) in [
            ("fps = 0", "between 1 and 120"),
            ("width = 8", "between 64 and 4096"),
            ("timeout_ms = 0", "between 100 and 10000"),
            ("rotate = \"45\"", "`0`, `90`, `180`, `270`"),
        ] {
            let read: Result<<Settings as Config>::Layer, _> = toml::from_str(toml);
            let error = read.err().unwrap().to_string();
            assert!(error.contains(reason), "{toml}: {error}");
        }
    }
}
