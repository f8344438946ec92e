//! A line of a CSV file of orders: what it says of its order, and of one product.

use std::io::BufRead;

use instored_domain::{
    Currency, CustomerId, LineItem, OrderError, OrderId, Quantity, Unit, parse_order_time,
};
use jiff::Zoned;

use super::ImportError;
use super::table::{Column, Header, Record, Table};

const NAMES: &str = "customer, order, placed, currency, sku, name, quantity, unit_price and, if \
                     known, unit, void, total, till, replaces";

/// Where the columns stand.
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

/// What a line says.
pub(super) struct Row {
    pub(super) head: Head,
    /// Nothing in the one line of an order that makes another void.
    pub(super) product: Option<LineItem>,
}

/// What every line of an order has to say alike.
#[derive(PartialEq)]
pub(super) struct Head {
    pub(super) customer: CustomerId,
    pub(super) placed: Zoned,
    pub(super) currency: Currency,
    pub(super) total: Option<i64>,
    pub(super) till: Option<String>,
    pub(super) replaces: Option<OrderId>,
}

/// The file under its header.
///
/// # Errors
/// When the header does not fit.
pub(super) fn open<R: BufRead>(input: R) -> Result<(Table<R>, OrderColumns), ImportError> {
    Table::new(input, NAMES, |header: &mut Header| {
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
    /// The order that a record belongs to, even where the record is wrong otherwise.
    ///
    /// # Errors
    /// When it names none.
    pub(super) fn order_id(&self, record: &Record<'_>) -> Result<OrderId, String> {
        let id = OrderId(record.text(self.order)?.to_owned());
        id.check().map(|()| id).map_err(|e| e.to_string())
    }

    /// What a record says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn row(&self, record: &Record<'_>) -> Result<Row, String> {
        record.sound()?;
        let said = |e: OrderError| e.to_string();
        let text = |column| record.text(column).map(str::to_owned);
        let given = |column| text(column).map(|text| Some(text).filter(|text| !text.is_empty()));
        let head = Head {
            customer: record.parsed(self.customer, "customer id")?,
            placed: parse_order_time(record.text(self.placed)?).map_err(said)?,
            currency: record.text(self.currency)?.parse().map_err(said)?,
            total: record.optional(self.total, "total in whole minor units")?,
            till: given(self.till)?,
            replaces: given(self.replaces)?.map(OrderId),
        };
        let product = [self.sku, self.name, self.quantity, self.unit_price];
        let empty = |column: &Column| record.text(*column).is_ok_and(str::is_empty);
        if head.replaces.is_some() && product.iter().all(empty) {
            return Ok(Row { head, product: None });
        }
        let product = LineItem {
            sku: text(self.sku)?,
            name: text(self.name)?,
            quantity: record.parsed::<Quantity>(self.quantity, "quantity")?,
            unit: record.text(self.unit)?.parse::<Unit>().map_err(said)?,
            unit_price: record.parsed(self.unit_price, "price in whole minor units")?,
            is_void: record.yes_or_no(self.void, false)?,
        };
        product.check().map_err(said)?;
        Ok(Row { head, product: Some(product) })
    }
}
