//! What a customer agreed to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BoxId, CustomerId};

/// A person's agreement to be recognised. Nothing about anyone is stored without one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Consent {
    /// Who agreed.
    pub customer: CustomerId,
    /// When.
    pub given: Timestamp,
    /// By which act.
    pub how: ConsentMethod,
    /// At which box.
    pub box_id: BoxId,
    /// Version of the text agreed to, as configured.
    pub text_version: String,
    /// Language of that text, a BCP 47 tag.
    pub language: String,
}

/// The act by which consent was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentMethod {
    /// The button at the entrance.
    Button,
    /// The `enrol` command, for a display with a button of its own.
    Command,
}
