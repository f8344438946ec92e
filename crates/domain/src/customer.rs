//! A person who opted in.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Allergen, CustomerId};

/// A person who opted in, as the shop knows them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Customer {
    /// The pseudonym.
    pub id: CustomerId,
    /// What they want to be called; nobody is asked for a name at the door.
    pub name: Option<CustomerName>,
    /// When they opted in.
    pub enrolled: Timestamp,
    /// Visits since then; the enrolment itself is not counted.
    pub visits: u64,
    /// When they last came in.
    pub last_visit: Option<Timestamp>,
    /// What they want to see.
    #[serde(default)]
    pub preferences: Preferences,
}

/// What a customer wants to see. Does not print: an allergy is a matter of health.
#[derive(Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preferences {
    /// Whether products are recommended to them.
    pub recommendations: bool,
    /// Whether a display shows their past orders.
    pub history: bool,
    /// What they must not be recommended.
    pub allergens: BTreeSet<Allergen>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { recommendations: true, history: true, allergens: BTreeSet::new() }
    }
}

impl fmt::Debug for Preferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preferences([redacted])")
    }
}

/// What a customer wants to be called: 1 to 40 characters on one line.
#[derive(Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CustomerName(String);

/// A name that a display could not show.
#[derive(Debug, thiserror::Error)]
#[error("a name is 1 to 40 characters on one line")]
pub struct CustomerNameError;

impl CustomerName {
    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CustomerName {
    type Err = CustomerNameError;

    fn from_str(text: &str) -> Result<Self, CustomerNameError> {
        let text = text.trim();
        if (1..=40).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(CustomerNameError)
        }
    }
}

impl TryFrom<String> for CustomerName {
    type Error = CustomerNameError;
    fn try_from(text: String) -> Result<Self, CustomerNameError> {
        text.parse()
    }
}

impl From<CustomerName> for String {
    fn from(name: CustomerName) -> String {
        name.0
    }
}

impl fmt::Display for CustomerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names stay out of logs.
impl fmt::Debug for CustomerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_single_lines_that_do_not_print_by_accident() {
        let name: CustomerName = "  Zoë ".parse().unwrap();
        assert_eq!(name.as_str(), "Zoë");
        assert_eq!(format!("{name:?}"), "[redacted]");
        for wrong in ["", "   ", "a\nb", &"x".repeat(41)] {
            assert!(wrong.parse::<CustomerName>().is_err());
        }
    }
    #[test]
    fn who_said_nothing_sees_everything_and_allergies_do_not_print() {
        let preferences: Preferences = serde_json::from_str(r#"{"allergens":["milk"]}"#).unwrap();
        assert!(preferences.recommendations && preferences.history);
        assert!(!format!("{preferences:?}").contains("ilk"));
        let record = r#"{"id":"00000000-0000-4000-8000-00000000000a","name":null,
            "enrolled":"2026-03-29T09:15:00Z","visits":3,"last_visit":null}"#;
        let customer: Customer = serde_json::from_str(record).unwrap();
        assert_eq!(customer.preferences, Preferences::default());
    }
}
