//! Entry points of the fuzz targets in `fuzz/`: files of orders and products.
//!
//! Each entry of a file is valid, or names the lines that are not. A valid entry is preserved when it
//! is written as JSON and read again.

use std::collections::BTreeSet;
use std::fmt::Debug;

use instored_domain::fuzzing::json;
use instored_domain::{Order, Product};
use jiff::Timestamp;
use serde::Serialize;

use crate::{Entries, Entry, Format, ImportError, OrderRules, read_orders, read_products};

/// Current time of the validation rules: 15 January 2027.
const NOW_SECOND: i64 = 1_800_000_000;

/// Maximum length of the reason for the rejection of a line, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// Maximum length of a line of JSON, in bytes.
const JSON_LINE_BYTES_MAX: usize = 64 * 1024;

/// Reads a CSV file of orders. The first byte selects the header. Returns true if an order is valid.
pub fn order_csv(data: &[u8]) -> bool {
    let file = with_header(
        data,
        "customer,order,placed,currency,sku,name,quantity,unit_price",
        "customer,order,placed,currency,sku,name,quantity,unit_price,unit,void,total,till,replaces",
    );
    check_orders(&file, Format::Csv)
}

/// Reads a CSV file of products. The first byte selects the header. Returns true if a product is valid.
pub fn product_csv(data: &[u8]) -> bool {
    let all = "sku,name,category,available,age_restricted,allergens";
    check_products(&with_header(data, "sku,name", all), Format::Csv)
}

/// Reads JSON lines: orders if the first byte is even, products otherwise. The rest of the data is the
/// file, or one line, see [`json`]. Returns true if a line is valid.
pub fn json_lines(data: &[u8]) -> bool {
    let order_keys = ["id", "customer", "placed", "currency", "lines", "total", "till", "replaces"];
    let product_keys = ["sku", "name", "category", "available", "age_restricted", "allergens"];
    match data.split_first() {
        Some((selector, file)) if selector % 2 == 0 => {
            check_orders(&json(&order_keys, file), Format::JsonLines)
        }
        Some((_, file)) => check_products(&json(&product_keys, file), Format::JsonLines),
        None => false,
    }
}

/// Returns a file with the header that the first byte of `data` selects: the required columns, all
/// columns, all columns with semicolons, or no header other than the one in `data`.
fn with_header(data: &[u8], required: &str, all: &str) -> Vec<u8> {
    let Some((selector, records)) = data.split_first() else { return Vec::new() };
    let header = match selector % 4 {
        0 => required.to_owned(),
        1 => all.to_owned(),
        2 => all.replace(',', ";"),
        _ => return records.to_vec(),
    };
    [header.as_bytes(), b"\n", records].concat()
}

fn rules() -> OrderRules {
    let now = Timestamp::from_second(NOW_SECOND).expect("a time");
    OrderRules { now, currency: None }
}

fn check_orders(file: &[u8], format: Format) -> bool {
    let read = |file| read_orders(file, format, rules());
    let orders = check_file::<Order>(file, format, read);
    for order in &orders {
        assert_eq!(order.check(rules().now, None), Ok(()));
        check_json(order, |line| read_orders(line, Format::JsonLines, rules()));
    }
    !orders.is_empty()
}

fn check_products(file: &[u8], format: Format) -> bool {
    let products = check_file::<Product>(file, format, |file| read_products(file, format));
    for product in &products {
        assert_eq!(product.check(), Ok(()));
        check_json(product, |line| read_products(line, Format::JsonLines));
    }
    !products.is_empty()
}

/// Reads a file, checks that it reports every line once, and returns its valid entries.
fn check_file<'a, T>(
    file: &'a [u8],
    format: Format,
    read: impl FnOnce(&'a [u8]) -> Result<Entries<'a, T>, ImportError>,
) -> Vec<T> {
    let Ok(entries) = read(file) else { return Vec::new() };
    let (mut valid, mut reported) = (Vec::new(), BTreeSet::new());
    let mut is_complete = true;
    for entry in entries {
        let lines = match entry {
            Ok(Entry::Accepted(value, lines)) => {
                valid.push(value);
                lines
            }
            Ok(Entry::Rejected(rejected)) => {
                let reason = &rejected.reason;
                assert!(!reason.is_empty() && reason.len() <= REASON_BYTES_MAX, "{reason}");
                assert!(!reason.contains(char::is_control), "{reason:?}");
                vec![rejected.line]
            }
            Err(_) => {
                is_complete = false;
                continue;
            }
        };
        for line in lines {
            assert!(reported.insert(line), "line {line} is reported twice");
        }
    }
    let lines = filled_lines(file);
    assert!(reported.iter().all(|line| lines.contains(line)), "{reported:?} of {lines:?}");
    // A quoted field may contain line ends, so that some lines have no record of their own.
    if is_complete && (format == Format::JsonLines || !file.contains(&b'"')) {
        let header = usize::from(format == Format::Csv);
        assert!(lines.iter().skip(header).eq(&reported), "{reported:?} of {lines:?}");
    }
    valid
}

/// Returns the numbers of the lines that are not blank.
fn filled_lines(file: &[u8]) -> BTreeSet<u64> {
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let lines = (1..).zip(file.split(|byte| *byte == b'\n'));
    lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(number, _)| number).collect()
}

/// Checks that a value is preserved when it is written as JSON and read again.
fn check_json<T: Serialize + PartialEq + Debug>(
    value: &T,
    read: impl FnOnce(&[u8]) -> Result<Entries<'_, T>, ImportError>,
) {
    let line = serde_json::to_vec(value).expect("orders and products can be encoded");
    if line.len() > JSON_LINE_BYTES_MAX {
        return;
    }
    let mut entries = read(&line).expect("JSON lines have no header");
    let entry = entries.next().expect("an entry").expect("memory can be read");
    let Entry::Accepted(again, lines) = entry else { panic!("{value:?}: {entry:?}") };
    assert_eq!((&again, lines), (value, vec![1]));
    // Times are equal in different time zones, but their text is not.
    assert_eq!(serde_json::to_vec(&again).expect("as before"), line);
    assert!(entries.next().is_none());
}
