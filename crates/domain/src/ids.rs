//! Identifiers and claim codes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A customer's pseudonym: a random UUID without information about the person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(pub Uuid);

/// Id of an event, by which receivers detect duplicates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// Error for a text that is not a UUID.
#[derive(Debug, thiserror::Error)]
#[error("an id has 32 hexadecimal digits, such as 0f5d8c1e-9b3a-4c62-8e47-d1a2b3c4d5e6")]
pub struct UuidError;

macro_rules! uuid_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.as_hyphenated())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = UuidError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self).map_err(|_| UuidError)
            }
        }
    };
}
uuid_id!(CustomerId);
uuid_id!(EventId);

/// Id of a face's track through the frames. It is never reused while the program runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(pub u64);

/// Id of an embedding model and its input preparation. Templates of models with different ids are
/// never compared.
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, JsonSchema, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ModelId(pub String);

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The till's id of an order. The vault stores each id once.
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, JsonSchema, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct OrderId(pub String);

impl From<String> for OrderId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a box: a segment of every topic, 1 to 32 characters of `a-z`, `0-9`, `-` and `_`.
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, JsonSchema, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct BoxId(String);

/// Error for a box name that cannot be a topic segment.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` cannot name a box: use 1 to 32 characters of a-z, 0-9, - and _")]
pub struct BoxIdError(String);

impl BoxId {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BoxId {
    type Err = BoxIdError;

    fn from_str(text: &str) -> Result<Self, BoxIdError> {
        let is_allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        };
        if (1..=32).contains(&text.len()) && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BoxIdError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for BoxId {
    type Error = BoxIdError;
    fn try_from(text: String) -> Result<Self, BoxIdError> {
        text.parse()
    }
}

impl From<BoxId> for String {
    fn from(id: BoxId) -> String {
        id.0
    }
}

impl fmt::Display for BoxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A code of eight letters and digits by which a till links an order to a new customer. Displays
/// show it at the end of an enrolment.
///
/// The code is written `K7QM-3DXV`. It is parsed with or without the dash, in upper or lower case.
/// The alphabet is [Crockford's base 32](https://www.crockford.com/base32.html), which has no
/// ambiguous letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimCode([u8; 8]);

impl JsonSchema for ClaimCode {
    fn schema_name() -> Cow<'static, str> {
        "ClaimCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Eight letters and digits, such as K7QM-3DXV.",
            "examples": ["K7QM-3DXV"],
        })
    }
}

/// Error for a text that is not a claim code.
#[derive(Debug, thiserror::Error)]
#[error("a claim code is eight letters and digits, such as K7QM-3DXV")]
pub struct ClaimCodeError;

/// Alphabet of Crockford's base 32.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl ClaimCode {
    /// Creates a code from 40 random bits: the low five bits of each byte.
    pub fn from_random(bits: [u8; 8]) -> Self {
        Self(bits.map(|byte| CROCKFORD[usize::from(byte & 31)]))
    }

    /// Returns the code without its dash, in upper case.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl FromStr for ClaimCode {
    type Err = ClaimCodeError;

    fn from_str(text: &str) -> Result<Self, ClaimCodeError> {
        let mut code = [0; 8];
        let mut length = 0;
        for c in text.chars().filter(|c| *c != '-') {
            // Crockford's base 32 decodes O as 0, and I and L as 1.
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            };
            let c = u8::try_from(c).ok().filter(|c| CROCKFORD.contains(c)).ok_or(ClaimCodeError)?;
            *code.get_mut(length).ok_or(ClaimCodeError)? = c;
            length += 1;
        }
        if length == code.len() { Ok(Self(code)) } else { Err(ClaimCodeError) }
    }
}

impl fmt::Display for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(4);
        for part in [first, b"-", second] {
            f.write_str(std::str::from_utf8(part).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

/// Redacts the code: a person who has it can act for the customer.
impl fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimCode([redacted])")
    }
}

impl Serialize for ClaimCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClaimCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_code_is_parsed_in_any_spelling() {
        let code = ClaimCode::from_random([1, 0, 31, 12, 20, 7, 9, 30]);
        assert_eq!(code.to_string(), "10ZC-M79Y");
        for spelling in ["10ZC-M79Y", "loZcM79y", "1o-zc-m7-9y"] {
            assert_eq!(spelling.parse::<ClaimCode>().unwrap(), code, "{spelling}");
        }
        for invalid in ["", "10ZC-M79", "10ZC-M79YY", "10ZC-M79U", "10ZC M79Y", "10ZC-M79é"] {
            assert!(invalid.parse::<ClaimCode>().is_err(), "{invalid}");
        }
        assert!(!format!("{code:?}").contains("ZC"));
    }

    #[test]
    fn box_id_is_one_topic_segment() {
        assert!("entrance-2".parse::<BoxId>().is_ok());
        for invalid in ["", "a/b", "+", "#", "Entrance", "a b", &"x".repeat(33)] {
            assert!(invalid.parse::<BoxId>().is_err(), "{invalid}");
        }
    }
}
