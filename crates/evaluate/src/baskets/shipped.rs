//! The shipped recommender, used in the same way as in the daemon.

use std::collections::HashMap;

use instored_domain::{CustomerId, LineItem, Order, OrderId, Preferences, Unit};
use instored_recommend::{Catalogue, Recommender};
use uuid::Uuid;

use super::purchases::Purchases;
use super::split::{Basket, Split};

/// Shipped recommender with the histories of a shop.
pub(super) struct ShippedRecommender<'a> {
    split: &'a Split,
    recommender: Recommender,
    /// Indices of products by name.
    indices: HashMap<&'a str, u32>,
}

impl<'a> ShippedRecommender<'a> {
    /// Creates the recommender with all histories, and trains its ranker.
    pub fn new(split: &'a Split, purchases: &Purchases) -> Self {
        let mut recommender = Recommender::default();
        for (customer, trial) in split.trials.iter().enumerate() {
            for basket in &trial.history {
                recommender.add_order(&order(split, purchases, customer, basket));
            }
        }
        recommender.set_ranker(recommender.train());
        let indices = split.products.iter().map(String::as_str).zip(0..).collect();
        Self { split, recommender, indices }
    }

    /// Ranks the products for a customer at the time of the target basket.
    pub fn rank(&self, customer: usize, limit: usize) -> Vec<u32> {
        let now = self.split.trials[customer].target.time.zoned();
        let recommendations = self.recommender.recommend(
            customer_id(customer),
            &now,
            limit,
            &Preferences::default(),
            &Catalogue::default(),
        );
        recommendations.iter().map(|r| self.indices[r.sku.as_str()]).collect()
    }
}

/// Returns the id of a customer.
fn customer_id(customer: usize) -> CustomerId {
    CustomerId(Uuid::from_u128(customer as u128 + 1))
}

/// Returns a basket as an order; prices do not affect recommendations.
fn order(split: &Split, purchases: &Purchases, customer: usize, basket: &Basket) -> Order {
    let line = |product: &u32| LineItem {
        sku: split.products[*product as usize].clone(),
        name: split.products[*product as usize].clone(),
        quantity: 1.into(),
        unit: Unit::Piece,
        unit_price: 0,
        is_void: false,
    };
    Order {
        id: OrderId(purchases.order(basket.order).to_owned()),
        customer: customer_id(customer),
        placed: basket.time.zoned(),
        currency: "EUR".parse().expect("EUR is an ISO 4217 code"),
        lines: basket.products.iter().map(line).collect(),
        total: 0,
        till: None,
        replaces: None,
    }
}
