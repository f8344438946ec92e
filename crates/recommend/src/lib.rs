//! What a customer may want today: the usual, what is due, and something new, each with a reason
//! that is true.
//!
//! A [`Recommender`] holds the orders of all customers in memory, packed. How likely a product is
//! comes from the customer's own habits (how often, how lately, in which rhythm, at which hour),
//! from customers who buy alike, and from what the shop sells at the time; how much each of these
//! counts is learned from the shop's own past visits ([`Recommender::learn`]), on the box.
//!
//! No I/O, no clock, no chance: the same orders and the same moment give the same answer, in
//! whatever order the orders came. What is known of others reaches a customer only as a count over
//! three people at the least. `docs/recommendations.md` tells the method and its measurements.

#![forbid(unsafe_code)]

mod catalogue;
mod favourites;
mod forest;
mod habits;
mod lambdas;
mod ledger;
mod neighbours;
mod ranker;
mod reasons;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use instored_domain::{CustomerId, Order, Preferences, Reason, Recommendation};
use jiff::Zoned;

pub use catalogue::Catalogue;
pub use ranker::Ranker;

use habits::{Habits, Moment};
use ledger::{Clock, Ledger, ProductNo};
use view::View;

/// What was bought this recently is in the bag already, in seconds.
const JUST_BOUGHT: i64 = 2 * 3_600;

/// All that is known of purchases, and what has been learned of them.
///
/// 150,000 baskets of 68,000 products take about 70 MB. A clone takes nothing until an order comes
/// in or goes out at one of the two.
#[derive(Clone, Default)]
pub struct Recommender {
    ledger: Arc<Ledger>,
    ranker: Ranker,
}

impl Recommender {
    /// Takes an order in. One that replaces another takes its place; one that is known already, or
    /// a void of one that is not, changes nothing. Says whether anything changed.
    pub fn add_order(&mut self, order: &Order) -> bool {
        Arc::make_mut(&mut self.ledger).add(order)
    }

    /// Takes a customer's orders out. What was learned may still show them: learn anew.
    pub fn remove_customer(&mut self, customer: CustomerId) {
        Arc::make_mut(&mut self.ledger).forget(customer);
    }

    /// How many orders are known.
    pub fn order_count(&self) -> u64 {
        self.ledger.baskets()
    }

    /// What a product is called that is in the catalogue, or was ever bought.
    pub fn product_name<'a>(&'a self, sku: &str, catalogue: &'a Catalogue) -> Option<&'a str> {
        catalogue.product_name(sku).or_else(|| self.ledger.name(sku))
    }

    /// Learns from all orders how much each clue counts. Takes seconds of one core for a hundred
    /// thousand orders: to be called on a clone, on another thread.
    pub fn train(&self) -> Ranker {
        Ranker::learn(&self.ledger)
    }

    /// Goes by what was learned from now on.
    pub fn set_ranker(&mut self, ranker: Ranker) {
        self.ranker = ranker;
    }

    /// At most `limit` products for a customer who is in the shop at `now`, on the clock of its
    /// tills; the likeliest first.
    ///
    /// Nothing for those who want none. Left out are products that the catalogue says cannot be
    /// bought, are for adults only or contain what the customer avoids, and what they bought in the
    /// last two hours. Whoever has not bought anything yet is shown what others buy at this hour.
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
        let moment = Moment { second: now.timestamp().as_second(), clock: Clock::of(now) };
        let me = self.ledger.number(customer);
        let history = me.map_or(&[][..], |me| &self.ledger.people()[me as usize].baskets);
        let just_bought =
            &history[history.partition_point(|b| b.placed <= moment.second - JUST_BOUGHT)..];
        let allowed = |product: ProductNo| {
            catalogue.allows(&self.ledger.shelf_of(product).sku, &preferences.allergens)
                && !just_bought.iter().any(|basket| basket.holds(product))
        };
        let mut shown: Vec<(ProductNo, Reason)> = Vec::with_capacity(limit);
        if let Some(me) = me {
            let habits = Habits::new(history, moment, self.ledger.shelves().len());
            let view = View::new(&self.ledger, me, &habits, &habits, moment);
            let likely = self.ranked(&view).into_iter().filter(|product| allowed(*product));
            shown.extend(likely.take(limit).map(|product| {
                let why = match habits.of(product) {
                    Some(habit) => reasons::own(habit, history, moment),
                    None => reasons::new(&self.ledger, catalogue, me, &habits, product),
                };
                (product, why)
            }));
        }
        if shown.len() < limit {
            let favourites = favourites::favourites(&self.ledger, me, moment);
            for (product, why) in favourites.filter(|(product, _)| allowed(*product)) {
                if shown.len() == limit {
                    break;
                }
                if shown.iter().all(|(other, _)| *other != product) {
                    shown.push((product, why));
                }
            }
        }
        let named = shown.into_iter().map(|(product, why)| {
            let shelf = self.ledger.shelf_of(product);
            let name = catalogue.product_name(&shelf.sku).unwrap_or(&shelf.name);
            Recommendation::new(&shelf.sku, name, why)
        });
        named.collect()
    }

    /// The candidates of a visit, the likeliest first.
    fn ranked(&self, view: &View<'_>) -> Vec<ProductNo> {
        let candidates = view.candidates();
        let mut scored: Vec<_> =
            candidates.iter().map(|c| (self.ranker.score(view, c), c.product)).collect();
        // Stable: candidates come in an order of their own.
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().map(|(_, product)| product).collect()
    }
}
