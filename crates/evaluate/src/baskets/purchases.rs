//! Reads a shop's purchases: who bought what in which order and when.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;

use crate::EvaluateError;

/// Purchases as they stand in a file.
#[derive(Default)]
pub struct Purchases {
    customers: Names,
    orders: Names,
    products: Names,
    /// Each line that was understood.
    pub(super) lines: Vec<Line>,
    /// Lines that were not: their number, from 1, and why.
    pub refused: Vec<(u64, String)>,
}

/// One product of an order.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub customer: u32,
    pub order: u32,
    pub product: u32,
    pub when: When,
}

/// A moment as exact as the file tells it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct When {
    /// Seconds since 1970, UTC.
    pub second: i64,
    /// What the shop's clock is ahead of UTC, in seconds.
    pub ahead: i32,
    /// Whether the time of the day is known.
    pub exact: bool,
}

/// Texts by number.
#[derive(Default)]
struct Names {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Names {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).expect("no file names 2^32 things");
        self.numbers.insert(text.into(), number);
        self.texts.push(text.into());
        number
    }
}

/// A line of a file of JSON lines; other fields are left alone.
#[derive(Deserialize)]
struct Fields {
    customer: Field,
    order: Option<Field>,
    time: Field,
    product: Field,
}

/// A field that may be written as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Text(String),
    Number(serde_json::Number),
}

impl Field {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Purchases {
    /// Reads a file: JSON lines if it is called so (`.jsonl`, `.ndjson`, `.json`), else CSV with a
    /// header. Columns: `customer`, `order`, `time`, `product`; others are left alone. Without
    /// `order`, what a customer bought at one time is an order.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a column. Lines that cannot be understood are
    /// [refused](Self::refused) and left out.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let failed = |source| EvaluateError::Read { path: path.to_owned(), source };
        let file = BufReader::with_capacity(1 << 18, File::open(path).map_err(failed)?);
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if matches!(ending, "jsonl" | "ndjson" | "json") {
            Self::json_lines(file).map_err(failed)
        } else {
            Self::csv(file)
                .map_err(|reason| EvaluateError::Protocol { path: path.to_owned(), reason })
        }
    }

    pub(super) fn json_lines(mut file: impl BufRead) -> std::io::Result<Self> {
        let mut purchases = Self::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if file.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let added = serde_json::from_slice(&line).map_err(|e| e.to_string()).and_then(
                |Fields { customer, order, time, product }| {
                    let order = order.map(Field::text);
                    purchases.add(&customer.text(), order.as_deref(), &time.text(), &product.text())
                },
            );
            if let Err(reason) = added {
                purchases.refused.push((number, reason));
            }
        }
        Ok(purchases)
    }

    pub(super) fn csv(file: impl Read) -> Result<Self, String> {
        let mut purchases = Self::default();
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
        let header = reader.headers().map_err(|e| e.to_string())?.clone();
        let column = |name: &str| header.iter().position(|h| h.eq_ignore_ascii_case(name));
        let required = |name| column(name).ok_or_else(|| format!("the header lacks `{name}`"));
        let (customer, time, product) =
            (required("customer")?, required("time")?, required("product")?);
        let order = column("order");
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|e| e.to_string())? {
            let field = |place: usize, name: &str| {
                let bytes = record.get(place).ok_or_else(|| format!("has no `{name}`"))?;
                std::str::from_utf8(bytes).map_err(|_| format!("`{name}` is not UTF-8"))
            };
            let added = (|| {
                let order = order.map(|order| field(order, "order")).transpose()?;
                purchases.add(
                    field(customer, "customer")?,
                    order,
                    field(time, "time")?,
                    field(product, "product")?,
                )
            })();
            if let Err(reason) = added {
                let line = record.position().map_or(0, csv::Position::line);
                purchases.refused.push((line, reason));
            }
        }
        Ok(purchases)
    }

    fn add(
        &mut self,
        customer: &str,
        order: Option<&str>,
        time: &str,
        product: &str,
    ) -> Result<(), String> {
        let order = order.unwrap_or(time);
        for (name, text) in [("customer", customer), ("order", order), ("product", product)] {
            if text.is_empty() {
                return Err(format!("`{name}` is empty"));
            }
        }
        let when = when(time)?;
        self.lines.push(Line {
            customer: self.customers.number(customer),
            order: self.orders.number(order),
            product: self.products.number(product),
            when,
        });
        Ok(())
    }

    /// What the file calls an order.
    pub(super) fn order(&self, order: u32) -> &str {
        &self.orders.texts[order as usize]
    }

    /// What the file calls a product.
    pub(super) fn product(&self, product: u32) -> &str {
        &self.products.texts[product as usize]
    }
}

impl When {
    /// The moment on the shop's clock.
    pub fn zoned(self) -> Zoned {
        let offset = jiff::tz::Offset::from_seconds(self.ahead).unwrap_or(jiff::tz::Offset::UTC);
        let timestamp = Timestamp::from_second(self.second).unwrap_or(Timestamp::UNIX_EPOCH);
        timestamp.to_zoned(TimeZone::fixed(offset))
    }
}

/// Seconds of a day and of half of one.
const DAY: i64 = 86_400;
const NOON: i64 = DAY / 2;
/// Numbers from here on are seconds since 1970, from the second one on milliseconds; smaller ones
/// number a customer's orders.
const SECONDS: i64 = 100_000_000;
const MILLISECONDS: i64 = 100_000_000_000;

/// Understands a time: with a zone's offset, without one (then on a clock in UTC), a date, seconds
/// or milliseconds since 1970, or the number of the order, as if the customer came once a week.
fn when(text: &str) -> Result<When, String> {
    let wrong = || {
        let start: String = text.chars().take(40).collect();
        format!(
            "`{start}` is no time: use 2026-03-29T09:15:00+02:00, 2026-03-29 09:15:00, \
             2026-03-29, seconds since 1970 or the number of the order"
        )
    };
    let utc = |second, exact| When { second, ahead: 0, exact };
    if let Ok(number) = text.parse::<i64>() {
        return match number {
            MILLISECONDS.. => Timestamp::from_millisecond(number).map(|t| utc(t.as_second(), true)),
            SECONDS.. => Ok(utc(number, true)),
            0.. => Ok(utc(number * 7 * DAY + NOON, false)),
            _ => return Err(wrong()),
        }
        .map_err(|_| wrong());
    }
    if let Ok(pieces) = jiff::fmt::temporal::Pieces::parse(text)
        && let Some(offset) = pieces.to_numeric_offset()
    {
        let timestamp: Timestamp = text.parse().map_err(|_| wrong())?;
        // `Z` says nothing of the shop's clock; UTC is as good as any.
        return Ok(When { second: timestamp.as_second(), ahead: offset.seconds(), exact: true });
    }
    let on_clock = |time: DateTime, exact| {
        let zoned = time.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
        Ok(utc(zoned.timestamp().as_second(), exact))
    };
    // A date alone would be understood as one at midnight.
    if text.len() <= 10 {
        let date: Date = text.parse().map_err(|_| wrong())?;
        return on_clock(date.at(12, 0, 0, 0), false);
    }
    on_clock(text.parse::<DateTime>().map_err(|_| wrong())?, true)
}
