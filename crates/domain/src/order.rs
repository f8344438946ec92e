//! Orders and their validation.

use std::any::TypeId;

use jiff::{Timestamp, Zoned};
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use schemars::JsonSchema;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::check_text;
use super::{Currency, CustomerId, OrderId, Unit};

/// The quantity of a product, in pieces or units. It is exact, with at most three decimals.
pub type Quantity = Decimal;

/// Maximum number of lines of an order.
pub const MAX_ORDER_LINES: usize = 10_000;
/// Maximum amount of a line, in minor units. The sum of [`MAX_ORDER_LINES`] lines then fits into
/// an `i64`.
const MAX_AMOUNT: i64 = 1_000_000_000_000;
/// Maximum quantity of a line, in pieces or units.
const MAX_QUANTITY: i64 = 1_000_000;
/// Maximum seconds that a till's clock may be ahead of the box's clock. One hour accepts a till that
/// has not switched back from summer time.
const CLOCK_LEAD_SECONDS_MAX: i64 = 3600;

/// A paid basket, or the correction of an order. Amounts are integers in minor units (such as
/// cents), so that sums are exact.
///
/// An order with `replaces` corrects the named order. Without lines, it voids the named order.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[schemars(bound = "", rename = "TillOrder")]
pub struct Order<C: 'static = CustomerId> {
    /// The till's id of the order, unique in the shop.
    pub id: OrderId,
    /// The buyer.
    #[serde(skip_serializing_if = "is_no_customer")]
    #[schemars(skip)]
    pub customer: C,
    /// Time of the purchase, with the time zone of the till.
    #[serde(with = "super::order_time")]
    #[schemars(with = "String")]
    pub placed: Zoned,
    /// Currency of every amount.
    pub currency: Currency,
    /// The lines: at least one, except in an order that voids another order.
    pub lines: Vec<LineItem>,
    /// Total in minor units: the sum of the lines.
    pub total: i64,
    /// Name of the till, if the till sends its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub till: Option<String>,
    /// Id of the order that this order replaces. Both have the same customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<OrderId>,
}

/// An order without its customer. In the `order` command and in a customer's history, a field beside
/// the order contains the customer.
pub type TillOrder = Order<NoCustomer>;

/// The absent customer of a [`TillOrder`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoCustomer;

/// One line of an order: a product, a discount or a deposit.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OrderLine")]
pub struct LineItem {
    /// The shop's article number (SKU).
    pub sku: String,
    /// The product's name at the time of the purchase.
    pub name: String,
    /// Quantity: 0.001 to 1,000,000; in a void line, -1,000,000 to -0.001.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub quantity: Quantity,
    /// Unit of the quantity.
    #[serde(default, skip_serializing_if = "Unit::is_piece")]
    pub unit: Unit,
    /// Price of one piece or unit, in minor units.
    pub unit_price: i64,
    /// True if the line reverses an amount: a cancelled item, a returned deposit or a discount.
    #[serde(rename = "void", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_void: bool,
}

/// Rule that an order or a product violates.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
// The messages document the variants.
#[allow(missing_docs)]
pub enum OrderError {
    #[error("`{0}` is not a currency: use the three capital letters of ISO 4217, such as EUR")]
    Currency(String),
    #[error("`{0}` is not a time with an offset, such as 2026-03-29T09:15:00+02:00")]
    Time(String),
    #[error("`{0}` is not a unit: use piece, kg, g, l, ml or m")]
    Unit(String),
    #[error(
        "`{0}` is not an allergen: use gluten, crustaceans, eggs, fish, peanuts, soybeans, milk, \
         nuts, celery, mustard, sesame, sulphites, lupin or molluscs"
    )]
    Allergen(String),
    #[error("the amounts are in {order}, the shop's currency is {shop}")]
    OtherCurrency { order: Currency, shop: Currency },
    #[error("the order has no lines; only an order that voids another order may have none")]
    Empty,
    #[error("the order has more than {MAX_ORDER_LINES} lines")]
    TooManyLines,
    #[error("{name} is empty, longer than {limit} characters, or has control characters")]
    Text { name: &'static str, limit: usize },
    #[error(
        "the quantity {0} of `{1}` is not valid: use 0.001 to 1,000,000 with at most three decimals"
    )]
    Quantity(Decimal, String),
    #[error("the quantity {0} of `{1}` is below 0; mark the line as void if it reverses an amount")]
    NotVoid(Decimal, String),
    #[error("the void line of `{1}` has the quantity {0}; the quantity of a void line is below 0")]
    Void(Decimal, String),
    #[error("the price {0} of `{1}` is not in 0 to {MAX_AMOUNT}; send a discount as a void line")]
    Price(i64, String),
    #[error(
        "the amount of `{0}`, quantity times price, is above {MAX_AMOUNT} minor units; correct the \
         quantity or the price"
    )]
    Amount(String),
    #[error("the total is {order}, but the lines add up to {lines}")]
    Total { lines: i64, order: i64 },
    #[error("the order's time {0} is in the future; check the till's clock and time zone")]
    Future(Timestamp),
    #[error("the order replaces itself; a correction needs an id of its own")]
    ReplacesItself,
}

impl OrderId {
    /// Rejects an id that is not 1 to 64 printable characters.
    ///
    /// # Errors
    /// If the id is invalid.
    pub fn check(&self) -> Result<(), OrderError> {
        check_text("the order id", &self.0, 64)
    }
}

impl LineItem {
    /// Computes quantity times unit price in minor units, rounded half away from zero as tills do.
    pub fn amount(&self) -> i64 {
        // The amount overflows only if `check` rejects the line.
        self.quantity
            .checked_mul(Decimal::from(self.unit_price))
            .map(|amount| amount.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero))
            .and_then(|amount| amount.to_i64())
            .unwrap_or(i64::MAX)
    }

    /// Validates the fields of the line.
    ///
    /// # Errors
    /// Returns the first rule that the line violates.
    pub fn check(&self) -> Result<(), OrderError> {
        check_text("a sku", &self.sku, 64)?;
        check_text("a product name", &self.name, 200)?;
        let quantity = self.quantity.normalize();
        let is_quantity_valid = !quantity.is_zero()
            && quantity.scale() <= 3
            && quantity.abs() <= Decimal::from(MAX_QUANTITY);
        let error = match (self.is_void, quantity.is_sign_negative()) {
            _ if !is_quantity_valid => OrderError::Quantity,
            (false, true) => OrderError::NotVoid,
            (true, false) => OrderError::Void,
            _ if !(0..=MAX_AMOUNT).contains(&self.unit_price) => {
                return Err(OrderError::Price(self.unit_price, self.sku.clone()));
            }
            _ if !(-MAX_AMOUNT..=MAX_AMOUNT).contains(&self.amount()) => {
                return Err(OrderError::Amount(self.sku.clone()));
            }
            _ => return Ok(()),
        };
        Err(error(self.quantity, self.sku.clone()))
    }
}

impl<C> Order<C> {
    /// Validates the order without comparing it with stored orders. `placed` may be at most one hour
    /// after `now`. If the shop has set a currency, the order must be in `shop_currency`.
    ///
    /// # Errors
    /// Returns the first rule that the order violates.
    pub fn check(&self, now: Timestamp, shop_currency: Option<Currency>) -> Result<(), OrderError> {
        self.id.check()?;
        if let Some(till) = &self.till {
            check_text("the till's name", till, 64)?;
        }
        if let Some(replaced) = &self.replaces {
            replaced.check()?;
            if *replaced == self.id {
                return Err(OrderError::ReplacesItself);
            }
        }
        if let Some(shop) = shop_currency.filter(|shop| *shop != self.currency) {
            return Err(OrderError::OtherCurrency { order: self.currency, shop });
        }
        if self.lines.is_empty() && self.replaces.is_none() {
            return Err(OrderError::Empty);
        }
        if self.lines.len() > MAX_ORDER_LINES {
            return Err(OrderError::TooManyLines);
        }
        self.lines.iter().try_for_each(LineItem::check)?;
        let lines = self.sum_of_lines();
        if lines != self.total {
            return Err(OrderError::Total { lines, order: self.total });
        }
        let placed = self.placed.timestamp();
        if placed.as_second() > now.as_second().saturating_add(CLOCK_LEAD_SECONDS_MAX) {
            return Err(OrderError::Future(placed));
        }
        Ok(())
    }

    /// Returns the sum of the lines in minor units.
    pub fn sum_of_lines(&self) -> i64 {
        self.lines.iter().map(LineItem::amount).fold(0, i64::saturating_add)
    }

    /// Returns true if the order only voids another order.
    pub fn is_void(&self) -> bool {
        self.lines.is_empty()
    }

    /// Replaces the customer of the order.
    pub fn with_customer<D>(self, customer: D) -> Order<D> {
        let Self { id, customer: _, placed, currency, lines, total, till, replaces } = self;
        Order { id, customer, placed, currency, lines, total, till, replaces }
    }
}

fn is_no_customer<C: 'static>(_: &C) -> bool {
    TypeId::of::<C>() == TypeId::of::<NoCustomer>()
}

impl Serialize for NoCustomer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

/// Accepts null and an absent field, which serde presents as `None`. Rejects all other values.
impl<'de> Deserialize<'de> for NoCustomer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<IgnoredAny>::deserialize(deserializer)? {
            None => Ok(Self),
            Some(_) => Err(D::Error::custom("name the customer beside the order, not in it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::parse_order_time;

    const NOW: i64 = 1_800_000_000;

    fn order() -> Order {
        Order {
            id: OrderId("T1-1".into()),
            customer: CustomerId(uuid::Uuid::from_u128(7)),
            placed: parse_order_time("2026-03-29T09:15:00+02:00").unwrap(),
            currency: "EUR".parse().unwrap(),
            lines: vec![LineItem {
                sku: "4001".into(),
                name: "Pears, loose".into(),
                quantity: "0.345".parse().unwrap(),
                unit: Unit::Kg,
                unit_price: 299,
                is_void: false,
            }],
            total: 103,
            till: None,
            replaces: None,
        }
    }

    fn check(change: impl FnOnce(&mut Order)) -> Result<(), OrderError> {
        let mut order = order();
        change(&mut order);
        order.check(Timestamp::from_second(NOW).unwrap(), None)
    }

    #[test]
    fn amount_of_weighed_goods_rounds_to_the_cent() {
        assert_eq!(order().lines[0].amount(), 103);
        assert_eq!(check(|_| ()), Ok(()));
    }

    #[test]
    fn order_that_violates_a_rule_is_rejected() {
        assert!(matches!(check(|order| order.lines.clear()), Err(OrderError::Empty)));
        assert!(matches!(check(|order| order.total = 104), Err(OrderError::Total { .. })));
        for invalid in ["0", "0.0001", "1000001", "-1000001"] {
            let quantity = invalid.parse().unwrap();
            let result = check(|order| order.lines[0].quantity = quantity);
            assert!(matches!(result, Err(OrderError::Quantity(..))), "{invalid}");
        }
        for invalid in [-1, MAX_AMOUNT + 1] {
            let result = check(|order| order.lines[0].unit_price = invalid);
            assert!(matches!(result, Err(OrderError::Price(..))), "{invalid}");
        }
        assert!(matches!(check(|order| order.id.0.clear()), Err(OrderError::Text { .. })));
        let line = order().lines.remove(0);
        assert!(matches!(
            check(|order| order.lines = vec![line; 10_001]),
            Err(OrderError::TooManyLines)
        ));
    }

    #[test]
    fn high_price_is_accepted_up_to_the_maximum_amount() {
        let priced = |quantity: &str, unit_price, total| {
            check(|order| {
                let line = &mut order.lines[0];
                (line.quantity, line.unit_price) = (quantity.parse().unwrap(), unit_price);
                line.is_void = total < 0;
                order.total = total;
            })
        };
        // A bottle of whisky for 21,990.00 HUF, and for 1,250,000 IDR.
        assert_eq!(priced("1", 2_199_000, 2_199_000), Ok(()));
        assert_eq!(priced("2", 125_000_000, 250_000_000), Ok(()));
        assert_eq!(priced("1", MAX_AMOUNT, MAX_AMOUNT), Ok(()));
        assert_eq!(priced("-1", MAX_AMOUNT, -MAX_AMOUNT), Ok(()));
        let above = Err(OrderError::Amount("4001".into()));
        assert_eq!(priced("1.001", MAX_AMOUNT, MAX_AMOUNT), above);
        assert_eq!(priced("-1000000", MAX_AMOUNT, -MAX_AMOUNT), above);
    }

    #[test]
    fn order_time_may_be_one_hour_ahead() {
        let check_ahead = |seconds| {
            let placed = Timestamp::from_second(NOW + seconds).unwrap().to_zoned(TimeZone::UTC);
            check(|order| order.placed = placed)
        };
        assert_eq!(check_ahead(3600), Ok(()));
        assert!(matches!(check_ahead(3601), Err(OrderError::Future(_))));
    }

    #[test]
    fn negative_quantity_needs_a_void_line() {
        let check_pears = |quantity: &str, is_void| {
            let quantity = quantity.parse().unwrap();
            check(|order| {
                let line = LineItem { quantity, is_void, ..order.lines[0].clone() };
                order.total += line.amount();
                order.lines.push(line);
            })
        };
        assert_eq!(check_pears("-0.345", true), Ok(()));
        assert!(matches!(check_pears("-0.345", false), Err(OrderError::NotVoid(..))));
        assert!(matches!(check_pears("0.345", true), Err(OrderError::Void(..))));
    }

    #[test]
    fn order_without_lines_voids_another() {
        let check_void = |replaces: &str, total| {
            let replaces = Some(OrderId(replaces.into()));
            check(|checked| *checked = Order { lines: Vec::new(), total, replaces, ..order() })
        };
        assert_eq!(check_void("T1-0", 0), Ok(()));
        assert!(matches!(check_void("T1-0", 103), Err(OrderError::Total { .. })));
        assert!(matches!(check_void("T1-1", 0), Err(OrderError::ReplacesItself)));
        assert!(matches!(check_void("", 0), Err(OrderError::Text { .. })));
    }

    #[test]
    fn order_not_in_currency_of_shop_is_rejected() {
        let now = Timestamp::from_second(NOW).unwrap();
        let [eur, usd] = ["EUR", "USD"].map(|code| code.parse::<Currency>().unwrap());
        assert_eq!(order().check(now, Some(eur)), Ok(()));
        let error = order().check(now, Some(usd)).unwrap_err();
        assert_eq!(error.to_string(), "the amounts are in EUR, the shop's currency is USD");
    }

    #[test]
    fn order_round_trips_through_json() {
        let json = serde_json::to_string(&order()).unwrap();
        assert!(json.contains(r#""placed":"2026-03-29T09:15:00+02:00""#), "{json}");
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order());
        for absent in ["void", "till", "replaces"] {
            assert!(!json.contains(absent), "{json}");
        }
    }

    #[test]
    fn till_order_has_no_customer_field() {
        let json = serde_json::to_string(&order().with_customer(NoCustomer)).unwrap();
        assert!(!json.contains("customer"), "{json}");
        let parsed: TillOrder = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed.with_customer(order().customer), order());
        let error = serde_json::from_str::<Order>(&json).unwrap_err().to_string();
        assert!(error.contains("missing field `customer`"), "{error}");
    }
}
