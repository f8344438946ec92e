//! Records of a CSV file of orders. Each record has the data of its order and one line item.

use std::io::BufRead;

use instored_domain::{
    Currency, CustomerId, LineItem, OrderError, OrderId, Quantity, Unit, parse_order_time,
};
use jiff::Zoned;

use super::ImportError;
use super::csv_reader::{Column, CsvReader, Header, Record};

/// Names of the columns, for error messages.
const COLUMNS: &str = "customer, order, placed, currency, sku, name, quantity, unit_price; optional \
                       columns: unit, void, total, till, replaces";

pub(super) struct OrderColumns {
    customer: Column,
    order: Column,
    placed: Column,
    currency: Column,
    sku: Column,
    name: Column,
    quantity: Column,
    unit_price: Column,
    unit: Column,
    void: Column,
    total: Column,
    till: Column,
    replaces: Column,
}

/// Parsed record.
pub(super) struct ParsedRecord {
    pub(super) head: OrderHead,
    /// The line item. It is absent in an order that voids another one.
    pub(super) item: Option<LineItem>,
}

/// The data of an order that all its records repeat.
#[derive(PartialEq)]
pub(super) struct OrderHead {
    pub(super) customer: CustomerId,
    pub(super) placed: Zoned,
    pub(super) currency: Currency,
    pub(super) total: Option<i64>,
    pub(super) till: Option<String>,
    pub(super) replaces: Option<OrderId>,
}

/// Reads the header of a file.
///
/// # Errors
/// If the header is invalid.
pub(super) fn open<R: BufRead>(input: R) -> Result<(CsvReader<R>, OrderColumns), ImportError> {
    CsvReader::new(input, COLUMNS, |header: &mut Header| {
        Ok(OrderColumns {
            customer: header.required("customer")?,
            order: header.required("order")?,
            placed: header.required("placed")?,
            currency: header.required("currency")?,
            sku: header.required("sku")?,
            name: header.required("name")?,
            quantity: header.required("quantity")?,
            unit_price: header.required("unit_price")?,
            unit: header.optional("unit"),
            void: header.optional("void"),
            total: header.optional("total"),
            till: header.optional("till"),
            replaces: header.optional("replaces"),
        })
    })
}

impl OrderColumns {
    /// Returns the id of the record's order, even if the rest of the record is invalid.
    ///
    /// # Errors
    /// If the id is invalid.
    pub(super) fn order_id(&self, record: &Record<'_>) -> Result<OrderId, String> {
        let id = OrderId(record.text(self.order)?.to_owned());
        id.check().map(|()| id).map_err(|e| e.to_string())
    }

    /// Parses and validates a record.
    ///
    /// # Errors
    /// If the record violates a rule. The error names the first violated rule.
    pub(super) fn parse(&self, record: &Record<'_>) -> Result<ParsedRecord, String> {
        record.check()?;
        let head = self.head(record)?;
        let fields = [self.sku, self.name, self.quantity, self.unit_price];
        let is_empty = |column: &Column| record.text(*column).is_ok_and(str::is_empty);
        if head.replaces.is_some() && fields.iter().all(is_empty) {
            return Ok(ParsedRecord { head, item: None });
        }
        let item = self.item(record)?;
        item.check().map_err(|e| e.to_string())?;
        Ok(ParsedRecord { head, item: Some(item) })
    }

    fn head(&self, record: &Record<'_>) -> Result<OrderHead, String> {
        let message = |e: OrderError| e.to_string();
        Ok(OrderHead {
            customer: record.parse(self.customer, "customer id")?,
            placed: parse_order_time(record.text(self.placed)?).map_err(message)?,
            currency: record.text(self.currency)?.parse().map_err(message)?,
            total: record.parse_optional(self.total, "total in whole minor units")?,
            till: record.optional_text(self.till)?,
            replaces: record.optional_text(self.replaces)?.map(OrderId),
        })
    }

    fn item(&self, record: &Record<'_>) -> Result<LineItem, String> {
        Ok(LineItem {
            sku: record.text(self.sku)?.to_owned(),
            name: record.text(self.name)?.to_owned(),
            quantity: record.parse_decimal::<Quantity>(self.quantity, "quantity")?,
            unit: record.text(self.unit)?.parse::<Unit>().map_err(|e| e.to_string())?,
            unit_price: record.parse(self.unit_price, "price in whole minor units")?,
            is_void: record.parse_boolean(self.void, false)?,
        })
    }
}
