//! MQTT commands and their responses.

use std::collections::BTreeSet;
use std::fmt::Display;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::text::check_text;
use super::{
    AgreementCode, Allergen, CatalogueChange, ClaimCode, CustomerId, CustomerName, CustomerRef,
    EnrolmentOffer, History, HistoryView, OrderId, Page, Preferences, Product, ShoppingList,
    TillOrder,
};

/// A command from a till, a display or Home Assistant on topic `cmd/<verb>`. The topic contains the
/// verb, and the payload contains the fields.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Lists the customers who are present.
    Present {
        /// True to publish the greeting of each of them again, as a `visit` event `changed` and a `list`
        /// event, for a display that has just started or was not connected.
        #[serde(rename = "greetings", default, skip_serializing_if = "std::ops::Not::not")]
        republishes_greetings: bool,
    },
    /// Offers an enrolment, like a first press of the button. The person agrees with a second press, or
    /// on the display that sent this command, with the code in its response.
    Enrol {
        /// Language of the consent text in the response, a BCP 47 tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
    },
    /// Starts an enrolment: the person has read the consent text on a display and agrees.
    Agree {
        /// The code of the response to `enrol`.
        code: AgreementCode,
    },
    /// Deletes a customer. The code proves that the customer wants it: a face alone may be recognised
    /// wrongly, and a bystander may touch a display.
    Forget {
        /// The customer.
        customer: CustomerId,
        /// The receipt of the customer's consent, or a valid claim code.
        code: ClaimCode,
    },
    /// Ends a visit, because the person in view is not the customer who was greeted.
    NotMe {
        /// The customer who was greeted.
        customer: CustomerId,
    },
    /// Sets or deletes a customer's name.
    Rename {
        /// The customer.
        customer: CustomerId,
        /// The new name; absent or null deletes the name.
        #[serde(default)]
        name: Option<CustomerName>,
    },
    /// Sets and returns a customer's preferences. An absent field keeps its value.
    Preferences {
        /// The customer.
        customer: CustomerId,
        /// True if products may be recommended to the customer.
        #[serde(rename = "recommendations", default, skip_serializing_if = "Option::is_none")]
        can_recommend: Option<bool>,
        /// True if a display may show the customer's past orders.
        #[serde(rename = "history", default, skip_serializing_if = "Option::is_none")]
        can_show_history: Option<bool>,
        /// Products with one of these allergens are not recommended. Replaces the previous set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        allergens: Option<BTreeSet<Allergen>>,
    },
    /// Returns a page of a customer's purchase history.
    History {
        /// The customer.
        customer: CustomerId,
        /// The view of the history.
        #[serde(rename = "by", default)]
        view: HistoryView,
        /// The page.
        #[serde(flatten)]
        page: Page,
    },
    /// Assigns a customer to a till. The customer is the buyer of the till's orders until the
    /// assignment expires or an order is paid.
    AtTill {
        /// The customer.
        #[serde(flatten)]
        buyer: BuyerRef,
        /// The till's name, 1 to 64 characters.
        #[serde(deserialize_with = "deserialize_till")]
        #[schemars(length(min = 1, max = 64))]
        till: String,
    },
    /// Stores a paid order, or the correction of a stored order.
    Order {
        /// The buyer.
        #[serde(flatten)]
        buyer: BuyerRef,
        /// The order.
        order: TillOrder,
    },
    /// Changes and returns a customer's shopping list. Without `add` and `remove` it only returns
    /// the list.
    List {
        /// The customer.
        #[serde(flatten)]
        buyer: BuyerRef,
        /// Article numbers (SKUs) to add. Each product must be in the catalogue or in a past order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        add: Vec<String>,
        /// Article numbers (SKUs) to remove.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remove: Vec<String>,
    },
    /// Updates the catalogue.
    Catalogue {
        /// New and changed products.
        #[serde(default)]
        products: Vec<Product>,
        /// Article numbers (SKUs) of removed products.
        #[serde(default)]
        remove: Vec<String>,
    },
}

impl Command {
    /// All verbs, in the order of the variants.
    pub const VERBS: [&str; 12] = [
        "present",
        "enrol",
        "agree",
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

/// A reference to the buyer of an order.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Buyer")]
pub enum BuyerRef {
    /// The customer's pseudonym.
    Customer(CustomerId),
    /// The claim code that was shown after the customer's enrolment.
    ClaimCode(ClaimCode),
    /// The till to which the customer is assigned.
    AtTill(String),
}

fn deserialize_till<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    check_text("the till's name", &name, 64).map_err(D::Error::custom)?;
    Ok(name)
}

/// Response topic and correlation data of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResponseAddress {
    /// MQTT topic of the response.
    pub topic: String,
    /// Data with which the client assigns the response to its command.
    pub correlation_data: Option<Vec<u8>>,
}

/// The response to a successful command.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Answer")]
pub enum CommandResponse {
    /// The customers who are present.
    Present(Vec<CustomerRef>),
    /// An enrolment is offered. Only this response contains the code.
    Offered(EnrolmentOffer),
    /// The enrolment has started. Its steps are published on topic `enrolment`.
    Enrolling {},
    /// The deleted customer.
    Forgotten(CustomerId),
    /// The customer whose visit ended.
    Dismissed(CustomerId),
    /// The customer with the new name.
    Renamed(CustomerRef),
    /// The customer's preferences after the command.
    Preferences {
        /// The customer.
        customer: CustomerId,
        /// All preferences.
        preferences: Preferences,
    },
    /// A page of the customer's purchase history.
    History(History),
    /// The customer is assigned to the till.
    AtTill {
        /// The customer.
        customer: CustomerId,
        /// The till's name.
        till: String,
        /// Time at which the assignment expires, unless an order ends it earlier.
        until: Timestamp,
    },
    /// The customer's shopping list after the command.
    List(ShoppingList),
    /// The result of the catalogue update.
    Catalogue(CatalogueChange),
    /// The order is stored.
    Order {
        /// The order.
        id: OrderId,
        /// The buyer. After the buyer has left the till, a correction can use this id.
        customer: CustomerId,
        /// True if this command stored the order, false if the order was already stored.
        #[serde(rename = "added")]
        is_new: bool,
    },
}

/// The error of a failed command.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[schemars(rename = "Refusal")]
pub struct CommandFailure {
    /// The kind of error, for programs.
    pub code: CommandFailureCode,
    /// The cause and the remedy, for people.
    pub message: String,
}

/// The kinds of command errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RefusalCode")]
pub enum CommandFailureCode {
    /// The verb does not exist.
    UnknownCommand,
    /// The payload is not valid for the verb.
    Malformed,
    /// The customer, claim code, visit, till assignment or replaced order does not exist.
    NotFound,
    /// The command conflicts with the current state: an enrolment in progress, an expired offer, or a
    /// stored order with the same id and other content.
    Conflict,
    /// The customer has switched off the purchase history.
    SwitchedOff,
    /// The rate limit of the box is exceeded.
    TooMany,
    /// The box failed; its log contains the cause.
    Internal,
}

impl CommandFailure {
    /// Creates an error with its message.
    pub fn new(code: CommandFailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Returns an error with the code `malformed`.
    pub fn malformed(error: impl Display) -> Self {
        Self::new(CommandFailureCode::Malformed, error.to_string())
    }

    /// Returns an error with the code `not_found`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(CommandFailureCode::NotFound, message)
    }

    /// Returns the error for a customer who is not enrolled.
    pub fn unknown_customer(customer: CustomerId) -> Self {
        Self::not_found(format!("no customer {customer} is enrolled"))
    }

    /// Returns the error for a customer who has switched off the purchase history.
    pub fn history_switched_off(customer: CustomerId) -> Self {
        let message = format!("customer {customer} has switched their history off");
        Self::new(CommandFailureCode::SwitchedOff, message)
    }

    /// Returns an error with the code `conflict`.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(CommandFailureCode::Conflict, message)
    }

    /// Returns an error with the code `internal`.
    pub fn internal(error: impl Display) -> Self {
        Self::new(CommandFailureCode::Internal, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"id":"T1-9","placed":"2026-03-29T09:15:00+02:00","currency":"EUR",
        "total":120,"lines":[{"sku":"1","name":"Milk","quantity":1,"unit_price":120}]}"#;

    fn parse(verb: &str, fields: &str) -> Result<Command, String> {
        let json = format!(r#"{{"verb":"{verb}",{fields}}}"#);
        serde_json::from_str(&json).map_err(|error| error.to_string())
    }

    #[test]
    fn order_command_accepts_three_buyer_references() {
        let customer = CustomerId(uuid::Uuid::from_u128(1));
        for (field, expected) in [
            (r#""claim_code":"10ZC-M79Y""#, BuyerRef::ClaimCode("10ZC-M79Y".parse().unwrap())),
            (r#""customer":"00000000-0000-0000-0000-000000000001""#, BuyerRef::Customer(customer)),
            (r#""at_till":"2""#, BuyerRef::AtTill("2".into())),
        ] {
            let parsed = parse("order", &format!(r#"{field},"order":{ORDER}"#));
            let Ok(Command::Order { buyer, order }) = parsed else { panic!("{parsed:?}") };
            assert_eq!(buyer, expected);
            assert_eq!(order.with_customer(customer).lines[0].amount(), 120);
        }
    }

    #[test]
    fn order_command_requires_one_buyer_beside_the_order() {
        let (claim_code, till) = (r#""claim_code":"10ZC-M79Y""#, r#""at_till":"2""#);
        assert!(parse("order", &format!(r#"{claim_code},{till},"order":{ORDER}"#)).is_err());
        assert!(parse("order", &format!(r#""order":{ORDER}"#)).is_err());
        let order_with_customer = ORDER.replacen('{', r#"{"customer":"me","#, 1);
        let error =
            parse("order", &format!(r#"{claim_code},"order":{order_with_customer}"#)).unwrap_err();
        assert!(error.contains("beside the order"), "{error}");
        let order_with_unknown_field = ORDER.replacen('{', r#"{"replace":"T1-8","#, 1);
        let error = parse("order", &format!(r#"{claim_code},"order":{order_with_unknown_field}"#))
            .unwrap_err();
        assert!(error.contains("unknown field `replace`"), "{error}");
    }

    #[test]
    fn verbs_are_complete() {
        let error = parse("unknown-verb", r#""x":1"#).unwrap_err();
        let known = error.split("expected one of ").nth(1).unwrap();
        // The parts with odd indexes are between backticks.
        let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
        assert_eq!(known, Command::VERBS);
    }

    #[test]
    fn till_name_outside_its_limits_is_rejected() {
        let parse_till =
            |till: &str| parse("at-till", &format!(r#""claim_code":"10ZC-M79Y","till":"{till}""#));
        assert!(parse_till("2").is_ok());
        for invalid in ["", " ", &"2".repeat(65)] {
            assert!(parse_till(invalid).unwrap_err().contains("the till's name"), "{invalid}");
        }
    }

    #[test]
    fn absent_command_fields_have_defaults() {
        let customer = r#""customer":"00000000-0000-0000-0000-000000000001""#;
        let Ok(Command::History { view, page, .. }) = parse("history", customer) else { panic!() };
        assert_eq!((view, page), (HistoryView::Time, Page { page: 1, limit: 20 }));
        let fields = format!(r#"{customer},"by":"again","page":2"#);
        let Ok(Command::History { view, page, .. }) = parse("history", &fields) else { panic!() };
        assert_eq!((view, page), (HistoryView::Repeats, Page { page: 2, limit: 20 }));
        assert!(parse("history", &format!(r#"{customer},"pages":2"#)).is_err());
        let fields = format!(r#"{customer},"allergens":["nuts"]"#);
        let Ok(Command::Preferences { can_recommend, can_show_history, allergens, .. }) =
            parse("preferences", &fields)
        else {
            panic!()
        };
        assert_eq!((can_recommend, can_show_history), (None, None));
        assert_eq!(allergens, Some(BTreeSet::from([Allergen::Nuts])));
    }
}
