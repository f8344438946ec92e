//! The time of an order as text: `2026-03-29T09:15:00+02:00`, followed by a time zone such as
//! `[Europe/Berlin]` if the till sends one.

use jiff::Zoned;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serializer};

use super::{OrderError, excerpt};

/// Parses the time of an order. Keeps a named time zone. An offset without a name becomes a fixed
/// time zone.
///
/// # Errors
/// If the text is not a time, or contains no offset and no time zone. Such a time is ambiguous.
pub fn parse(text: &str) -> Result<Zoned, OrderError> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let invalid_error = || OrderError::Time(excerpt(text));
    if text.contains('[') {
        return PARSER.parse_zoned(text).map_err(|_| invalid_error());
    }
    let pieces = PARSER.parse_pieces(text).map_err(|_| invalid_error())?;
    let offset = pieces.to_numeric_offset().ok_or_else(invalid_error)?;
    let timestamp = PARSER.parse_timestamp(text).map_err(|_| invalid_error())?;
    Ok(timestamp.to_zoned(TimeZone::fixed(offset)))
}

pub(crate) fn serialize<S: Serializer>(time: &Zoned, serializer: S) -> Result<S::Ok, S::Error> {
    if time.time_zone().iana_name().is_some() {
        serializer.collect_str(time)
    } else {
        serializer.collect_str(&time.timestamp().display_with_offset(time.offset()))
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zoned, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_needs_offset_and_keeps_time_zone() {
        let summer = parse("2026-03-29T03:30:00+02:00[Europe/Berlin]").unwrap();
        assert_eq!(summer.timestamp().to_string(), "2026-03-29T01:30:00Z");
        assert_eq!(parse("2026-03-29T09:15:00Z").unwrap().hour(), 9);
        for invalid in ["2026-03-29", "2026-03-29T09:15:00", "yesterday", ""] {
            assert!(parse(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn offset_selects_repeated_hour_and_must_match_time_zone() {
        let parse_valid = |text| parse(text).unwrap();
        let first = parse_valid("2026-10-25T02:30:00+02:00[Europe/Berlin]");
        let second = parse_valid("2026-10-25T02:30:00+01:00[Europe/Berlin]");
        assert_eq!(second.timestamp().as_second() - first.timestamp().as_second(), 3600);
        // The change to summer time skipped the first time. Berlin never has the second offset.
        for invalid in ["2026-03-29T02:30:00+01:00", "2026-03-28T02:30:00+05:00"] {
            assert!(parse(&format!("{invalid}[Europe/Berlin]")).is_err(), "{invalid}");
        }
    }
}
