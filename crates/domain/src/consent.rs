//! Consents.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BoxId, ClaimCode, ClaimCodeError, CustomerId};

/// A person's consent to be recognised. Nothing about a person is stored without one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Consent {
    /// The person who consented.
    pub customer: CustomerId,
    /// Time of the consent.
    pub given: Timestamp,
    /// The act by which it was given.
    #[serde(rename = "how")]
    pub method: ConsentMethod,
    /// The box at which it was given.
    pub box_id: BoxId,
    /// Version of the consent text, as configured.
    pub text_version: String,
    /// Language of that text, a BCP 47 tag.
    pub language: String,
    /// The receipt that the customer was given.
    pub receipt: ConsentReceipt,
}

/// A code that a customer keeps as proof of their consent. The shop finds the customer by it,
/// without name or face, when they request their data or withdraw. It is written like a claim code,
/// and stays valid until the customer is deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
#[schemars(rename = "Receipt")]
pub struct ConsentReceipt(pub ClaimCode);

impl fmt::Display for ConsentReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ConsentReceipt {
    type Err = ClaimCodeError;

    fn from_str(text: &str) -> Result<Self, ClaimCodeError> {
        text.parse().map(Self)
    }
}

/// The act by which a consent is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentMethod {
    /// A press of the button at the entrance.
    Button,
    /// The `enrol` command, sent by a display that has a button of its own.
    Command,
}
