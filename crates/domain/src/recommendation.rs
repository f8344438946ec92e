//! Recommended products and their reasons.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A recommended product: part of the predicted next basket, with the reason.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Recommendation {
    /// The shop's article number (SKU).
    pub sku: String,
    /// The product's name.
    pub name: String,
    /// The reason as English text: "in 6 of your last 8 baskets".
    pub reason: String,
    /// The reason as data, for displays in other languages.
    #[serde(rename = "why")]
    pub reason_data: Reason,
}

impl Recommendation {
    /// Creates a recommendation with the English text of its reason.
    pub fn new(sku: &str, name: &str, reason: Reason) -> Self {
        Self {
            sku: sku.to_owned(),
            name: name.to_owned(),
            reason: reason.to_string(),
            reason_data: reason,
        }
    }
}

/// The reason for a recommendation: a statement that can be verified by counting orders. Statements
/// about other customers concern at least three customers.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// The customer's newest baskets often contain the product.
    Usual {
        /// Number of baskets that contain the product, at least two.
        baskets: u32,
        /// Number of newest baskets considered.
        of: u32,
    },
    /// The usual interval between two purchases has nearly or fully passed.
    Due {
        /// Median interval between two purchases, in days, rounded.
        every_days: u32,
        /// Calendar days since the last purchase, in the time zone of the shop.
        since_days: u32,
    },
    /// The customer's newest basket contains the product.
    LastTime,
    /// The customer bought the product once, before their newest basket.
    Once {
        /// Calendar days since the purchase, in the time zone of the shop.
        days_ago: u32,
    },
    /// The product is new to the customer, and is often bought together with a product that the
    /// customer buys.
    BoughtTogether {
        /// Name of the product that the customer buys.
        with: String,
        /// Article number (SKU) of that product.
        with_sku: String,
        /// Number of baskets that contain both products.
        baskets: u32,
        /// Number of baskets that contain the recommended product, among the shop's newest baskets.
        of: u32,
    },
    /// The product is new to the customer, and other customers buy it.
    LikedHere {
        /// Number of other customers who bought the product.
        customers: u32,
    },
    /// Other customers recently bought the product at this time of day.
    PopularAtThisHour {
        /// Number of these customers.
        customers: u32,
        /// First full hour of the time of day, 0 to 23.
        from_hour: u8,
        /// Full hour at which the time of day ends, 0 to 23. Less than `from_hour` if the time of day
        /// includes midnight.
        to_hour: u8,
        /// Number of past days considered.
        days: u32,
    },
}

impl Reason {
    /// Returns true if the product is new to the customer.
    pub fn is_new(&self) -> bool {
        matches!(
            self,
            Self::BoughtTogether { .. } | Self::LikedHere { .. } | Self::PopularAtThisHour { .. }
        )
    }
}

/// Writes the English text that the customer reads.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual { baskets, of } => write!(f, "in {baskets} of your last {of} baskets"),
            Self::Due { every_days, since_days } => {
                let last = relative_day(*since_days);
                match every_days {
                    1 => write!(f, "you buy it about every day, last {last}"),
                    days => write!(f, "you buy it about every {days} days, last {last}"),
                }
            }
            Self::LastTime => f.write_str("you bought it last time"),
            Self::Once { days_ago } => write!(f, "you bought it {}", relative_day(*days_ago)),
            Self::BoughtTogether { with, .. } => write!(f, "often bought together with {with}"),
            Self::LikedHere { customers } => write!(f, "{customers} other customers buy it"),
            Self::PopularAtThisHour { customers, from_hour, to_hour, .. } => write!(
                f,
                "{customers} other customers bought it lately from {from_hour} to {to_hour} o'clock"
            ),
        }
    }
}

fn relative_day(days: u32) -> String {
    match days {
        0 => "today".into(),
        1 => "yesterday".into(),
        days => format!("{days} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recommendation_has_its_reason_as_text_and_data() {
        let due = Reason::Due { every_days: 7, since_days: 8 };
        let recommendation = Recommendation::new("1", "Milk", due);
        let json = serde_json::to_value(&recommendation).unwrap();
        assert_eq!(json["reason"], "you buy it about every 7 days, last 8 days ago");
        let daily = Reason::Due { every_days: 1, since_days: 1 };
        assert_eq!(daily.to_string(), "you buy it about every day, last yesterday");
        assert_eq!(json["why"]["kind"], "due");
        assert_eq!(json["why"]["since_days"], 8);
        assert_eq!(serde_json::from_value::<Recommendation>(json).unwrap(), recommendation);
    }

    #[test]
    fn recent_days_are_written_as_words() {
        let once = |days_ago| Reason::Once { days_ago }.to_string();
        assert_eq!(once(0), "you bought it today");
        assert_eq!(once(1), "you bought it yesterday");
        assert_eq!(once(40), "you bought it 40 days ago");
    }
}
