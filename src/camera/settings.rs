//! Which camera, and how it is set.

use serde::Serialize;

/// The camera.
#[derive(Debug, Clone, confique::Config, Serialize)]
pub struct Settings {
    /// "/dev/video0" or another V4L2 device; "replay:/folder" shows the .jpg and .png files of a
    /// folder by name, "replay:/video.mp4" a video (by ffmpeg, when it is installed), and with
    /// "?loop" behind it again and again; "scene:/portrait.jpg" plays that person coming in and
    /// leaving again and again.
    #[config(default = "/dev/video0", env = "INSTORED_CAMERA_DEVICE")]
    pub device: String,

    /// Width of a frame in pixels, 64 to 4096. A camera without this size gives its nearest.
    #[config(default = 640, env = "INSTORED_CAMERA_WIDTH")]
    #[config(validate((64..=4096).contains(width), "must be between 64 and 4096"))]
    pub width: u32,

    /// Height of a frame in pixels, 64 to 4096.
    #[config(default = 480, env = "INSTORED_CAMERA_HEIGHT")]
    #[config(validate((64..=4096).contains(height), "must be between 64 and 4096"))]
    pub height: u32,

    /// Frames a second, 1 to 120. Of a faster camera, frames are left out.
    #[config(default = 10, env = "INSTORED_CAMERA_FPS")]
    #[config(validate((1..=120).contains(fps), "must be between 1 and 120"))]
    pub fps: u32,

    /// How long to wait for a frame before the camera counts as silent, in milliseconds, 100 to
    /// 60000.
    #[config(default = 2000, env = "INSTORED_CAMERA_TIMEOUT_MS")]
    #[config(validate((100..=60_000).contains(timeout_ms), "must be between 100 and 60000"))]
    pub timeout_ms: u64,

    /// Whether left and right are swapped.
    #[config(default = false, env = "INSTORED_CAMERA_MIRROR")]
    pub mirror: bool,
}
