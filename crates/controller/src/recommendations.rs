//! Recommendations from the shop's own orders, and the schedule of the ranker's training.

use std::time::Duration;

use instored_domain::{Customer, CustomerId, Order, Product, Recommendation};
use instored_recommend::{Catalogue, Ranker, Recommender};
use jiff::{Timestamp, Zoned};

/// Minimum growth factor of the number of orders for another training. With fewer new orders, the
/// model would hardly change.
const TRAINING_GROWTH_MIN: f64 = 1.05;
/// Minimum time between two trainings, unless a customer was deleted.
const TRAINING_INTERVAL: Duration = Duration::from_secs(3600);

/// Recommender and catalogue, kept consistent with the vault.
pub(super) struct Recommendations {
    recommender: Recommender,
    catalogue: Catalogue,
    /// True while a training is in progress. At most one runs at a time.
    is_training: bool,
    /// Number of orders at the start of the last training, and the uptime of this start.
    last_training: Option<(u64, Duration)>,
    /// True if a customer or orders were deleted after the last training started: the trained model may
    /// still contain these purchases.
    is_stale: bool,
    /// Value of `is_stale` at the start of the last training.
    was_stale: bool,
    /// True if the last training failed.
    has_failed: bool,
}

impl Recommendations {
    pub fn new(recommender: Recommender, catalogue: Catalogue) -> Self {
        Self {
            recommender,
            catalogue,
            is_training: false,
            last_training: None,
            is_stale: false,
            was_stale: false,
            has_failed: false,
        }
    }

    /// Returns at most `limit` products for a customer, best first.
    pub fn recommend(&self, customer: &Customer, now: &Zoned, limit: usize) -> Vec<Recommendation> {
        let Customer { id, preferences, .. } = customer;
        self.recommender.recommend(*id, now, limit, preferences, &self.catalogue)
    }

    /// Returns the name of a product that is in the catalogue or was ever bought.
    pub fn product_name(&self, sku: &str) -> Option<&str> {
        self.recommender.product_name(sku, &self.catalogue)
    }

    /// Adds a stored order.
    pub fn add_order(&mut self, order: &Order) {
        self.recommender.add_order(order);
    }

    /// Removes a deleted customer's orders, and marks the ranker for retraining. The result of a running
    /// training is discarded.
    pub fn remove_customer(&mut self, customer: CustomerId) {
        self.recommender.remove_customer(customer);
        self.is_stale = true;
    }

    /// Returns the customers with an order that was placed at `time` or before.
    pub fn customers_with_orders_until(&self, time: Timestamp) -> Vec<CustomerId> {
        self.recommender.customers_with_orders_until(time)
    }

    /// Replaces a customer's orders after some were deleted.
    pub fn replace_orders(&mut self, customer: CustomerId, orders: &[Order]) {
        self.remove_customer(customer);
        orders.iter().for_each(|order| self.add_order(order));
    }

    /// Applies a change of the catalogue that the vault has stored.
    pub fn change_catalogue(&mut self, products: &[Product], removed_skus: &[String]) {
        products.iter().cloned().for_each(|product| self.catalogue.insert(product));
        removed_skus.iter().for_each(|sku| self.catalogue.remove(sku));
    }

    /// Returns the recommender to train, if a training is due.
    pub fn start_training(&mut self, uptime: Duration) -> Option<Recommender> {
        if self.is_training || !self.is_training_due(uptime) {
            return None;
        }
        self.is_training = true;
        self.was_stale = std::mem::take(&mut self.is_stale);
        self.last_training = Some((self.recommender.order_count(), uptime));
        Some(self.recommender.clone())
    }

    /// Installs a trained ranker, unless a customer was deleted meanwhile. `None` stands for a failed
    /// training.
    pub fn finish_training(&mut self, ranker: Option<Ranker>) {
        self.is_training = false;
        self.has_failed = ranker.is_none();
        self.is_stale |= self.has_failed && self.was_stale;
        if let Some(ranker) = ranker.filter(|_| !self.is_stale) {
            self.recommender.set_ranker(ranker);
        }
    }

    fn is_training_due(&self, uptime: Duration) -> bool {
        let orders = self.recommender.order_count();
        match self.last_training {
            None => orders > 0,
            Some(_) if self.is_stale && !self.has_failed => true,
            Some((trained_orders, started)) => {
                let has_grown = orders as f64 > trained_orders as f64 * TRAINING_GROWTH_MIN;
                (has_grown || self.is_stale) && uptime.saturating_sub(started) >= TRAINING_INTERVAL
            }
        }
    }
}
