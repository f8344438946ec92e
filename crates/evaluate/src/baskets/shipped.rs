//! The recommender that ships, asked as the box asks it.

use std::collections::HashMap;

use instored_domain::{CustomerId, LineItem, Order, OrderId, Preferences, Unit};
use instored_recommend::{Catalogue, Recommender};
use uuid::Uuid;

use super::purchases::Purchases;
use super::split::{Past, Split};

/// The recommender with the histories of a shop.
pub(super) struct Shipped<'a> {
    split: &'a Split,
    recommender: Recommender,
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Shipped<'a> {
    /// Takes all histories in and learns from them.
    pub fn new(split: &'a Split, purchases: &Purchases) -> Self {
        let mut recommender = Recommender::default();
        for (customer, trial) in split.trials.iter().enumerate() {
            for basket in &trial.history {
                recommender.add_order(&order(split, purchases, customer, basket));
            }
        }
        recommender.set_ranker(recommender.train());
        let numbers = split.products.iter().map(String::as_str).zip(0..).collect();
        Self { split, recommender, numbers }
    }

    /// The products shown to a customer at the moment of the basket to foretell.
    pub fn rank(&self, customer: usize, limit: usize) -> Vec<u32> {
        let now = self.split.trials[customer].next.when.zoned();
        let shown = self.recommender.recommend(
            id(customer),
            &now,
            limit,
            &Preferences::default(),
            &Catalogue::default(),
        );
        shown.iter().map(|shown| self.numbers[shown.sku.as_str()]).collect()
    }
}

fn id(customer: usize) -> CustomerId {
    CustomerId(Uuid::from_u128(customer as u128 + 1))
}

/// A basket as the till would have sent it. What things cost plays no part.
fn order(split: &Split, purchases: &Purchases, customer: usize, basket: &Past) -> Order {
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
        customer: id(customer),
        placed: basket.when.zoned(),
        currency: "EUR".parse().expect("the euro is a currency"),
        lines: basket.products.iter().map(line).collect(),
        total: 0,
        till: None,
        replaces: None,
    }
}
