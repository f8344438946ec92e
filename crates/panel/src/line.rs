//! GPIO lines by number or by name.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A line of a GPIO chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum GpioLine {
    /// Offset on the chip; on a Raspberry Pi the BCM number.
    Number(u32),
    /// Name in the device tree, such as `GPIO17`.
    Name(String),
}

impl GpioLine {
    /// Returns the BCM number of a Raspberry Pi's line, for example 17 for the name `GPIO17`.
    pub(crate) fn bcm_number(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(name) => name.strip_prefix("GPIO")?.parse().ok(),
        }
    }
}

impl fmt::Display for GpioLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Reads a number or a name. A string of digits is a number, because environment variables are
/// strings.
impl<'de> Deserialize<'de> for GpioLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = GpioLine;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number or the name of a GPIO line")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<GpioLine, E> {
                let invalid = || E::invalid_value(de::Unexpected::Unsigned(number), &self);
                number.try_into().map(GpioLine::Number).map_err(|_| invalid())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<GpioLine, E> {
                let invalid = || E::invalid_value(de::Unexpected::Signed(number), &self);
                number.try_into().map(GpioLine::Number).map_err(|_| invalid())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<GpioLine, E> {
                match text.trim() {
                    "" => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                    text => Ok(text
                        .parse()
                        .map_or_else(|_| GpioLine::Name(text.to_owned()), GpioLine::Number)),
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
