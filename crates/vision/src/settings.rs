//! What the operator sets about models and faces.

/// Models and what a usable face is.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Settings {
    /// Face detector: the name of a shipped model, or the path of a card (.toml).
    #[config(default = "yunet", env = "INSTORED_VISION_DETECTOR")]
    pub detector: String,

    /// Face embedder: `blend` (the most accurate), `sface` (a third of the work), `mobilefacenet`
    /// (a quarter, for small boxes), or the path of a card. Customers who enrolled with another
    /// embedder have to enrol again.
    #[config(default = "blend", env = "INSTORED_VISION_EMBEDDER")]
    pub embedder: String,

    /// Liveness model: the name of a shipped model, or the path of a card.
    #[config(default = "minifasnet", env = "INSTORED_VISION_LIVENESS")]
    pub liveness: String,

    /// Width at which faces are looked for, in pixels; a multiple of 32. Frames are scaled to fit.
    #[config(default = 320, env = "INSTORED_VISION_DETECT_WIDTH")]
    pub detect_width: u32,

    /// Height at which faces are looked for, in pixels; a multiple of 32.
    #[config(default = 256, env = "INSTORED_VISION_DETECT_HEIGHT")]
    pub detect_height: u32,

    /// Smallest distance between the eyes that is good enough, in pixels of the camera.
    #[config(default = 24.0, env = "INSTORED_VISION_MIN_EYE_DISTANCE")]
    pub min_eye_distance: f32,
}
