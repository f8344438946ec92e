//! Consents and consent receipts.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BoxId, ClaimCode, ClaimCodeError, ConsentTextHash, CustomerId};

/// A person's consent to be recognised. Nothing about a person is stored without a consent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Consent {
    /// The person who consented.
    pub customer: CustomerId,
    /// Time of the consent.
    pub given: Timestamp,
    /// The act by which the consent was given.
    #[serde(rename = "how")]
    pub method: ConsentMethod,
    /// The box at which the consent was given.
    pub box_id: BoxId,
    /// Version of the consent text, as configured.
    pub text_version: String,
    /// Language of the consent text, a BCP 47 tag.
    pub language: String,
    /// Hash of the consent text; `None` in a consent of a version that did not store the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_hash: Option<ConsentTextHash>,
    /// The receipt that the customer received.
    pub receipt: ConsentReceipt,
}

/// A code that a customer keeps as proof of their consent. When a customer requests data or
/// withdraws, the shop finds the customer by this code, without name or face. The code has the format
/// of a claim code and is valid until the customer is deleted.
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
    /// A touch of "I agree" on a display that showed the consent text.
    Display,
    /// The `enrol` command of a version in which the command started an enrolment.
    Command,
}
