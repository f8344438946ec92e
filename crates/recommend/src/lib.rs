//! Next-basket recommendation: usual products, products that are due and new products, each with a
//! reason that can be verified.
//!
//! | module | contents |
//! |---|---|
//! | `purchase_index` | all purchases by product and by customer |
//! | `time` | times of visits |
//! | `customer_features` | features of one customer's history |
//! | `collaborative` | scores from customers with similar purchases |
//! | `features` | candidates of a visit and their features |
//! | `gbdt` | gradient-boosted decision trees for ranking |
//! | `ranker` | training set and ranking of candidates |
//! | `reasons` | reasons of recommendations |
//! | `popularity` | recommendations for customers with few or no orders |
//! | `catalogue` | filter of products that may be shown |
//!
//! Rules:
//! 1. The crate performs no I/O and reads neither clock nor random numbers.
//! 2. The result depends only on the orders and the time, not on the sequence in which orders were
//!    added.
//! 3. A recommendation reveals other customers' purchases only as a number of at least three
//!    customers.
//! 4. Removing a customer removes all their data from the index. The model must then be trained
//!    again.
//!
//! `docs/recommendations.md` describes the method and its accuracy.

#![forbid(unsafe_code)]

mod catalogue;
mod collaborative;
mod customer_features;
mod features;
mod gbdt;
mod popularity;
mod purchase_index;
mod ranker;
mod reasons;
#[cfg(test)]
mod tests;
mod time;
mod training;

use std::sync::Arc;

use instored_domain::{CustomerId, Order, Preferences, Reason, Recommendation};
use jiff::{Timestamp, Zoned};

pub use catalogue::Catalogue;
pub use ranker::Ranker;

use customer_features::CustomerFeatures;
use features::Visit;
use popularity::popular_products;
use purchase_index::{Basket, ProductIndex, PurchaseIndex};
use time::{Today, VisitTime};

/// Minimum number of other buyers of a product that is new to a customer. With fewer, a
/// recommendation would reveal the purchases of one or two people.
const MIN_BUYERS: usize = 3;
/// Time after a purchase in which its products are not recommended, in seconds.
const JUST_BOUGHT_SECONDS: i64 = 2 * 3_600;

/// Recommender with all purchases in memory.
///
/// 150,000 baskets of 68,000 products take about 70 MB. Clones share the memory until one of them
/// changes.
#[derive(Clone, Default)]
pub struct Recommender {
    index: Arc<PurchaseIndex>,
    ranker: Ranker,
}

impl Recommender {
    /// Adds an order, and removes the order that it replaces. Returns true if anything changed. A
    /// known order changes nothing, and neither does an order that voids an unknown order.
    pub fn add_order(&mut self, order: &Order) -> bool {
        Arc::make_mut(&mut self.index).add_order(order)
    }

    /// Removes a customer's orders. The ranker may still reflect them until it is trained again.
    pub fn remove_customer(&mut self, customer: CustomerId) {
        Arc::make_mut(&mut self.index).remove_customer(customer);
    }

    /// Returns the customers with an order that was placed at `time` or before.
    pub fn customers_with_orders_until(&self, time: Timestamp) -> Vec<CustomerId> {
        self.index.customers_with_baskets_until(time.as_second())
    }

    /// Returns the number of orders.
    pub fn order_count(&self) -> u64 {
        self.index.basket_count()
    }

    /// Returns the name of a product that is in the catalogue or in a stored order.
    pub fn product_name<'a>(&'a self, sku: &str, catalogue: &'a Catalogue) -> Option<&'a str> {
        catalogue.product_name(sku).or_else(|| self.index.product_name(sku))
    }

    /// Trains a ranker on all orders. This takes seconds of one core for a hundred thousand orders;
    /// call it on a clone in another thread.
    pub fn train(&self) -> Ranker {
        Ranker::train(&self.index)
    }

    /// Replaces the ranker.
    pub fn set_ranker(&mut self, ranker: Ranker) {
        self.ranker = ranker;
    }

    /// Returns at most `limit` products for a customer who is in the shop, the most likely first.
    /// `now` is in the time zone of the shop's tills.
    ///
    /// The result is empty if the customer has switched recommendations off. It excludes products
    /// that the catalogue marks as unavailable or age-restricted, products with an allergen that
    /// the customer avoids, and products that the customer bought in the last two hours. Customers
    /// with few or no orders get products that other customers buy at this time of day.
    pub fn recommend(
        &self,
        customer: CustomerId,
        now: &Zoned,
        limit: usize,
        preferences: &Preferences,
        catalogue: &Catalogue,
    ) -> Vec<Recommendation> {
        if !preferences.can_recommend || limit == 0 {
            return Vec::new();
        }
        let today = Today::of(now);
        let now = VisitTime::from(now);
        let customer = self.index.customer_index(customer);
        let baskets = customer.map_or(&[][..], |customer| self.index.baskets_of(customer));
        let just_bought = just_bought(baskets, now);
        let is_allowed = |product: ProductIndex| {
            catalogue.allows(&self.index.product(product).sku, &preferences.allergens)
                && !just_bought.iter().any(|basket| basket.contains(product))
        };
        let mut products: Vec<(ProductIndex, Reason)> = Vec::with_capacity(limit);
        if let Some(customer) = customer {
            let features = CustomerFeatures::new(baskets, now, self.index.products().len());
            let visit = Visit::new(&self.index, customer, &features, now);
            let ranked =
                self.rank_candidates(&visit).into_iter().filter(|product| is_allowed(*product));
            products.extend(ranked.take(limit).map(|product| {
                let reason = match features.product(product) {
                    Some(history) => reasons::known_product(history, baskets, now, &today),
                    None => {
                        reasons::new_product(&self.index, catalogue, customer, &features, product)
                    }
                };
                (product, reason)
            }));
        }
        if products.len() < limit {
            let popular = popular_products(&self.index, customer, now);
            for (product, reason) in popular.filter(|(product, _)| is_allowed(*product)) {
                if products.len() == limit {
                    break;
                }
                if products.iter().all(|(listed, _)| *listed != product) {
                    products.push((product, reason));
                }
            }
        }
        let recommendations = products.into_iter().map(|(product, reason)| {
            let stats = self.index.product(product);
            let name = catalogue.product_name(&stats.sku).unwrap_or(&stats.name);
            Recommendation::new(&stats.sku, name, reason)
        });
        recommendations.collect()
    }

    /// Returns the candidates of a visit, the most likely first.
    fn rank_candidates(&self, visit: &Visit<'_>) -> Vec<ProductIndex> {
        let candidates = visit.candidates();
        let mut scored: Vec<_> =
            candidates.iter().map(|c| (self.ranker.score(visit, c), c.product)).collect();
        // The sort is stable: candidates with equal scores keep their sequence.
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().map(|(_, product)| product).collect()
    }
}

/// Returns the baskets paid less than [`JUST_BOUGHT_SECONDS`] before `now`, or after it.
fn just_bought(baskets: &[Basket], now: VisitTime) -> &[Basket] {
    let start =
        baskets.partition_point(|basket| basket.time.second <= now.second - JUST_BOUGHT_SECONDS);
    &baskets[start..]
}
