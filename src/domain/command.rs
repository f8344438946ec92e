//! What the outside may ask of a box, and what it is told.

use jiff::Zoned;
use serde::{Deserialize, Serialize};

use super::{
    ClaimCode, Currency, CustomerId, CustomerName, CustomerRef, Order, OrderId, OrderLine,
};

/// A request of a till, a display or Home Assistant. Topic `cmd/<verb>`; the verb is the topic's,
/// the payload the fields.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Who is here now?
    Present {},
    /// Begin an enrolment, as a press of the button does.
    Enrol {
        /// Language of the consent text shown, a BCP 47 tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
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
    /// A basket was paid.
    Order {
        /// By whom.
        #[serde(flatten)]
        buyer: Buyer,
        /// What.
        order: TillOrder,
    },
}

/// How a till says whose basket it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Buyer {
    /// By the pseudonym.
    Customer(CustomerId),
    /// By the code shown after the enrolment.
    ClaimCode(ClaimCode),
}

/// A basket as a till sends it: an [`Order`] that does not name its customer yet.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct TillOrder {
    pub id: OrderId,
    #[serde(with = "super::order::order_time")]
    pub placed: Zoned,
    pub currency: Currency,
    pub lines: Vec<OrderLine>,
    pub total: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub till: Option<String>,
}

impl TillOrder {
    /// The order of `customer`.
    pub fn of(self, customer: CustomerId) -> Order {
        let Self { id, placed, currency, lines, total, till } = self;
        Order { id, customer, placed, currency, lines, total, till }
    }
}

/// The answer to a [`Command`] that was carried out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
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
    /// The order is in the vault, now or already before.
    Order {
        /// Which.
        id: OrderId,
        /// Whether this request brought it.
        added: bool,
    },
}

/// Why a [`Command`] was not carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people: what is wrong and what to do.
    pub message: String,
}

/// The kinds of [`Refusal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The verb does not exist.
    UnknownCommand,
    /// The payload is not what the verb takes.
    Malformed,
    /// No such customer, claim code or visit.
    NotFound,
    /// Something stands in the way: an enrolment under way, an order id with other content.
    Conflict,
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

    #[test]
    fn a_till_names_the_buyer_one_way_or_the_other() {
        let order = r#"{"id":"T1-9","placed":"2026-03-29T09:15:00+02:00","currency":"EUR","total":120,
            "lines":[{"sku":"1","name":"Milk","quantity":1,"unit_price":120}]}"#;
        let by_code = format!(r#"{{"verb":"order","claim_code":"10ZC-M79Y","order":{order}}}"#);
        let Ok(Command::Order { buyer: Buyer::ClaimCode(_), order: till }) =
            serde_json::from_str(&by_code)
        else {
            panic!("{:?}", serde_json::from_str::<Command>(&by_code));
        };
        let order = till.of(CustomerId(uuid::Uuid::from_u128(1)));
        assert_eq!(order.lines[0].amount(), 120);
    }
}
