//! Training uses only what was known at each visit, and is validated on the newest ones.

use super::*;
use crate::training::{training_set, training_visits};

/// Creates the weekly orders of some customers, oldest first: `basket(customer, week)`.
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

const ARTICLES: [&str; 8] = ["milk", "bread", "pears", "tea", "salt", "rice", "soap", "jam"];

#[test]
fn training_set_ignores_baskets_after_each_visit() {
    let mut random = fastrand::Rng::with_seed(19);
    let draws: Vec<usize> = (0..10_000).map(|_| random.usize(..ARTICLES.len())).collect();
    let orders = weekly_orders(12, 8, |customer, week| {
        let from = customer as usize * 97 + week as usize * 13;
        (from..from + 3).map(|draw| ARTICLES[draws[draw]]).collect()
    });
    let complete = recommender_of(&orders);
    let visits = training_visits(&complete.index);
    let complete = training_set(&complete.index, &visits);
    // The first orders up to every 12th, each cut with the same customers and products.
    for cut in [48, 60, 84] {
        let early = recommender_of(&orders[..cut]);
        let early = training_set(&early.index, &visits);
        let rows = early.is_positive.len();
        assert!(rows > 50, "{rows}");
        assert_eq!(early.features, complete.features[..rows], "{cut}");
        assert_eq!(early.is_positive, complete.is_positive[..rows], "{cut}");
    }
}

#[test]
fn model_that_ranks_newest_visits_worse_is_not_used() {
    // Customers buy either of two pairs by turns until week 20, and the same pair again after it.
    let pairs = [vec!["milk", "bread"], vec!["pears", "tea"]];
    let alternating =
        |customer: u128, week: i64| pairs[(customer as i64 + week) as usize % 2].clone();
    let steady = |customer: u128, week: i64| alternating(customer, week.min(20));
    let stays = recommender_of(&weekly_orders(60, 24, alternating)).train();
    assert_ne!(stays, Ranker::default());
    let turns = recommender_of(&weekly_orders(60, 24, steady)).train();
    assert_eq!(turns, Ranker::default());
}
