//! Settings of recognition and enrolment.

use serde::{Deserialize, Serialize};

use crate::pad_score::VIEWS_MIN;

/// Selection of the faces to recognise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Everyone who enters.
    Entrance,
    /// The person who has pressed the button, for a few seconds.
    OnRequest,
}

/// Reaction to a suspected presentation attack (ISO/IEC 30107-3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PadMode {
    /// No detection.
    Off,
    /// Attacks are counted; the customer is greeted nevertheless.
    Observe,
    /// Attacks are counted; the person is neither greeted nor enrolled.
    Enforce,
}

/// Settings of recognition and enrolment.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Settings {
    /// Faces to recognise. "entrance": everyone who enters and looks at the camera; customers are greeted.
    /// "on-request": only the person who presses the button briefly; a second press enrols a person who was
    /// not recognised.
    #[config(default = "entrance", env = "INSTORED_RECOGNITION_MODE")]
    pub mode: Mode,

    /// Duration of recognition after a press in mode "on-request", in seconds, 0.5 to 3600.
    #[config(default = 8.0, env = "INSTORED_RECOGNITION_REQUEST_SECONDS")]
    pub request_seconds: f32,

    /// Smallest distance between the eyes of a face that is recognised in mode "entrance", as a share of the
    /// frame's width, 0 to 0.5. Faces farther away are not compared with customers. With a lens of 60 degrees,
    /// 0.05 is a distance of about 1.1 m.
    #[config(default = 0.05, env = "INSTORED_RECOGNITION_ATTENTION_DISTANCE")]
    pub attention_distance: f32,

    /// Time for which a face must be near and turned to the camera before it is recognised in mode "entrance",
    /// in milliseconds, 0 to 10000. A face that passes by is not compared with customers.
    #[config(default = 500, env = "INSTORED_RECOGNITION_ATTENTION_MS")]
    pub attention_ms: u32,

    /// Target share of strangers who are greeted as a customer (FPIR), 0.00001 to 0.1. The calibration of
    /// the embedder converts it and the number of customers to a cosine threshold.
    #[config(default = 0.001, env = "INSTORED_RECOGNITION_FPIR")]
    pub fpir: f64,

    /// Lowest cosine between a face and a customer, 0 to 1; replaces the threshold that `fpir` gives.
    #[config(env = "INSTORED_RECOGNITION_THRESHOLD")]
    pub threshold: Option<f32>,

    /// Lowest difference between the most similar customer and the second one, as a cosine, 0 to 1.
    #[config(default = 0.06, env = "INSTORED_RECOGNITION_MARGIN")]
    pub margin: f32,

    /// Lowest number of usable views of a face before a decision, 1 to 50.
    #[config(default = 2, env = "INSTORED_RECOGNITION_VIEWS")]
    pub views: u32,

    /// Reaction to a face that may be a photograph held to the camera: "off", "observe" (counted, and
    /// greeted nevertheless) or "enforce" (neither greeted nor enrolled). The detection has been
    /// measured with printed photographs only.
    #[config(default = "observe", env = "INSTORED_RECOGNITION_LIVENESS")]
    pub liveness: PadMode,

    /// Time out of view after which a customer has left, in seconds, 0.5 to 3600.
    #[config(default = 4.0, env = "INSTORED_RECOGNITION_LEAVE_SECONDS")]
    pub leave_seconds: f32,

    /// Number of different usable views for an enrolment, 3 to 20. Presentation-attack detection needs three
    /// views.
    #[config(default = 5, env = "INSTORED_RECOGNITION_ENROLMENT_VIEWS")]
    pub enrolment_views: u32,

    /// Time after which an enrolment fails, in seconds, 0.5 to 3600.
    #[config(default = 20.0, env = "INSTORED_RECOGNITION_ENROLMENT_SECONDS")]
    pub enrolment_seconds: f32,
}

impl Settings {
    /// Returns the message for the first value that is out of range.
    pub fn validation_error(&self) -> Option<&'static str> {
        let threshold = self.threshold.unwrap_or(0.5);
        let is_valid_duration = |v: f32| v.is_finite() && (0.5..=3600.0).contains(&v);
        [
            (!is_valid_duration(self.request_seconds), "request_seconds must be from 0.5 to 3600"),
            (
                !(0.0..=0.5).contains(&self.attention_distance),
                "attention_distance must be from 0 to 0.5",
            ),
            (self.attention_ms > 10_000, "attention_ms must be from 0 to 10000"),
            (!(1e-5..=0.1).contains(&self.fpir), "fpir must be from 0.00001 to 0.1"),
            (!(0.0..=1.0).contains(&threshold), "threshold must be from 0 to 1"),
            (!(0.0..=1.0).contains(&self.margin), "margin must be from 0 to 1"),
            (!(1..=50).contains(&self.views), "views must be from 1 to 50"),
            (!is_valid_duration(self.leave_seconds), "leave_seconds must be from 0.5 to 3600"),
            (
                !(VIEWS_MIN..=20).contains(&self.enrolment_views),
                "enrolment_views must be from 3 to 20, because fewer views cannot reveal a photograph",
            ),
            (
                !is_valid_duration(self.enrolment_seconds),
                "enrolment_seconds must be from 0.5 to 3600",
            ),
        ]
        .into_iter()
        .find_map(|(is_invalid, error)| is_invalid.then_some(error))
    }
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    #[test]
    fn too_few_enrolment_views_for_pad_are_rejected() {
        let default = Settings::builder().load().unwrap();
        let error = |enrolment_views| {
            Settings { enrolment_views, ..default.clone() }.validation_error().unwrap_or_default()
        };
        for views in 0..VIEWS_MIN {
            assert!(error(views).starts_with("enrolment_views must be from 3"), "{views} views");
        }
        assert_eq!([VIEWS_MIN, 5, 20].map(error), [""; 3]);
    }
}
