//! What a customer may want today, and why.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One product of the next basket, with the reason it is shown.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Recommendation {
    /// The shop's article number.
    pub sku: String,
    /// The product's name.
    pub name: String,
    /// Why, in words a customer reads: "in 6 of your last 8 baskets".
    pub reason: String,
    /// The same as facts, for displays that speak another language.
    pub why: Reason,
}

impl Recommendation {
    /// A product whose reason is said in English.
    pub fn new(sku: &str, name: &str, why: Reason) -> Self {
        Self { sku: sku.to_owned(), name: name.to_owned(), reason: why.to_string(), why }
    }
}

/// Why a product is shown. Each is a statement about orders that can be counted again; those about
/// other people are about three customers at the least.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// It is in so many of the customer's newest baskets.
    Usual {
        /// Baskets that hold it, two or more.
        baskets: u32,
        /// Of this many, the newest.
        of: u32,
    },
    /// It is about time to buy it again.
    Due {
        /// Days between two purchases, the median, rounded.
        every_days: u32,
        /// Whole days since the last one.
        since_days: u32,
    },
    /// It is in the customer's newest basket.
    LastTime,
    /// It was bought once, not the last time.
    Once {
        /// Whole days since then.
        days_ago: u32,
    },
    /// New to the customer, and often in one basket with something that they buy.
    BoughtTogether {
        /// Name of what they buy.
        with: String,
        /// Its article number.
        with_sku: String,
        /// Baskets that hold both,
        baskets: u32,
        /// of this many of the shop, the newest that hold the product shown.
        of: u32,
    },
    /// New to the customer, and bought by others.
    LikedHere {
        /// How many other customers ever bought it.
        customers: u32,
    },
    /// Bought by others at this time of day lately.
    PopularAtThisHour {
        /// How many other customers.
        customers: u32,
        /// From this full hour of the day, 0 to 23,
        from_hour: u8,
        /// to this one, 0 to 23; earlier than the first when it is past midnight.
        to_hour: u8,
        /// In this many days.
        days: u32,
    },
}

impl Reason {
    /// Whether the product is new to the customer.
    pub fn is_new(&self) -> bool {
        matches!(
            self,
            Self::BoughtTogether { .. } | Self::LikedHere { .. } | Self::PopularAtThisHour { .. }
        )
    }
}

/// In English, as a customer reads it.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual { baskets, of } => write!(f, "in {baskets} of your last {of} baskets"),
            Self::Due { every_days, since_days } => {
                write!(f, "you buy it about every {every_days} days, last {}", ago(*since_days))
            }
            Self::LastTime => f.write_str("you bought it last time"),
            Self::Once { days_ago } => write!(f, "you bought it {}", ago(*days_ago)),
            Self::BoughtTogether { with, .. } => write!(f, "often bought together with {with}"),
            Self::LikedHere { customers } => write!(f, "{customers} other customers buy it"),
            Self::PopularAtThisHour { customers, from_hour, to_hour, .. } => write!(
                f,
                "{customers} other customers bought it lately from {from_hour} to {to_hour} o'clock"
            ),
        }
    }
}

fn ago(days: u32) -> String {
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
    fn a_reason_is_a_sentence_and_facts() {
        let shown = Recommendation::new("1", "Milk", Reason::Due { every_days: 7, since_days: 8 });
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json["reason"], "you buy it about every 7 days, last 8 days ago");
        assert_eq!(json["why"]["kind"], "due");
        assert_eq!(json["why"]["since_days"], 8);
        assert_eq!(serde_json::from_value::<Recommendation>(json).unwrap(), shown);
    }

    #[test]
    fn days_are_told_as_people_do() {
        let once = |days_ago| Reason::Once { days_ago }.to_string();
        assert_eq!(once(0), "you bought it today");
        assert_eq!(once(1), "you bought it yesterday");
        assert_eq!(once(40), "you bought it 40 days ago");
    }
}
