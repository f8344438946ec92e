//! What a customer bought.

use std::fmt;
use std::str::FromStr;

use jiff::{Timestamp, Zoned};

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::{CustomerId, OrderId};

/// How much of a product: pieces or units, exact, with at most three decimals.
pub type Quantity = Decimal;

/// A paid basket. Amounts are whole minor units (cents), so that sums are exact.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The till's name of it, unique in the shop.
    pub id: OrderId,
    /// Who bought it.
    pub customer: CustomerId,
    /// When, with the zone of the till.
    #[serde(with = "order_time")]
    pub placed: Zoned,
    /// Currency of every amount.
    pub currency: Currency,
    /// What was bought; at least one line.
    pub lines: Vec<OrderLine>,
    /// Total in minor units: the sum of the lines.
    pub total: i64,
    /// The till, when it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub till: Option<String>,
}

/// One product of a basket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderLine {
    /// The shop's article number.
    pub sku: String,
    /// The product's name at the time.
    pub name: String,
    /// How many, or how much.
    #[serde(with = "rust_decimal::serde::float")]
    pub quantity: Quantity,
    /// Price of one, in minor units.
    pub unit_price: i64,
}

/// An ISO 4217 code such as EUR.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Why something is not an order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum OrderError {
    #[error("`{0}` is not a currency: use three capital letters, such as EUR")]
    Currency(String),
    #[error("`{0}` is not a time with an offset, such as 2026-03-29T09:15:00+02:00")]
    Time(String),
    #[error("the order has no lines")]
    Empty,
    #[error("{what} is empty or longer than {limit} characters")]
    Text { what: &'static str, limit: usize },
    #[error("the quantity {0} of `{1}` is not above 0 with at most three decimals")]
    Quantity(Decimal, String),
    #[error("the price {0} of `{1}` is below 0 or too large")]
    Price(i64, String),
    #[error("the lines add up to {lines}, the order says {order}")]
    Total { lines: i64, order: i64 },
    #[error("the order is dated {0}, which has not come yet")]
    Future(Timestamp),
}

/// No shop sells a line worth more; keeps every sum far inside 64 bits.
const MAX_AMOUNT: i64 = 1_000_000_000_000;
const MAX_LINES: usize = 10_000;

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
}

impl Order {
    /// Checks everything that can be checked without knowing other orders.
    ///
    /// # Errors
    /// The first rule that the order breaks; `now` bounds its date, with a day's grace for clocks.
    pub fn check(&self, now: Timestamp) -> Result<(), OrderError> {
        text("the order id", &self.id.0, 64)?;
        if let Some(till) = &self.till {
            text("the till's name", till, 64)?;
        }
        if self.lines.is_empty() {
            return Err(OrderError::Empty);
        }
        if self.lines.len() > MAX_LINES {
            return Err(OrderError::Text { what: "the list of lines", limit: MAX_LINES });
        }
        for line in &self.lines {
            text("a sku", &line.sku, 64)?;
            text("a product name", &line.name, 200)?;
            let quantity = line.quantity.normalize();
            if quantity <= Decimal::ZERO
                || quantity.scale() > 3
                || quantity > Decimal::from(1_000_000)
            {
                return Err(OrderError::Quantity(line.quantity, line.sku.clone()));
            }
            if !(0..=MAX_AMOUNT / 1_000_000).contains(&line.unit_price) {
                return Err(OrderError::Price(line.unit_price, line.sku.clone()));
            }
        }
        let lines = self.lines.iter().map(OrderLine::amount).fold(0, i64::saturating_add);
        if lines != self.total {
            return Err(OrderError::Total { lines, order: self.total });
        }
        let placed = self.placed.timestamp();
        if placed.as_second() > now.as_second().saturating_add(86_400) {
            return Err(OrderError::Future(placed));
        }
        Ok(())
    }
}

fn text(what: &'static str, text: &str, limit: usize) -> Result<(), OrderError> {
    let good = !text.trim().is_empty()
        && text.chars().count() <= limit
        && !text.chars().any(char::is_control);
    if good { Ok(()) } else { Err(OrderError::Text { what, limit }) }
}

/// An order's time as text: `2026-03-29T09:15:00+02:00`, with `[Europe/Berlin]` where the zone is known.
pub(crate) mod order_time {
    use jiff::{Zoned, fmt::temporal::DateTimeParser, tz::TimeZone};
    use serde::{Deserialize, Deserializer, Serializer};

    use super::OrderError;

    /// Reads the time. A zone is kept, an offset alone becomes a fixed one; a time without either
    /// is refused, since it names no moment.
    ///
    /// # Errors
    /// When the text is no such time.
    pub fn parse(text: &str) -> Result<Zoned, OrderError> {
        static PARSER: DateTimeParser = DateTimeParser::new();
        let wrong = || OrderError::Time(text.chars().take(64).collect());
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
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(OrderError::Currency(text.chars().take(16).collect())),
        }
    }
}

impl Currency {
    /// An amount of minor units as people read it: `12.34 EUR`, `1234 JPY` (ISO 4217's exponents).
    pub fn display(self, amount: i64) -> impl fmt::Display {
        let digits = match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        };
        format!("{} {self}", Decimal::new(amount, digits))
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
        f.write_str(std::str::from_utf8(&self.0).map_err(|_| fmt::Error)?)
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
                unit_price: 299,
            }],
            total: 103,
            till: None,
        }
    }
    const NOW: i64 = 1_800_000_000;

    fn check(change: impl FnOnce(&mut Order)) -> Result<(), OrderError> {
        let mut order = order();
        change(&mut order);
        order.check(Timestamp::from_second(NOW).unwrap())
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
        assert!(matches!(
            check(|o| o.lines[0].quantity = Decimal::NEGATIVE_ONE),
            Err(OrderError::Quantity(..))
        ));
        assert!(matches!(check(|o| o.lines[0].unit_price = -1), Err(OrderError::Price(..))));
        assert!(matches!(check(|o| o.id.0.clear()), Err(OrderError::Text { .. })));
        let future = Timestamp::from_second(NOW + 90_000).unwrap().to_zoned(TimeZone::UTC);
        assert!(matches!(check(|o| o.placed = future), Err(OrderError::Future(_))));
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
    fn times_need_an_offset_and_keep_their_zone() {
        let summer = parse_order_time("2026-03-29T03:30:00+02:00[Europe/Berlin]").unwrap();
        assert_eq!(summer.timestamp().to_string(), "2026-03-29T01:30:00Z");
        assert_eq!(parse_order_time("2026-03-29T09:15:00Z").unwrap().hour(), 9);
        for wrong in ["2026-03-29", "2026-03-29T09:15:00", "yesterday", ""] {
            assert!(parse_order_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_order_survives_json() {
        let json = serde_json::to_string(&order()).unwrap();
        assert!(json.contains(r#""placed":"2026-03-29T09:15:00+02:00""#), "{json}");
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order());
    }
}
