//! Configuration section `[enrolment]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Act by which a person agrees to an enrolment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmation {
    /// A second press of the button, or "I agree" on a display that shows the text.
    SecondPressOrTouch,
    /// The first press of the button. A printed notice beside the button contains the text.
    Press,
}

/// Settings of the consent.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Settings {
    /// Act by which a person agrees. "second-press-or-touch": a second press within 15 seconds after the
    /// first one, or "I agree" on a display. "press": the first press, for boxes without a display; print
    /// the text with `instored consent` and put it up beside the button.
    #[config(default = "second-press-or-touch", env = "INSTORED_ENROLMENT_CONFIRM")]
    pub confirm: Confirmation,

    /// Name and address of the shop's operator, who is responsible for the data (controller, Article 4(7)
    /// GDPR), for the consent text.
    #[config(env = "INSTORED_ENROLMENT_CONTROLLER")]
    pub controller: Option<String>,

    /// Contact for data protection, such as an address or a telephone number, for the consent text.
    #[config(env = "INSTORED_ENROLMENT_CONTACT")]
    pub contact: Option<String>,

    /// Minimum age of a person who consents, in years, 0 to 99, for the consent text. In the European Union
    /// it is 13 to 16, depending on the country (Article 8 GDPR).
    #[config(default = 16, env = "INSTORED_ENROLMENT_MINIMUM_AGE")]
    pub minimum_age: u8,

    /// Folder with the shop's own consent texts, a text file for each language such as de.txt. A file
    /// replaces the shipped text. It may contain {controller}, {contact}, {age}, {customers} and {orders};
    /// the last two are sentences about the storage periods.
    #[config(env = "INSTORED_ENROLMENT_TEXTS_DIR")]
    pub texts_dir: Option<PathBuf>,
}

impl Settings {
    /// Returns the message for the first value that is out of range.
    pub fn validation_error(&self) -> Option<&'static str> {
        (self.minimum_age > 99).then_some("minimum_age must be from 0 to 99")
    }
}
