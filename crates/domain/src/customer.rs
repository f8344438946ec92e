//! Customers and their preferences.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Allergen, CustomerId};

/// A person who enrolled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Customer {
    /// The pseudonym.
    pub id: CustomerId,
    /// The name by which displays greet the customer. An enrolment sets no name.
    pub name: Option<CustomerName>,
    /// Time of the enrolment.
    pub enrolled: Timestamp,
    /// Number of visits after the enrolment.
    pub visits: u64,
    /// Time of the last visit.
    pub last_visit: Option<Timestamp>,
    /// Time at which an inactive customer is deleted, unless the customer visits earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_due: Option<Timestamp>,
    /// True if the clock was not confirmed at the last visit, or at the enrolment of a customer without
    /// visits, so that this time may be wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_unconfirmed_time: bool,
    /// The customer's settings.
    #[serde(default)]
    pub preferences: Preferences,
}

/// A customer's settings. `Debug` redacts them, because an allergy is health data.
#[derive(Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preferences {
    /// True if products may be recommended to the customer.
    #[serde(rename = "recommendations")]
    pub can_recommend: bool,
    /// True if a display may show the customer's past orders.
    #[serde(rename = "history")]
    pub can_show_history: bool,
    /// Products with one of these allergens are not recommended.
    pub allergens: BTreeSet<Allergen>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { can_recommend: true, can_show_history: true, allergens: BTreeSet::new() }
    }
}

impl fmt::Debug for Preferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preferences([redacted])")
    }
}

/// A customer's name as shown on displays: 1 to 40 characters on one line.
#[derive(Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CustomerName(String);

/// Error for a text that is not a valid name.
#[derive(Debug, thiserror::Error)]
#[error("a name has 1 to 40 characters on one line")]
pub struct CustomerNameError;

impl CustomerName {
    /// Returns the name as text.
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

/// Redacts the name, so that it does not get into logs.
impl fmt::Debug for CustomerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_trimmed_and_redacted_and_invalid_name_rejected() {
        let name: CustomerName = "  Zoë ".parse().unwrap();
        assert_eq!(name.as_str(), "Zoë");
        assert_eq!(format!("{name:?}"), "[redacted]");
        for invalid in ["", "   ", "a\nb", &"x".repeat(41)] {
            assert!(invalid.parse::<CustomerName>().is_err());
        }
    }

    #[test]
    fn preferences_default_to_true_and_are_redacted() {
        let preferences: Preferences = serde_json::from_str(r#"{"allergens":["milk"]}"#).unwrap();
        assert!(preferences.can_recommend && preferences.can_show_history);
        assert!(!format!("{preferences:?}").contains("ilk"));
        let record = r#"{"id":"00000000-0000-4000-8000-00000000000a","name":null,
            "enrolled":"2026-03-29T09:15:00Z","visits":3,"last_visit":null}"#;
        let customer: Customer = serde_json::from_str(record).unwrap();
        assert_eq!(customer.preferences, Preferences::default());
    }
}
