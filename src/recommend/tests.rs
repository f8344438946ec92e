//! Recommendations, and whether their reasons are true.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use uuid::Uuid;

use crate::domain::{CustomerId, Order, OrderId, OrderLine};

use super::recommend;

const NOW: i64 = 1_780_000_000;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// An order this many seconds ago of these articles, named after themselves.
fn order(ago: i64, skus: &[&str]) -> Order {
    let line = |sku: &&str| OrderLine {
        sku: (*sku).into(),
        name: format!("{sku}, as of {ago}"),
        quantity: 1.into(),
        unit_price: 100,
    };
    Order {
        id: OrderId(format!("{ago}")),
        customer: CustomerId(Uuid::from_u128(1)),
        placed: Timestamp::from_second(NOW - ago).unwrap().to_zoned(TimeZone::UTC),
        currency: "EUR".parse().unwrap(),
        lines: skus.iter().map(line).collect(),
        total: 100 * i64::try_from(skus.len()).unwrap(),
        till: None,
    }
}

fn shown(orders: &[Order]) -> Vec<(String, String)> {
    recommend(orders, now(), 10).into_iter().map(|r| (r.sku, r.reason)).collect()
}

fn pair(sku: &str, reason: &str) -> (String, String) {
    (sku.into(), reason.into())
}

#[test]
fn without_a_history_nothing_is_shown() {
    assert_eq!(shown(&[]), []);
    assert_eq!(recommend(&[order(DAY, &["milk"])], now(), 0), []);
}

#[test]
fn who_has_nothing_usual_yet_is_shown_the_last_basket() {
    let last = "you bought it last time";
    assert_eq!(shown(&[order(DAY, &["milk", "bread"])]), [pair("bread", last), pair("milk", last)]);
    assert_eq!(shown(&[order(DAY, &["milk"]), order(2 * DAY, &["tea"])]), [pair("milk", last)]);
}

#[test]
fn the_usual_comes_first_the_more_often_and_the_more_lately_the_higher() {
    let orders = [
        order(DAY, &["milk", "once"]),
        order(8 * DAY, &["milk", "bread", "tea"]),
        order(15 * DAY, &["milk", "bread"]),
        order(200 * DAY, &["tea"]),
    ];
    assert_eq!(
        shown(&orders),
        [
            pair("milk", "in 3 of your last 4 baskets"),
            pair("bread", "in 2 of your last 4 baskets"),
            pair("tea", "in 2 of your last 4 baskets"),
        ]
    );
}

#[test]
fn a_basket_two_half_lives_ago_counts_a_quarter() {
    let history = |old: i64| {
        let new = [order(3 * HOUR, &["new"]), order(4 * HOUR, &["new"])];
        let old = (0..old).map(|n| order(120 * DAY + n, &["old"]));
        new.into_iter().chain(old).collect::<Vec<_>>()
    };
    assert_eq!(shown(&history(7))[0].0, "new");
    assert_eq!(shown(&history(9))[0].0, "old");
}

#[test]
fn what_is_in_the_bag_is_not_recommended() {
    let orders =
        [order(HOUR, &["milk"]), order(DAY, &["milk", "tea"]), order(2 * DAY, &["milk", "tea"])];
    assert_eq!(shown(&orders), [pair("tea", "in 2 of your last 3 baskets")]);
    let earlier = [order(2 * HOUR, &["milk"]), order(DAY, &["milk"])];
    assert_eq!(shown(&earlier), [pair("milk", "in 2 of your last 2 baskets")]);
    assert_eq!(shown(&[order(-HOUR, &["milk"])]), []);
}

#[test]
fn a_product_is_called_by_its_latest_name_and_counts_once_a_basket() {
    let orders = [order(DAY, &["milk", "milk"]), order(2 * DAY, &["milk"])];
    let [milk] = recommend(&orders, now(), 10).try_into().unwrap();
    assert_eq!(milk.name, format!("milk, as of {DAY}"));
    assert_eq!(milk.reason, "in 2 of your last 2 baskets");
}

#[test]
fn a_habit_of_long_ago_says_so() {
    let mut orders: Vec<_> = (1..=8).map(|n| order(n * DAY, &["milk"])).collect();
    orders.push(order(9 * DAY, &["tea"]));
    orders.push(order(10 * DAY, &["tea"]));
    assert_eq!(shown(&orders)[1], pair("tea", "in 2 of your 10 baskets"));
}

/// The numbers in a reason.
fn numbers(reason: &str) -> Vec<usize> {
    reason.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Whether `reason` is true of `sku`, counted anew.
fn is_true(reason: &str, sku: &str, orders: &[Order]) -> bool {
    let count =
        |baskets: &[Order]| baskets.iter().filter(|o| o.lines.iter().any(|l| l.sku == sku)).count();
    match (reason, numbers(reason).as_slice()) {
        ("you bought it last time", []) => count(&orders[..1]) == 1,
        (text, [k, n]) if text == format!("in {k} of your last {n} baskets") => {
            *n == orders.len().min(8) && *k == count(&orders[..*n])
        }
        (text, [k, n]) if text == format!("in {k} of your {n} baskets") => {
            *n == orders.len() && *k == count(orders)
        }
        _ => false,
    }
}

fn histories() -> impl Strategy<Value = Vec<Order>> {
    let basket = (0..100 * DAY, proptest::collection::vec(0..12u8, 1..6));
    proptest::collection::vec(basket, 0..20).prop_map(|mut baskets| {
        baskets.sort_by_key(|(ago, _)| *ago);
        baskets
            .iter()
            .map(|(ago, skus)| {
                let skus: Vec<_> = skus.iter().map(|n| format!("sku {n}")).collect();
                order(*ago, &skus.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn every_reason_is_true(orders in histories(), limit in 0..15usize) {
        let shown = recommend(&orders, now(), limit);
        prop_assert!(shown.len() <= limit);
        for r in &shown {
            prop_assert!(is_true(&r.reason, &r.sku, &orders), "{r:?}");
        }
        let skus: BTreeSet<_> = shown.iter().map(|r| &r.sku).collect();
        prop_assert_eq!(skus.len(), shown.len(), "no product twice");
        prop_assert_eq!(recommend(&orders, now(), limit), shown, "the same answer twice");
    }
}
