//! A customer's purchase history: by time, by product, or as products to buy again.

use jiff::Zoned;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Currency, CustomerId, Quantity, TillOrder, Unit};

/// The views of a purchase history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HistoryBy")]
pub enum HistoryView {
    /// Orders, newest first.
    #[default]
    Time,
    /// Products, by the amount spent on them, largest first.
    Product,
    /// Products bought more than once, most frequent first.
    #[serde(rename = "again")]
    Repeats,
}

/// A page of a long list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Number of the page, from 1.
    pub page: u32,
    /// Maximum number of entries of a page, 1 to 100.
    pub limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { page: 1, limit: 20 }
    }
}

/// Page that is out of range.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "page {page} with {limit} entries is not valid: pages begin at 1 and have 1 to 100 entries"
)]
pub struct PageError {
    page: u32,
    limit: u32,
}

impl Page {
    /// Maximum of [`Page::limit`].
    pub const MAX_LIMIT: u32 = 100;

    /// Validates the page.
    ///
    /// # Errors
    /// If the page is 0, or the limit is not in 1 to [`Page::MAX_LIMIT`].
    pub fn check(self) -> Result<(), PageError> {
        let Self { page, limit } = self;
        let is_valid = page > 0 && (1..=Self::MAX_LIMIT).contains(&limit);
        if is_valid { Ok(()) } else { Err(PageError { page, limit }) }
    }
}

/// A page of a customer's history.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct History {
    /// The customer.
    pub customer: CustomerId,
    /// Number of this page, from 1.
    pub page: u32,
    /// Number of pages; 0 if nothing was bought.
    pub pages: u32,
    /// Number of entries of all pages.
    #[serde(rename = "entries")]
    pub entry_count: u64,
    /// The entries of this page; empty after the last page.
    #[serde(flatten)]
    pub entries: HistoryEntries,
}

/// The entries of a page.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HistoryList")]
pub enum HistoryEntries {
    /// Entries of the view `time`.
    Orders(Vec<TillOrder>),
    /// Entries of the view `product`.
    Products(Vec<PurchasedProduct>),
    /// Entries of the view `again`.
    #[serde(rename = "again")]
    Repeats(Vec<RepeatedProduct>),
}

/// All purchases of a product. Void lines are subtracted from quantity and amount.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[schemars(rename = "BoughtProduct")]
pub struct PurchasedProduct {
    /// The shop's article number (SKU).
    pub sku: String,
    /// The product's latest name.
    pub name: String,
    /// Number of orders that contain the product.
    pub orders: u32,
    /// Total quantity.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub quantity: Quantity,
    /// Unit of the quantity.
    #[serde(default)]
    pub unit: Unit,
    /// Total amount paid, in minor units.
    pub spent: i64,
    /// Currency of the amount. A product paid in two currencies has two entries.
    pub currency: Currency,
    /// Time of the first purchase.
    #[serde(with = "super::order_time")]
    #[schemars(with = "String")]
    pub first: Zoned,
    /// Time of the last purchase.
    #[serde(with = "super::order_time")]
    #[schemars(with = "String")]
    pub last: Zoned,
}

/// A product that a customer bought more than once.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[schemars(rename = "AgainProduct")]
pub struct RepeatedProduct {
    /// The shop's article number (SKU).
    pub sku: String,
    /// The product's latest name.
    pub name: String,
    /// Number of orders that contain the product, at least two.
    pub orders: u32,
    /// Usual quantity: the lower median of the quantities per order.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub quantity: Quantity,
    /// Unit of the quantity.
    #[serde(default)]
    pub unit: Unit,
    /// Time of the last purchase.
    #[serde(with = "super::order_time")]
    #[schemars(with = "String")]
    pub last: Zoned,
    /// Calendar days since the last purchase, in the time zone of that purchase.
    pub days_since: i32,
    /// Usual interval: the lower median of the calendar days between two purchases. Absent if all
    /// purchases were on one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_days: Option<i32>,
}
