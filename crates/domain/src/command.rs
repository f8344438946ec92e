//! What the outside may ask of a box, and what it is told.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::order::text;
use super::{
    Allergen, CatalogueChange, ClaimCode, CustomerId, CustomerName, CustomerRef, History,
    HistoryBy, OrderId, Page, Preferences, Product, ShoppingList, TillOrder,
};

/// A request of a till, a display or Home Assistant. Topic `cmd/<verb>`; the verb is the topic's,
/// the payload the fields.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Who is here now?
    Present {},
    /// Begin an enrolment, as a press of the button does.
    Enrol {
        /// Language of the consent text shown, a BCP 47 tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        /// Somebody of the shop vouches that whoever enrols is not enrolled yet, however much they
        /// look like a customer.
        #[serde(default)]
        another_person: bool,
    },
    /// Forget a customer.
    Forget {
        /// Whom.
        customer: CustomerId,
    },
    /// The person in view is not the customer that was greeted: end that visit.
    NotMe {
        /// Who was greeted.
        customer: CustomerId,
    },
    /// Call a customer by another name, or by none.
    Rename {
        /// Whom.
        customer: CustomerId,
        /// The name; absent or null takes it away.
        #[serde(default)]
        name: Option<CustomerName>,
    },
    /// What a customer wants to see; what is absent stays as it is, and all of it is told.
    Preferences {
        /// Whose.
        customer: CustomerId,
        /// Whether products are recommended to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recommendations: Option<bool>,
        /// Whether a display shows their past orders.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        history: Option<bool>,
        /// What they must not be recommended; takes the place of the whole list.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        allergens: Option<BTreeSet<Allergen>>,
    },
    /// What did a customer buy?
    History {
        /// Whose orders.
        customer: CustomerId,
        /// How to look back.
        #[serde(default)]
        by: HistoryBy,
        /// Which entries.
        #[serde(flatten)]
        page: Page,
    },
    /// A customer stands at a till: for some minutes, or until they paid, its baskets are theirs.
    AtTill {
        /// Who.
        #[serde(flatten)]
        buyer: Buyer,
        /// The till's name, 1 to 64 characters.
        #[serde(deserialize_with = "till_name")]
        #[schemars(length(min = 1, max = 64))]
        till: String,
    },
    /// A basket was paid, or one that was paid is corrected.
    Order {
        /// By whom.
        #[serde(flatten)]
        buyer: Buyer,
        /// What.
        order: TillOrder,
    },
    /// What is on a customer's list, for the display and the till; without `add` and `remove` it is
    /// told and stays as it is.
    List {
        /// Whose.
        #[serde(flatten)]
        buyer: Buyer,
        /// Article numbers to put on it, of the catalogue or of anything that was ever bought.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        add: Vec<String>,
        /// Article numbers to take off it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remove: Vec<String>,
    },
    /// Products that the shop has, or has no longer.
    Catalogue {
        /// New ones, and those that changed.
        #[serde(default)]
        products: Vec<Product>,
        /// Article numbers of those that are gone.
        #[serde(default)]
        remove: Vec<String>,
    },
}

impl Command {
    /// Every verb.
    pub const VERBS: [&str; 11] = [
        "present",
        "enrol",
        "forget",
        "not-me",
        "rename",
        "preferences",
        "history",
        "at-till",
        "order",
        "list",
        "catalogue",
    ];
}

/// How a till says whose basket it is.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Buyer {
    /// By the pseudonym.
    Customer(CustomerId),
    /// By the code shown after the enrolment.
    ClaimCode(ClaimCode),
    /// Whoever was last said to be at this till.
    AtTill(String),
}

fn till_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    text("the till's name", &name, 64).map_err(D::Error::custom)?;
    Ok(name)
}

/// The answer to a [`Command`] that was carried out.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Who is here now.
    Present(Vec<CustomerRef>),
    /// The enrolment has begun; topic `enrolment` tells how it goes on.
    Enrolling {},
    /// The customer is forgotten.
    Forgotten(CustomerId),
    /// The visit is ended.
    Dismissed(CustomerId),
    /// The customer's new name.
    Renamed(CustomerRef),
    /// What the customer wants to see now.
    Preferences {
        /// Whose.
        customer: CustomerId,
        /// All of it.
        preferences: Preferences,
    },
    /// A page of what the customer bought.
    History(History),
    /// The customer stands at the till.
    AtTill {
        /// Who.
        customer: CustomerId,
        /// Which.
        till: String,
        /// When this ends, should no order end it before.
        until: Timestamp,
    },
    /// What is on the customer's list now.
    List(ShoppingList),
    /// The catalogue is as was asked.
    Catalogue(CatalogueChange),
    /// The order is in the vault, now or already before.
    Order {
        /// Which.
        id: OrderId,
        /// Whose; a correction may name them so when they have left the till.
        customer: CustomerId,
        /// Whether this request brought it.
        added: bool,
    },
}

/// Why a [`Command`] was not carried out.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people: what is wrong and what to do.
    pub message: String,
}

/// The kinds of [`Refusal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The verb does not exist.
    UnknownCommand,
    /// The payload is not what the verb takes.
    Malformed,
    /// No such customer, claim code or visit, nobody at the till, or no order to replace.
    NotFound,
    /// Something stands in the way: an enrolment under way, an order id with other content.
    Conflict,
    /// The customer does not want it: their history is switched off.
    SwitchedOff,
    /// More such commands came than the box takes in a second.
    TooMany,
    /// The box could not do it; its log says why.
    Internal,
}

impl Refusal {
    /// A refusal with its message.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"id":"T1-9","placed":"2026-03-29T09:15:00+02:00","currency":"EUR",
        "total":120,"lines":[{"sku":"1","name":"Milk","quantity":1,"unit_price":120}]}"#;

    fn read(verb: &str, fields: &str) -> Result<Command, String> {
        let json = format!(r#"{{"verb":"{verb}",{fields}}}"#);
        serde_json::from_str(&json).map_err(|e| e.to_string())
    }

    #[test]
    fn a_till_names_the_buyer_in_one_of_three_ways() {
        let customer = CustomerId(uuid::Uuid::from_u128(1));
        for (named, wanted) in [
            (r#""claim_code":"10ZC-M79Y""#, Buyer::ClaimCode("10ZC-M79Y".parse().unwrap())),
            (r#""customer":"00000000-0000-0000-0000-000000000001""#, Buyer::Customer(customer)),
            (r#""at_till":"2""#, Buyer::AtTill("2".into())),
        ] {
            let read = read("order", &format!(r#"{named},"order":{ORDER}"#));
            let Ok(Command::Order { buyer, order }) = read else { panic!("{read:?}") };
            assert_eq!(buyer, wanted);
            assert_eq!(order.of(customer).lines[0].amount(), 120);
        }
    }

    #[test]
    fn an_order_has_one_buyer_who_stands_beside_it() {
        let (one, other) = (r#""claim_code":"10ZC-M79Y""#, r#""at_till":"2""#);
        assert!(read("order", &format!(r#"{one},{other},"order":{ORDER}"#)).is_err());
        assert!(read("order", &format!(r#""order":{ORDER}"#)).is_err());
        let inside = ORDER.replacen('{', r#"{"customer":"me","#, 1);
        let error = read("order", &format!(r#"{one},"order":{inside}"#)).unwrap_err();
        assert!(error.contains("beside the order"), "{error}");
        let misspelt = ORDER.replacen('{', r#"{"replace":"T1-8","#, 1);
        let error = read("order", &format!(r#"{one},"order":{misspelt}"#)).unwrap_err();
        assert!(error.contains("unknown field `replace`"), "{error}");
    }

    #[test]
    fn every_verb_is_on_the_list() {
        let error = read("dance", r#""x":1"#).unwrap_err();
        let known = error.split("expected one of ").nth(1).unwrap();
        // Every other part stands between backticks.
        let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
        assert_eq!(known, Command::VERBS);
    }

    #[test]
    fn a_till_has_a_short_name() {
        let at =
            |till: &str| read("at-till", &format!(r#""claim_code":"10ZC-M79Y","till":"{till}""#));
        assert!(at("2").is_ok());
        for wrong in ["", " ", &"2".repeat(65)] {
            assert!(at(wrong).unwrap_err().contains("the till's name"), "{wrong}");
        }
    }

    #[test]
    fn what_a_command_does_not_say_has_its_usual_value() {
        let customer = r#""customer":"00000000-0000-0000-0000-000000000001""#;
        let Ok(Command::History { by, page, .. }) = read("history", customer) else { panic!() };
        assert_eq!((by, page), (HistoryBy::Time, Page { page: 1, limit: 20 }));
        let fields = format!(r#"{customer},"by":"again","page":2"#);
        let Ok(Command::History { by, page, .. }) = read("history", &fields) else { panic!() };
        assert_eq!((by, page), (HistoryBy::Again, Page { page: 2, limit: 20 }));
        assert!(read("history", &format!(r#"{customer},"pages":2"#)).is_err());
        let fields = format!(r#"{customer},"allergens":["nuts"]"#);
        let Ok(Command::Preferences { recommendations, history, allergens, .. }) =
            read("preferences", &fields)
        else {
            panic!()
        };
        assert_eq!((recommendations, history), (None, None));
        assert_eq!(allergens, Some(BTreeSet::from([Allergen::Nuts])));
    }
}
