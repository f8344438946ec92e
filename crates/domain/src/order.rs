//! What a customer bought.

use std::any::TypeId;
use std::fmt;
use std::str::FromStr;

use jiff::{Timestamp, Zoned};
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use schemars::JsonSchema;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CustomerId, OrderId};

/// How much of a product: pieces or units, exact, with at most three decimals.
pub type Quantity = Decimal;

/// A paid basket, or what takes the place of one. Amounts are whole minor units (cents), so that
/// sums are exact.
///
/// An order that [`replaces`](Self::replaces) another corrects it; with no lines it makes it void.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[schemars(bound = "", rename = "TillOrder")]
pub struct Order<Buyer: 'static = CustomerId> {
    /// The till's name of it, unique in the shop.
    pub id: OrderId,
    /// Who bought it.
    #[serde(skip_serializing_if = "names_nobody")]
    #[schemars(skip)]
    pub customer: Buyer,
    /// When, with the zone of the till.
    #[serde(with = "order_time")]
    #[schemars(with = "String")]
    pub placed: Zoned,
    /// Currency of every amount.
    pub currency: Currency,
    /// What was bought; at least one line, except in a void.
    pub lines: Vec<OrderLine>,
    /// Total in minor units: the sum of the lines.
    pub total: i64,
    /// The till, when it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub till: Option<String>,
    /// The order of the same customer whose place this one takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<OrderId>,
}

/// An order that does not say whose it is, since that stands beside it: as a till sends it, and in
/// a customer's own history.
pub type TillOrder = Order<Unnamed>;

/// The buyer of a [`TillOrder`]: the field is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unnamed;

/// One product of a basket.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderLine {
    /// The shop's article number.
    pub sku: String,
    /// The product's name at the time.
    pub name: String,
    /// How many, or how much: 0.001 to 1,000,000, or as much below 0 in a void line.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub quantity: Quantity,
    /// Of what.
    #[serde(default, skip_serializing_if = "Unit::is_piece")]
    pub unit: Unit,
    /// Price of one, in minor units.
    pub unit_price: i64,
    /// Whether this line takes back: something keyed in by mistake, a deposit, a discount.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
}

/// What a quantity counts.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    JsonSchema,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Unit {
    #[default]
    Piece,
    Kg,
    G,
    L,
    Ml,
    M,
}

/// A currency of ISO 4217 in which prices can be written, such as EUR.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

/// Why something is not an order, or not a product.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
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
    #[error(
        "the order has no lines; only one that replaces another, to make it void, may have none"
    )]
    Empty,
    #[error("the order has more than {MAX_ORDER_LINES} lines")]
    TooManyLines,
    #[error("{what} is empty, longer than {limit} characters, or has control characters")]
    Text { what: &'static str, limit: usize },
    #[error(
        "the quantity {0} of `{1}` is not above 0 with at most three decimals, and below 1,000,000"
    )]
    Quantity(Decimal, String),
    #[error(
        "the quantity {0} of `{1}` is below 0; a line that takes back has to be marked as void"
    )]
    NotVoid(Decimal, String),
    #[error("the void line of `{1}` has the quantity {0}; what it takes back is written below 0")]
    Void(Decimal, String),
    #[error("the price {0} of `{1}` is below 0 or too large; a discount is a void line of its own")]
    Price(i64, String),
    #[error("the lines add up to {lines}, the order says {order}")]
    Total { lines: i64, order: i64 },
    #[error("the order is dated {0}, which has not come yet; is the till's clock or zone right?")]
    Future(Timestamp),
    #[error("the order replaces itself; a correction has an id of its own")]
    ReplacesItself,
}

/// No shop sells a line worth more; keeps every sum far inside 64 bits.
const MAX_AMOUNT: i64 = 1_000_000_000_000;
const MAX_QUANTITY: i64 = 1_000_000;
/// The most lines that an order may have.
pub const MAX_ORDER_LINES: usize = 10_000;
/// How far a till's clock may be ahead of the box's, in seconds: an hour, for the one that missed
/// the end of summer time.
const CLOCK_GRACE: i64 = 3600;

impl OrderId {
    /// Checks that it names an order: 1 to 64 characters.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<(), OrderError> {
        text("the order id", &self.0, 64)
    }
}

impl OrderLine {
    /// Quantity times price, rounded half away from zero to a minor unit, as tills do.
    pub fn amount(&self) -> i64 {
        // Only a line that no check has passed can overflow.
        self.quantity
            .checked_mul(Decimal::from(self.unit_price))
            .map(|amount| amount.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero))
            .and_then(|amount| amount.to_i64())
            .unwrap_or(MAX_AMOUNT)
    }

    /// Checks everything that can be checked without knowing the order.
    ///
    /// # Errors
    /// The first rule that the line breaks.
    pub fn check(&self) -> Result<(), OrderError> {
        text("a sku", &self.sku, 64)?;
        text("a product name", &self.name, 200)?;
        let quantity = self.quantity.normalize();
        let wrong = match (self.void, quantity.is_sign_negative()) {
            _ if quantity.is_zero() || quantity.scale() > 3 => OrderError::Quantity,
            _ if quantity.abs() > Decimal::from(MAX_QUANTITY) => OrderError::Quantity,
            (false, true) => OrderError::NotVoid,
            (true, false) => OrderError::Void,
            (false, false) | (true, true) => {
                return if (0..=MAX_AMOUNT / MAX_QUANTITY).contains(&self.unit_price) {
                    Ok(())
                } else {
                    Err(OrderError::Price(self.unit_price, self.sku.clone()))
                };
            }
        };
        Err(wrong(self.quantity, self.sku.clone()))
    }
}

impl<Buyer> Order<Buyer> {
    /// Checks everything that can be checked without knowing other orders.
    ///
    /// # Errors
    /// The first rule that the order breaks; `now` bounds its date, with an hour's grace for
    /// clocks, and `shop` is the only currency taken, where the shop has set one.
    pub fn check(&self, now: Timestamp, shop: Option<Currency>) -> Result<(), OrderError> {
        self.id.check()?;
        if let Some(till) = &self.till {
            text("the till's name", till, 64)?;
        }
        if let Some(replaced) = &self.replaces {
            replaced.check()?;
            if *replaced == self.id {
                return Err(OrderError::ReplacesItself);
            }
        }
        if let Some(shop) = shop.filter(|shop| *shop != self.currency) {
            return Err(OrderError::OtherCurrency { order: self.currency, shop });
        }
        if self.lines.is_empty() && self.replaces.is_none() {
            return Err(OrderError::Empty);
        }
        if self.lines.len() > MAX_ORDER_LINES {
            return Err(OrderError::TooManyLines);
        }
        self.lines.iter().try_for_each(OrderLine::check)?;
        let lines = self.sum();
        if lines != self.total {
            return Err(OrderError::Total { lines, order: self.total });
        }
        let placed = self.placed.timestamp();
        if placed.as_second() > now.as_second().saturating_add(CLOCK_GRACE) {
            return Err(OrderError::Future(placed));
        }
        Ok(())
    }

    /// What the lines add up to, in minor units.
    pub fn sum(&self) -> i64 {
        self.lines.iter().map(OrderLine::amount).fold(0, i64::saturating_add)
    }

    /// Whether this order only takes another one away.
    pub fn is_void(&self) -> bool {
        self.lines.is_empty()
    }

    /// The same order, bought by `customer`.
    pub fn of<Other>(self, customer: Other) -> Order<Other> {
        let Self { id, customer: _, placed, currency, lines, total, till, replaces } = self;
        Order { id, customer, placed, currency, lines, total, till, replaces }
    }
}

fn names_nobody<Buyer: 'static>(_: &Buyer) -> bool {
    TypeId::of::<Buyer>() == TypeId::of::<Unnamed>()
}

impl Serialize for Unnamed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

/// A field that is not there reads as an option that is none.
impl<'de> Deserialize<'de> for Unnamed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<IgnoredAny>::deserialize(deserializer)? {
            None => Ok(Self),
            Some(_) => Err(D::Error::custom("the customer stands beside the order, not in it")),
        }
    }
}

impl Unit {
    /// The unit's symbol; pieces have none.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Piece => "",
            Self::Kg => "kg",
            Self::G => "g",
            Self::L => "l",
            Self::Ml => "ml",
            Self::M => "m",
        }
    }

    fn is_piece(&self) -> bool {
        *self == Self::Piece
    }
}

impl FromStr for Unit {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        [Self::Kg, Self::G, Self::L, Self::Ml, Self::M]
            .into_iter()
            .find(|unit| unit.symbol() == text)
            .or_else(|| matches!(text, "" | "piece").then_some(Self::Piece))
            .ok_or_else(|| OrderError::Unit(quoted(text)))
    }
}

/// As much of a wrong text as a message can hold, on one line.
pub fn quoted(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Checks a text that people read.
///
/// # Errors
/// When it is blank, longer than `limit` characters or has control characters.
pub(super) fn text(what: &'static str, text: &str, limit: usize) -> Result<(), OrderError> {
    let good = !text.trim().is_empty()
        && text.chars().count() <= limit
        && !text.chars().any(char::is_control);
    if good { Ok(()) } else { Err(OrderError::Text { what, limit }) }
}

/// An order's time as text: `2026-03-29T09:15:00+02:00`, with `[Europe/Berlin]` where the zone is known.
pub(crate) mod order_time {
    use jiff::{Zoned, fmt::temporal::DateTimeParser, tz::TimeZone};
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{OrderError, quoted};

    /// Reads the time. A zone is kept, an offset alone becomes a fixed one; a time without either
    /// is refused, since it names no moment.
    ///
    /// # Errors
    /// When the text is no such time.
    pub fn parse(text: &str) -> Result<Zoned, OrderError> {
        static PARSER: DateTimeParser = DateTimeParser::new();
        let wrong = || OrderError::Time(quoted(text));
        if text.contains('[') {
            return PARSER.parse_zoned(text).map_err(|_| wrong());
        }
        let pieces = PARSER.parse_pieces(text).map_err(|_| wrong())?;
        let offset = pieces.to_numeric_offset().ok_or_else(wrong)?;
        let timestamp = PARSER.parse_timestamp(text).map_err(|_| wrong())?;
        Ok(timestamp.to_zoned(TimeZone::fixed(offset)))
    }

    pub(crate) fn serialize<S: Serializer>(time: &Zoned, serializer: S) -> Result<S::Ok, S::Error> {
        if time.time_zone().iana_name().is_some() {
            serializer.collect_str(time)
        } else {
            serializer.collect_str(&time.timestamp().display_with_offset(time.offset()))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zoned, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl FromStr for Currency {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        // Gold and the like are listed without a minor unit: no price is written in them.
        iso_currency::Currency::from_code(text)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or_else(|| OrderError::Currency(quoted(text)))
    }
}

impl Currency {
    /// An amount of minor units as people read it: `12.34 EUR`, `1234 JPY`.
    pub fn display(self, amount: i64) -> impl fmt::Display {
        let decimals = self.0.exponent().unwrap_or_default();
        format!("{} {self}", Decimal::new(amount, decimals.into()))
    }
}

impl TryFrom<String> for Currency {
    type Error = OrderError;
    fn try_from(text: String) -> Result<Self, OrderError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.to_string()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::order_time::parse as parse_order_time;
    use super::*;
    use jiff::tz::TimeZone;

    const NOW: i64 = 1_800_000_000;

    fn order() -> Order {
        Order {
            id: OrderId("T1-1".into()),
            customer: CustomerId(uuid::Uuid::from_u128(7)),
            placed: parse_order_time("2026-03-29T09:15:00+02:00").unwrap(),
            currency: "EUR".parse().unwrap(),
            lines: vec![OrderLine {
                sku: "4001".into(),
                name: "Pears, loose".into(),
                quantity: "0.345".parse().unwrap(),
                unit: Unit::Kg,
                unit_price: 299,
                void: false,
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
    fn weighed_goods_round_to_the_cent() {
        assert_eq!(order().lines[0].amount(), 103);
        assert_eq!(check(|_| ()), Ok(()));
    }

    #[test]
    fn each_rule_is_held() {
        assert!(matches!(check(|o| o.lines.clear()), Err(OrderError::Empty)));
        assert!(matches!(check(|o| o.total = 104), Err(OrderError::Total { .. })));
        for wrong in ["0", "0.0001", "1000001", "-1000001"] {
            let wrong = wrong.parse().unwrap();
            let checked = check(|o| o.lines[0].quantity = wrong);
            assert!(matches!(checked, Err(OrderError::Quantity(..))), "{wrong}");
        }
        assert!(matches!(check(|o| o.lines[0].unit_price = -1), Err(OrderError::Price(..))));
        assert!(matches!(check(|o| o.id.0.clear()), Err(OrderError::Text { .. })));
        let line = order().lines.remove(0);
        assert!(matches!(check(|o| o.lines = vec![line; 10_001]), Err(OrderError::TooManyLines)));
    }

    #[test]
    fn a_till_may_be_an_hour_ahead_and_no_more() {
        let ahead = |seconds| {
            let placed = Timestamp::from_second(NOW + seconds).unwrap().to_zoned(TimeZone::UTC);
            check(|o| o.placed = placed)
        };
        assert_eq!(ahead(3600), Ok(()));
        assert!(matches!(ahead(3601), Err(OrderError::Future(_))));
    }

    #[test]
    fn only_a_void_line_takes_back() {
        let pears = |quantity: &str, void| {
            let quantity = quantity.parse().unwrap();
            check(|o| {
                let line = OrderLine { quantity, void, ..o.lines[0].clone() };
                o.total += line.amount();
                o.lines.push(line);
            })
        };
        assert_eq!(pears("-0.345", true), Ok(()));
        assert!(matches!(pears("-0.345", false), Err(OrderError::NotVoid(..))));
        assert!(matches!(pears("0.345", true), Err(OrderError::Void(..))));
    }

    #[test]
    fn an_order_without_lines_makes_another_one_void() {
        let void = |replaces: &str, total| {
            let replaces = Some(OrderId(replaces.into()));
            check(|o| *o = Order { lines: Vec::new(), total, replaces, ..order() })
        };
        assert_eq!(void("T1-0", 0), Ok(()));
        assert!(matches!(void("T1-0", 103), Err(OrderError::Total { .. })));
        assert!(matches!(void("T1-1", 0), Err(OrderError::ReplacesItself)));
        assert!(matches!(void("", 0), Err(OrderError::Text { .. })));
    }

    #[test]
    fn a_shop_that_has_set_its_currency_takes_no_other() {
        let now = Timestamp::from_second(NOW).unwrap();
        let [eur, usd] = ["EUR", "USD"].map(|code| code.parse::<Currency>().unwrap());
        assert_eq!(order().check(now, Some(eur)), Ok(()));
        let error = order().check(now, Some(usd)).unwrap_err();
        assert_eq!(error.to_string(), "the amounts are in EUR, the shop's currency is USD");
        for wrong in ["euro", "eur", "EUX", "XAU", "", "€"] {
            assert!(wrong.parse::<Currency>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn amounts_are_written_with_the_currencys_own_minor_unit() {
        let written =
            |code: &str, amount| code.parse::<Currency>().unwrap().display(amount).to_string();
        assert_eq!(written("EUR", 1234), "12.34 EUR");
        assert_eq!(written("EUR", -5), "-0.05 EUR");
        assert_eq!(written("JPY", 1234), "1234 JPY");
        assert_eq!(written("KWD", 1234), "1.234 KWD");
    }

    #[test]
    fn units_are_read_by_their_symbols() {
        for unit in [Unit::Piece, Unit::Kg, Unit::G, Unit::L, Unit::Ml, Unit::M] {
            assert_eq!(unit.symbol().parse(), Ok(unit));
        }
        assert_eq!("piece".parse(), Ok(Unit::Piece));
        assert!(matches!("pound".parse::<Unit>(), Err(OrderError::Unit(_))));
    }

    #[test]
    fn times_need_an_offset_and_keep_their_zone() {
        let summer = parse_order_time("2026-03-29T03:30:00+02:00[Europe/Berlin]").unwrap();
        assert_eq!(summer.timestamp().to_string(), "2026-03-29T01:30:00Z");
        assert_eq!(parse_order_time("2026-03-29T09:15:00Z").unwrap().hour(), 9);
        for wrong in ["2026-03-29", "2026-03-29T09:15:00", "yesterday", ""] {
            assert!(parse_order_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_hour_that_comes_twice_is_told_apart_by_its_offset() {
        let at = |text| parse_order_time(text).unwrap();
        let first = at("2026-10-25T02:30:00+02:00[Europe/Berlin]");
        let second = at("2026-10-25T02:30:00+01:00[Europe/Berlin]");
        assert_eq!(second.timestamp().as_second() - first.timestamp().as_second(), 3600);
        // Half past two was left out in spring, and Berlin was never five hours ahead.
        for wrong in ["2026-03-29T02:30:00+01:00", "2026-03-28T02:30:00+05:00"] {
            assert!(parse_order_time(&format!("{wrong}[Europe/Berlin]")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_order_survives_json() {
        let json = serde_json::to_string(&order()).unwrap();
        assert!(json.contains(r#""placed":"2026-03-29T09:15:00+02:00""#), "{json}");
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order());
        for left_out in ["void", "till", "replaces"] {
            assert!(!json.contains(left_out), "{json}");
        }
    }

    #[test]
    fn a_tills_order_is_an_order_that_names_nobody() {
        let json = serde_json::to_string(&order().of(Unnamed)).unwrap();
        assert!(!json.contains("customer"), "{json}");
        let read: TillOrder = serde_json::from_str(&json).unwrap();
        assert_eq!(read.of(order().customer), order());
        let error = serde_json::from_str::<Order>(&json).unwrap_err().to_string();
        assert!(error.contains("missing field `customer`"), "{error}");
    }
}
