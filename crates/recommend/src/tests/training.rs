//! Training uses only data that was known at each visit. The newest visits validate the model.

use super::*;
use crate::training::{training_set, training_visits};

/// Creates one order for each customer and week, oldest first. `basket(customer, week)` returns its
/// products.
fn weekly_orders(
    customers: u128,
    weeks: i64,
    basket: impl Fn(u128, i64) -> Vec<&'static str>,
) -> Vec<Order> {
    let visits = (0..weeks).flat_map(|week| (1..=customers).map(move |customer| (customer, week)));
    visits
        .map(|(customer, week)| {
            let ago = (weeks - week) * 7 * DAY - i64::try_from(customer).unwrap() * 60;
            order(customer, ago, &basket(customer, week))
        })
        .collect()
}

const PRODUCTS: [&str; 8] = ["milk", "bread", "pears", "tea", "salt", "rice", "soap", "jam"];

#[test]
fn training_set_ignores_baskets_after_each_visit() {
    let mut random = fastrand::Rng::with_seed(19);
    let draws: Vec<usize> = (0..10_000).map(|_| random.usize(..PRODUCTS.len())).collect();
    let orders = weekly_orders(12, 8, |customer, week| {
        let from = customer as usize * 97 + week as usize * 13;
        (from..from + 3).map(|draw| PRODUCTS[draws[draw]]).collect()
    });
    let complete = recommender_of(&orders);
    let visits = training_visits(&complete.index);
    let complete = training_set(&complete.index, &visits);
    // Each part has whole weeks, so that customers and products have the same indices as in all
    // orders.
    for order_count in [48, 60, 84] {
        let early = recommender_of(&orders[..order_count]);
        let early = training_set(&early.index, &visits);
        let rows = early.is_positive.len();
        assert!(rows > 50, "{rows}");
        assert_eq!(early.features, complete.features[..rows], "{order_count}");
        assert_eq!(early.is_positive, complete.is_positive[..rows], "{order_count}");
    }
}

#[test]
fn model_that_ranks_newest_visits_worse_is_not_used() {
    // Customers alternate between two pairs of products until week 20, then always buy the same
    // pair.
    let pairs = [vec!["milk", "bread"], vec!["pears", "tea"]];
    let alternating =
        |customer: u128, week: i64| pairs[(customer as i64 + week) as usize % 2].clone();
    let changing = |customer: u128, week: i64| alternating(customer, week.min(20));
    let consistent = recommender_of(&weekly_orders(60, 24, alternating)).train();
    assert_ne!(consistent, Ranker::default());
    let changed = recommender_of(&weekly_orders(60, 24, changing)).train();
    assert_eq!(changed, Ranker::default());
}
