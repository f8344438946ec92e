//! Purchases of a shop, read from CSV or JSON lines.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;

use crate::EvaluateError;

/// Purchases of a shop.
#[derive(Default)]
pub struct Purchases {
    customers: Names,
    orders: Names,
    products: Names,
    /// Valid lines.
    pub(super) lines: Vec<Line>,
    /// Invalid lines: number, from 1, and reason.
    pub rejected: Vec<(u64, String)>,
}

/// Valid line of the file: a product of an order.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub customer: u32,
    pub order: u32,
    pub product: u32,
    pub time: PurchaseTime,
}

/// Time of a purchase, with the precision of the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct PurchaseTime {
    /// Seconds since 1970, UTC.
    pub epoch_seconds: i64,
    /// Offset of the shop's clock from UTC in seconds.
    pub utc_offset_seconds: i32,
    /// True if the file contains the time of day.
    pub has_time_of_day: bool,
}

/// Names with their indices.
#[derive(Default)]
struct Names {
    indices: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Names {
    /// Returns the index of a name, which is added if it is new.
    fn index_of(&mut self, name: &str) -> u32 {
        if let Some(index) = self.indices.get(name) {
            return *index;
        }
        let index = u32::try_from(self.names.len()).expect("a file has fewer than 2^32 names");
        self.indices.insert(name.into(), index);
        self.names.push(name.into());
        index
    }
}

/// Line of a JSON lines file; other fields are ignored.
#[derive(Deserialize)]
struct JsonLine {
    customer: JsonField,
    order: Option<JsonField>,
    time: JsonField,
    product: JsonField,
}

/// Field that is text or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum JsonField {
    Text(String),
    Number(serde_json::Number),
}

impl JsonField {
    /// Returns the field as text.
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Size of the read buffer in bytes.
const READ_BUFFER_SIZE: usize = 1 << 18;

impl Purchases {
    /// Reads a file: JSON lines if its name ends in `.jsonl`, `.ndjson` or `.json`, otherwise CSV with
    /// a header.
    ///
    /// The columns are `customer`, `order`, `time` and `product`; other columns are
    /// ignored. Without `order`, the purchases of a customer at the same time form an order.
    ///
    /// # Errors
    /// If the file cannot be read or lacks a column. Invalid lines are
    /// [rejected](Self::rejected) and skipped.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let read_error = |source| EvaluateError::Read { path: path.to_owned(), source };
        let file =
            BufReader::with_capacity(READ_BUFFER_SIZE, File::open(path).map_err(read_error)?);
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("jsonl" | "ndjson" | "json")) {
            Self::json_lines(file).map_err(read_error)
        } else {
            Self::csv(file)
                .map_err(|reason| EvaluateError::Protocol { path: path.to_owned(), reason })
        }
    }

    /// Reads JSON lines.
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
                |JsonLine { customer, order, time, product }| {
                    let order = order.map(JsonField::into_text);
                    let [customer, time, product] =
                        [customer, time, product].map(JsonField::into_text);
                    purchases.add(&customer, order.as_deref(), &time, &product)
                },
            );
            if let Err(reason) = added {
                purchases.rejected.push((number, reason));
            }
        }
        Ok(purchases)
    }

    /// Reads CSV.
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
            let field = |index: usize, name: &str| {
                let bytes = record.get(index).ok_or_else(|| format!("`{name}` is missing"))?;
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
                purchases.rejected.push((line, reason));
            }
        }
        Ok(purchases)
    }

    /// Adds a line, or returns the reason why it is invalid.
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
        let time = parse_time(time)?;
        self.lines.push(Line {
            customer: self.customers.index_of(customer),
            order: self.orders.index_of(order),
            product: self.products.index_of(product),
            time,
        });
        Ok(())
    }

    /// Returns the name of an order in the file.
    pub(super) fn order(&self, order: u32) -> &str {
        &self.orders.names[order as usize]
    }

    /// Returns the name of a product in the file.
    pub(super) fn product(&self, product: u32) -> &str {
        &self.products.names[product as usize]
    }
}

impl PurchaseTime {
    /// Returns the time on the shop's clock.
    pub fn zoned(self) -> Zoned {
        let offset = jiff::tz::Offset::from_seconds(self.utc_offset_seconds);
        let timestamp = Timestamp::from_second(self.epoch_seconds);
        let zone = TimeZone::fixed(offset.unwrap_or(jiff::tz::Offset::UTC));
        timestamp.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone)
    }
}

/// Number of seconds in a day.
const DAY_SECONDS: i64 = 86_400;
/// Least number that is a time in seconds; smaller numbers are sequence numbers of orders.
const EPOCH_SECONDS_MIN: i64 = 100_000_000;
/// Least number that is a time in milliseconds.
const EPOCH_MILLISECONDS_MIN: i64 = 100_000_000_000;
/// Maximum number of characters of an invalid time that its error quotes.
const QUOTED_CHARACTERS_MAX: usize = 40;
/// Length of a date without a time, in characters.
const DATE_LENGTH: usize = 10;

/// Parses a time: with an offset, without an offset (in UTC), a date, seconds or milliseconds since
/// 1970, or the sequence number of the order. Successive sequence numbers are one week apart.
fn parse_time(text: &str) -> Result<PurchaseTime, String> {
    let invalid = || {
        let start: String = text.chars().take(QUOTED_CHARACTERS_MAX).collect();
        format!(
            "`{start}` is not a time: use 2026-03-29T09:15:00+02:00, 2026-03-29 09:15:00, \
             2026-03-29, seconds since 1970, or the sequence number of the order"
        )
    };
    let utc = |epoch_seconds, has_time_of_day| PurchaseTime {
        epoch_seconds,
        utc_offset_seconds: 0,
        has_time_of_day,
    };
    if let Ok(number) = text.parse::<i64>() {
        return match number {
            EPOCH_MILLISECONDS_MIN.. => Timestamp::from_millisecond(number)
                .map(|t| utc(t.as_second(), true))
                .map_err(|_| invalid()),
            EPOCH_SECONDS_MIN.. => Ok(utc(number, true)),
            0.. => Ok(utc(number * 7 * DAY_SECONDS + DAY_SECONDS / 2, false)),
            _ => Err(invalid()),
        };
    }
    if let Ok(pieces) = jiff::fmt::temporal::Pieces::parse(text)
        && let Some(offset) = pieces.to_numeric_offset()
    {
        // The suffix `Z` leaves the offset of the shop unknown; UTC is used.
        let timestamp: Timestamp = text.parse().map_err(|_| invalid())?;
        return Ok(PurchaseTime {
            epoch_seconds: timestamp.as_second(),
            utc_offset_seconds: offset.seconds(),
            has_time_of_day: true,
        });
    }
    let on_utc_clock = |time: DateTime, has_time_of_day| {
        let zoned = time.to_zoned(TimeZone::UTC).map_err(|_| invalid())?;
        Ok(utc(zoned.timestamp().as_second(), has_time_of_day))
    };
    // `DateTime` would parse a date as midnight; here, a date without a time counts as noon.
    if text.len() <= DATE_LENGTH {
        let date: Date = text.parse().map_err(|_| invalid())?;
        return on_utc_clock(date.at(12, 0, 0, 0), false);
    }
    on_utc_clock(text.parse::<DateTime>().map_err(|_| invalid())?, true)
}
