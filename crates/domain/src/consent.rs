//! What a customer agreed to.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BoxId, ClaimCode, ClaimCodeError, CustomerId};

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
    /// What they were given to keep.
    pub receipt: Receipt,
}

/// What a customer keeps of their consent: a code by which they can be found when they ask for
/// their data or withdraw, without a name and without their face. Written as a claim code is, and
/// as silent in logs; unlike one it holds until they are forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(pub ClaimCode);

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Receipt {
    type Err = ClaimCodeError;

    fn from_str(text: &str) -> Result<Self, ClaimCodeError> {
        text.parse().map(Self)
    }
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
