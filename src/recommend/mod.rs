//! What a customer may want today, from their own baskets alone, with a reason that is true.
//!
//! A product counts once a basket, and a basket counts less the older it is. Nothing is learned
//! from other customers.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Order, Recommendation};

/// After this many days a basket counts half. About two months: long enough for goods bought once
/// a month to stay, short enough for the seasons to pass.
const HALF_LIFE_DAYS: f64 = 60.0;

/// What was bought this recently is in the bag already.
const JUST_BOUGHT: SignedDuration = SignedDuration::from_hours(2);

/// A product is usual from so many baskets on; one may be chance.
const USUAL_BASKETS: usize = 2;

/// The baskets that a reason looks back on; more than a customer remembers would not convince.
const REMEMBERED_BASKETS: usize = 8;

/// A product in one customer's history.
struct Habit<'a> {
    sku: &'a str,
    /// As in the newest basket.
    name: &'a str,
    /// Places of the baskets that hold it, 0 the newest; rising.
    baskets: Vec<usize>,
    score: f64,
    just_bought: bool,
}

/// At most `limit` products, the likeliest first, for the customer whose whole history `orders`
/// is, newest first. The same history and time give the same answer.
///
/// Usual products are those in at least two baskets; a customer who has none yet is shown the
/// last basket. What was bought in the last two hours is left out.
pub fn recommend(orders: &[Order], now: Timestamp, limit: usize) -> Vec<Recommendation> {
    let mut habits: Vec<_> =
        habits(orders, now).into_iter().filter(|habit| !habit.just_bought).collect();
    if habits.iter().any(|habit| habit.baskets.len() >= USUAL_BASKETS) {
        habits.retain(|habit| habit.baskets.len() >= USUAL_BASKETS);
    } else {
        habits.retain(|habit| habit.baskets[0] == 0);
    }
    habits.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.baskets[0].cmp(&b.baskets[0]))
            .then_with(|| a.sku.cmp(b.sku))
    });
    habits
        .iter()
        .take(limit)
        .map(|habit| Recommendation {
            sku: habit.sku.to_owned(),
            name: habit.name.to_owned(),
            reason: reason(&habit.baskets, orders.len()),
        })
        .collect()
}

/// Every product of the history.
fn habits(orders: &[Order], now: Timestamp) -> Vec<Habit<'_>> {
    let mut habits: HashMap<&str, Habit<'_>> = HashMap::new();
    for (basket, order) in orders.iter().enumerate() {
        let age = now.duration_since(order.placed.timestamp());
        let weight = (-age.as_secs_f64().max(0.0) / 86_400.0 / HALF_LIFE_DAYS).exp2();
        for line in &order.lines {
            let habit = habits.entry(&line.sku).or_insert_with(|| Habit {
                sku: &line.sku,
                name: &line.name,
                baskets: Vec::new(),
                score: 0.0,
                just_bought: false,
            });
            if habit.baskets.last() != Some(&basket) {
                habit.baskets.push(basket);
                habit.score += weight;
                habit.just_bought |= age < JUST_BOUGHT;
            }
        }
    }
    habits.into_values().collect()
}

/// Why a product in `baskets` of `all` is shown.
fn reason(baskets: &[usize], all: usize) -> String {
    let remembered = all.min(REMEMBERED_BASKETS);
    let of_those = baskets.iter().filter(|basket| **basket < remembered).count();
    if of_those >= USUAL_BASKETS {
        format!("in {of_those} of your last {remembered} baskets")
    } else if baskets.first() == Some(&0) {
        "you bought it last time".into()
    } else {
        format!("in {} of your {all} baskets", baskets.len())
    }
}
