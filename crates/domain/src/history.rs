//! A customer's past orders, as they are told: by time, by product, or as a list to buy again.

use jiff::Zoned;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Currency, CustomerId, Quantity, TillOrder, Unit};

/// The ways to look back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryBy {
    /// Order by order, the newest first.
    #[default]
    Time,
    /// Product by product, the one most was spent on first.
    Product,
    /// What was bought more than once, the most frequent first.
    Again,
}

/// A part of a list that is too long to be told at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Which, from 1.
    pub page: u32,
    /// Entries a page, 1 to 100.
    pub limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { page: 1, limit: 20 }
    }
}

/// A page that no list has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no page {page} of {limit} entries: pages begin at 1 and have 1 to 100 entries")]
pub struct PageError {
    page: u32,
    limit: u32,
}

impl Page {
    /// The most entries of a page.
    pub const LONGEST: u32 = 100;

    /// Checks that there can be such a page.
    ///
    /// # Errors
    /// When the page is 0, or the limit is not 1 to [`Page::LONGEST`].
    pub fn check(self) -> Result<(), PageError> {
        let Self { page, limit } = self;
        let good = page > 0 && (1..=Self::LONGEST).contains(&limit);
        if good { Ok(()) } else { Err(PageError { page, limit }) }
    }
}

/// A page of a customer's history.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct History {
    /// Whose.
    pub customer: CustomerId,
    /// Which page this is, from 1.
    pub page: u32,
    /// How many pages there are; 0 when nothing was bought.
    pub pages: u32,
    /// How many entries all pages have.
    pub entries: u64,
    /// What is on this page; nothing beyond the last.
    #[serde(flatten)]
    pub list: HistoryList,
}

/// The entries of a page.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryList {
    /// By time.
    Orders(Vec<TillOrder>),
    /// By product.
    Products(Vec<BoughtProduct>),
    /// To buy again.
    Again(Vec<AgainProduct>),
}

/// All that was ever bought of a product, less what was taken back.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct BoughtProduct {
    /// The shop's article number.
    pub sku: String,
    /// Its latest name.
    pub name: String,
    /// Orders that held it.
    pub orders: u32,
    /// How many, or how much.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub quantity: Quantity,
    /// Of what.
    #[serde(default)]
    pub unit: Unit,
    /// Paid for it in all, in minor units.
    pub spent: i64,
    /// Currency of that; a product paid in two currencies is listed twice.
    pub currency: Currency,
    /// When it was first bought.
    #[serde(with = "super::order::order_time")]
    #[schemars(with = "String")]
    pub first: Zoned,
    /// When it was last bought.
    #[serde(with = "super::order::order_time")]
    #[schemars(with = "String")]
    pub last: Zoned,
}

/// A product that a customer comes back for.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct AgainProduct {
    /// The shop's article number.
    pub sku: String,
    /// Its latest name.
    pub name: String,
    /// Orders that held it, at least two.
    pub orders: u32,
    /// How much they take at a time: the middle one of all quantities, the lower of two.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub quantity: Quantity,
    /// Of what.
    #[serde(default)]
    pub unit: Unit,
    /// When it was last bought.
    #[serde(with = "super::order::order_time")]
    #[schemars(with = "String")]
    pub last: Zoned,
    /// Calendar days since then, where it was bought.
    pub days_since: i32,
    /// Calendar days between two purchases: the middle one of all, the lower of two; absent when
    /// all were on one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_days: Option<i32>,
}
