//! Texts that inform a person before they consent.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// SHA-256 of a consent text in UTF-8. It identifies the version of the text.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, JsonSchema, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", rename = "TextHash")]
pub struct ConsentTextHash([u8; 32]);

/// Error of a text that is not a hash.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a SHA-256 hash: expected 64 digits of 0-9 and a-f")]
pub struct ConsentTextHashError;

impl ConsentTextHash {
    /// Returns the hash of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Returns the 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ConsentTextHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for ConsentTextHash {
    type Err = ConsentTextHashError;

    fn from_str(text: &str) -> Result<Self, ConsentTextHashError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| ConsentTextHashError)?;
        bytes.try_into().map(Self).map_err(|_| ConsentTextHashError)
    }
}

impl TryFrom<String> for ConsentTextHash {
    type Error = ConsentTextHashError;

    fn try_from(text: String) -> Result<Self, ConsentTextHashError> {
        text.parse()
    }
}

impl From<ConsentTextHash> for String {
    fn from(hash: ConsentTextHash) -> Self {
        hash.to_string()
    }
}

/// Consent text in one language.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct ConsentText {
    /// Language, a BCP 47 tag.
    pub language: String,
    /// The text; its paragraphs are separated by empty lines.
    pub text: String,
}

impl ConsentText {
    /// Returns the hash of the text.
    pub fn hash(&self) -> ConsentTextHash {
        ConsentTextHash::of(&self.text)
    }
}

/// One-time code with which a display sends the consent of the person who read the text.
#[derive(Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
#[schemars(rename = "AgreementCode")]
pub struct AgreementCode(pub Uuid);

/// The code permits an enrolment, so that it is no text for a log.
impl fmt::Debug for AgreementCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgreementCode(..)")
    }
}

/// Offer of an enrolment to the person at a display.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[schemars(rename = "Offer")]
pub struct EnrolmentOffer {
    /// The code for the command `agree`.
    pub code: AgreementCode,
    /// Time at which the code expires.
    pub expires: Timestamp,
    /// The text that the person has to see before they agree.
    pub consent: ConsentText,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_sha256_of_the_text() {
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(ConsentTextHash::of("abc").to_string(), hash);
        assert_eq!(hash.parse(), Ok(ConsentTextHash::of("abc")));
        for wrong in ["", "ba78", &hash.to_uppercase(), &format!("{hash}00")] {
            assert_eq!(wrong.parse::<ConsentTextHash>(), Err(ConsentTextHashError), "{wrong}");
        }
    }

    #[test]
    fn agreement_code_is_not_in_debug_output() {
        let code = AgreementCode(Uuid::from_u128(0x1234_5678));
        assert_eq!(format!("{code:?}"), "AgreementCode(..)");
    }
}
