//! JSON lines: an order a line.

use std::io::{self, BufRead};

use jiff::Timestamp;

use crate::domain::Order;

use super::lines::Lines;
use super::{Imported, Rejected};

pub(super) fn read(input: impl BufRead, now: Timestamp) -> io::Result<Imported> {
    let mut imported = Imported::default();
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next()? {
        if line.text.trim_ascii().is_empty() {
            continue;
        }
        let read = match line.fault {
            Some(fault) => Err(fault.to_owned()),
            None => order(&line.text, now),
        };
        match read {
            Ok(order) => imported.orders.push((order, vec![line.number])),
            Err(reason) => imported.rejected.push(Rejected { line: line.number, reason }),
        }
    }
    Ok(imported)
}

fn order(text: &[u8], now: Timestamp) -> Result<Order, String> {
    let text = std::str::from_utf8(text).map_err(|_| "is not UTF-8".to_owned())?;
    let order: Order = serde_json::from_str(text).map_err(|e| {
        // serde_json counts lines within the text it is given, and a line has one.
        let reason = e.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        format!("is not an order: {reason}, at column {}", e.column())
    })?;
    order.check(now).map_err(|e| e.to_string())?;
    Ok(order)
}
