//! What the operator sets about recognition.

use serde::{Deserialize, Serialize};

/// Whose face is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Whoever comes in.
    Entrance,
    /// Who has just pressed the button, for a few seconds.
    OnRequest,
}

/// What is done about a face that may be a picture of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PadMode {
    /// Not looked at.
    Off,
    /// Counted in the box's state, and greeted all the same.
    Observe,
    /// Counted, and neither greeted nor enrolled.
    Enforce,
}

/// When a face is a customer's, and how customers enrol.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Settings {
    /// "entrance": whoever comes in is looked at, and greeted if they opted in. "on-request": a
    /// short press of the button asks to be recognised; nobody else is looked at. Who is not known
    /// then opts in by a second press.
    #[config(default = "entrance", env = "INSTORED_RECOGNITION_MODE")]
    pub mode: Mode,

    /// In the mode "on-request": seconds for which a press has faces looked at.
    #[config(default = 8.0, env = "INSTORED_RECOGNITION_REQUEST_SECONDS")]
    pub request_seconds: f32,

    /// Share of strangers who may be taken for a customer (FPIR), 0.00001 to 0.1. The threshold
    /// follows from it, and from how many are enrolled, by the calibration of the embedder.
    #[config(default = 0.001, env = "INSTORED_RECOGNITION_FPIR")]
    pub fpir: f64,

    /// Cosine from which a face is a customer's, 0 to 1, in place of what follows from `fpir`.
    #[config(env = "INSTORED_RECOGNITION_THRESHOLD")]
    pub threshold: Option<f32>,

    /// How much more like the first customer than like the second a face has to be, as a cosine.
    #[config(default = 0.06, env = "INSTORED_RECOGNITION_MARGIN")]
    pub margin: f32,

    /// Good views of a face before anything is decided.
    #[config(default = 2, env = "INSTORED_RECOGNITION_VIEWS")]
    pub views: u32,

    /// What is done about a face that may be a photograph held to the camera: "off", "observe"
    /// (counted, and greeted all the same) or "enforce" (neither greeted nor enrolled). Measured on
    /// printed photographs only.
    #[config(default = "observe", env = "INSTORED_RECOGNITION_LIVENESS")]
    pub liveness: PadMode,

    /// Seconds out of sight after which a customer has left.
    #[config(default = 4.0, env = "INSTORED_RECOGNITION_LEAVE_SECONDS")]
    pub leave_seconds: f32,

    /// Good and differing views that make an enrolment.
    #[config(default = 5, env = "INSTORED_RECOGNITION_ENROLMENT_VIEWS")]
    pub enrolment_views: u32,

    /// Seconds after which an enrolment is given up.
    #[config(default = 20.0, env = "INSTORED_RECOGNITION_ENROLMENT_SECONDS")]
    pub enrolment_seconds: f32,
}

impl Settings {
    /// What is wrong with the values, if anything.
    pub fn validation_error(&self) -> Option<&'static str> {
        let threshold = self.threshold.unwrap_or(0.5);
        let seconds = |v: f32| v.is_finite() && (0.5..=3600.0).contains(&v);
        [
            (!seconds(self.request_seconds), "request_seconds must be from 0.5 to 3600"),
            (!(1e-5..=0.1).contains(&self.fpir), "fpir must be from 0.00001 to 0.1"),
            (!(0.0..=1.0).contains(&threshold), "threshold must be from 0 to 1"),
            (!(0.0..=1.0).contains(&self.margin), "margin must be from 0 to 1"),
            (!(1..=50).contains(&self.views), "views must be from 1 to 50"),
            (!seconds(self.leave_seconds), "leave_seconds must be from 0.5 to 3600"),
            (!(1..=20).contains(&self.enrolment_views), "enrolment_views must be from 1 to 20"),
            (!seconds(self.enrolment_seconds), "enrolment_seconds must be from 0.5 to 3600"),
        ]
        .into_iter()
        .find_map(|(wrong, fault)| wrong.then_some(fault))
    }
}
