//! What a customer may want today.

use serde::{Deserialize, Serialize};

/// One product of the next basket, with the reason it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recommendation {
    /// The shop's article number.
    pub sku: String,
    /// The product's name.
    pub name: String,
    /// Why, in words a customer reads: "in 6 of your last 8 baskets".
    pub reason: String,
}
