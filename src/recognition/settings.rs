//! What the operator sets about recognition.

/// When a face is a customer's, and how customers enrol.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Settings {
    /// Cosine from which a face is a customer's, 0 to 1. Unset: what the embedder's card says.
    /// Lower greets more customers, and more strangers by another's name.
    #[config(env = "INSTORED_RECOGNITION_THRESHOLD")]
    pub threshold: Option<f32>,

    /// How much more like the first customer than like the second a face has to be, as a cosine.
    #[config(default = 0.06, env = "INSTORED_RECOGNITION_MARGIN")]
    pub margin: f32,

    /// Good views of a face before anything is decided.
    #[config(default = 3, env = "INSTORED_RECOGNITION_VIEWS")]
    pub views: u32,

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
    pub fn fault(&self) -> Option<&'static str> {
        let threshold = self.threshold.unwrap_or(0.5);
        let seconds = |v: f32| v.is_finite() && (0.5..=3600.0).contains(&v);
        [
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
