//! Settings of models and face detection.

/// Models, and requirements of a usable face.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Settings {
    /// Face detector: name of a shipped model, or path of a model manifest (.toml).
    #[config(default = "yunet", env = "INSTORED_VISION_DETECTOR")]
    pub detector: String,

    /// Face embedder: `blend` (most accurate), `sface` (a third of the computation of `blend`),
    /// `mobilefacenet` (a quarter of the computation, for small devices), or path of a model
    /// manifest. Customers who enrolled with another embedder must enrol again.
    #[config(default = "blend", env = "INSTORED_VISION_EMBEDDER")]
    pub embedder: String,

    /// Liveness model (presentation-attack detection): name of a shipped model, or path of a model
    /// manifest.
    #[config(default = "minifasnet", env = "INSTORED_VISION_LIVENESS")]
    pub liveness: String,

    /// Width of the picture for face detection, in pixels; a multiple of 32. Frames are scaled to fit.
    #[config(default = 320, env = "INSTORED_VISION_DETECT_WIDTH")]
    pub detect_width: u32,

    /// Height of the picture for face detection, in pixels; a multiple of 32.
    #[config(default = 256, env = "INSTORED_VISION_DETECT_HEIGHT")]
    pub detect_height: u32,

    /// Smallest usable distance between the eyes, in pixels of the camera.
    #[config(default = 24.0, env = "INSTORED_VISION_MIN_EYE_DISTANCE")]
    pub min_eye_distance: f32,
}
