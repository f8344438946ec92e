//! Recommendations and their reasons. Neither depends on the sequence of orders.

mod large_shop;
mod training;
mod true_reasons;

use instored_domain::{Allergen, LineItem, OrderId, Product, Unit};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use uuid::Uuid;

use super::*;

/// 2026-05-28, 12:26:40 UTC, a Thursday.
const NOW: i64 = 1_779_971_200;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn at(second: i64) -> Zoned {
    Timestamp::from_second(second).unwrap().to_zoned(TimeZone::UTC)
}

fn id(customer: u128) -> CustomerId {
    CustomerId(Uuid::from_u128(customer))
}

/// Creates an order that was placed `ago` seconds before [`NOW`]. Products are named after their
/// SKUs.
fn order(customer: u128, ago: i64, skus: &[&str]) -> Order {
    let line = |sku: &&str| LineItem {
        sku: (*sku).into(),
        name: format!("the {sku}"),
        quantity: 1.into(),
        unit: Unit::Piece,
        unit_price: 100,
        is_void: false,
    };
    Order {
        id: OrderId(format!("{customer}-{ago}")),
        customer: id(customer),
        placed: at(NOW - ago),
        currency: "EUR".parse().unwrap(),
        lines: skus.iter().map(line).collect(),
        total: 100 * i64::try_from(skus.len()).unwrap(),
        till: None,
        replaces: None,
    }
}

fn recommender_of(orders: &[Order]) -> Recommender {
    let mut recommender = Recommender::default();
    for order in orders {
        recommender.add_order(order);
    }
    recommender
}

fn recommend(recommender: &Recommender, customer: u128) -> Vec<Recommendation> {
    let preferences = Preferences::default();
    recommender.recommend(id(customer), &at(NOW), 10, &preferences, &Catalogue::default())
}

fn skus(recommended: &[Recommendation]) -> Vec<&str> {
    recommended.iter().map(|r| r.sku.as_str()).collect()
}

fn product(sku: &str) -> Product {
    Product {
        sku: sku.into(),
        name: format!("{sku} of the catalogue"),
        category: None,
        is_available: true,
        is_age_restricted: false,
        allergens: [].into(),
    }
}

#[test]
fn empty_shop_or_limit_of_zero_has_no_recommendations() {
    assert_eq!(recommend(&Recommender::default(), 1), []);
    let recommender = recommender_of(&[order(1, DAY, &["milk"])]);
    assert_eq!(
        recommender.recommend(id(1), &at(NOW), 0, &Preferences::default(), &Catalogue::default()),
        []
    );
}

#[test]
fn products_of_a_single_order_are_recommended() {
    let recommended = recommend(&recommender_of(&[order(1, DAY, &["milk", "bread"])]), 1);
    assert_eq!(skus(&recommended), ["bread", "milk"]);
    assert!(recommended.iter().all(|r| r.reason_data == Reason::LastTime));
}

#[test]
fn frequent_and_recent_products_rank_first() {
    let recommended = recommend(
        &recommender_of(&[
            order(1, DAY, &["milk", "once"]),
            order(1, 8 * DAY, &["milk", "bread", "tea"]),
            order(1, 15 * DAY, &["milk", "bread"]),
            order(1, 300 * DAY, &["tea", "old"]),
        ]),
        1,
    );
    assert_eq!(skus(&recommended), ["milk", "bread", "tea", "once", "old"]);
    assert_eq!(recommended[0].reason_data, Reason::Usual { baskets: 3, of: 4 });
    assert_eq!(recommended[0].reason, "in 3 of your last 4 baskets");
    assert_eq!(recommended[3].reason_data, Reason::LastTime);
    assert_eq!(recommended[4].reason_data, Reason::Once { days_ago: 300 });
}

#[test]
fn days_since_purchase_are_calendar_days_of_the_shop() {
    let orders = [order(1, HOUR * 3, &["milk"]), order(1, 13 * HOUR, &["tea"])];
    let recommender = recommender_of(&orders);
    let tea = |zone: &str, now: i64| {
        let now = Timestamp::from_second(now).unwrap().in_tz(zone).unwrap();
        let preferences = Preferences::default();
        let recommended =
            recommender.recommend(id(1), &now, 10, &preferences, &Catalogue::default());
        recommended.into_iter().find(|r| r.sku == "tea").unwrap().reason_data
    };
    // Bought 13 hours ago at 23:26 UTC: yesterday in UTC and in New York, today in Berlin.
    assert_eq!(tea("UTC", NOW), Reason::Once { days_ago: 1 });
    assert_eq!(tea("Europe/Berlin", NOW), Reason::Once { days_ago: 0 });
    assert_eq!(tea("America/New_York", NOW), Reason::Once { days_ago: 1 });
    // 24.6 hours after the purchase, two midnights have passed in UTC.
    assert_eq!(tea("UTC", NOW + 11 * HOUR + HOUR * 6 / 10), Reason::Once { days_ago: 2 });
}

#[test]
fn product_bought_at_intervals_is_due() {
    let mut orders: Vec<_> = (1..=5).map(|week| order(1, week * 14 * DAY, &["coffee"])).collect();
    orders.extend((1..=20).map(|n| order(1, n * 3 * DAY + HOUR, &["milk"])));
    let recommended = recommend(&recommender_of(&orders), 1);
    let coffee = recommended.iter().find(|r| r.sku == "coffee").unwrap();
    assert_eq!(coffee.reason_data, Reason::Due { every_days: 14, since_days: 14 });
}

#[test]
fn product_bought_in_last_two_hours_is_excluded() {
    let lately = [order(1, HOUR, &["milk"]), order(1, DAY, &["milk", "tea"])];
    assert_eq!(skus(&recommend(&recommender_of(&lately), 1)), ["tea"]);
    let earlier = [order(1, 2 * HOUR, &["milk"]), order(1, DAY, &["milk"])];
    assert_eq!(skus(&recommend(&recommender_of(&earlier), 1)), ["milk"]);
    // The till's clock is ahead of the box's.
    assert_eq!(recommend(&recommender_of(&[order(1, -HOUR, &["milk"])]), 1), []);
}

#[test]
fn product_name_comes_from_catalogue_else_newest_order() {
    let mut older = order(1, 2 * DAY, &["milk"]);
    older.lines[0].name = "Milk of old".into();
    for orders in [[order(1, DAY, &["milk"]), older.clone()], [older, order(1, DAY, &["milk"])]] {
        assert_eq!(recommend(&recommender_of(&orders), 1)[0].name, "the milk");
        let catalogue = Catalogue::from_iter([product("milk")]);
        let recommended = recommender_of(&orders).recommend(
            id(1),
            &at(NOW),
            1,
            &Preferences::default(),
            &catalogue,
        );
        assert_eq!(recommended[0].name, "milk of the catalogue");
    }
}

#[test]
fn customer_who_switched_recommendations_off_gets_none() {
    let preferences = Preferences { can_recommend: false, ..Preferences::default() };
    let recommender = recommender_of(&[order(1, DAY, &["milk"])]);
    assert_eq!(recommender.recommend(id(1), &at(NOW), 9, &preferences, &Catalogue::default()), []);
}

#[test]
fn unavailable_and_unsuitable_products_are_excluded() {
    let mut orders = vec![order(1, DAY, &["bread", "gone", "nuts", "unlisted", "wine"])];
    // The same products are popular, so a customer without orders gets them too.
    orders.extend((2..6).map(|n| order(n, DAY, &["bread", "gone", "nuts", "unlisted", "wine"])));
    let recommender = recommender_of(&orders);
    let catalogue = Catalogue::from_iter([
        product("bread"),
        Product { is_available: false, ..product("gone") },
        Product { allergens: [Allergen::Nuts].into(), ..product("nuts") },
        Product { is_age_restricted: true, ..product("wine") },
    ]);
    let no_allergies = Preferences::default();
    let allergic = Preferences { allergens: [Allergen::Nuts].into(), ..Preferences::default() };
    for customer in [1, 99] {
        let allowed_skus = |preferences| {
            let recommended =
                recommender.recommend(id(customer), &at(NOW), 10, preferences, &catalogue);
            skus(&recommended).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(allowed_skus(&no_allergies), ["bread", "nuts", "unlisted"]);
        // The allergens of a product outside the catalogue are unknown.
        assert_eq!(allowed_skus(&allergic), ["bread"]);
    }
}

#[test]
fn inserted_product_replaces_product_with_same_sku() {
    let mut catalogue = Catalogue::default();
    assert_eq!(catalogue.product_name("milk"), None);
    catalogue.insert(Product { is_available: false, ..product("milk") });
    assert!(!catalogue.allows("milk", &[].into()));
    catalogue.insert(product("milk"));
    assert!(catalogue.allows("milk", &[].into()));
}

#[test]
fn new_customer_gets_products_of_at_least_three_others() {
    let mut orders = Vec::new();
    for n in 1..=4 {
        orders.push(order(n, 7 * DAY, &["lunch"]));
        orders.push(order(n, 7 * DAY + 9 * HOUR, &["breakfast"]));
    }
    // Two customers often buy a product that nobody else buys.
    for n in 1..=2 {
        orders.extend((8..30).map(|day| order(n, day * DAY, &["secret"])));
    }
    let recommended = recommend(&recommender_of(&orders), 99);
    assert_eq!(skus(&recommended), ["lunch", "breakfast"]);
    assert_eq!(
        recommended[0].reason_data,
        Reason::PopularAtThisHour { customers: 4, from_hour: 11, to_hour: 14, days: 60 }
    );
    assert_eq!(recommended[1].reason_data, Reason::LikedHere { customers: 4 });
}

#[test]
fn product_bought_together_names_its_companion() {
    let mut orders = vec![order(1, DAY, &["pasta"]), order(1, 8 * DAY, &["pasta"])];
    for n in 2..8 {
        orders.push(order(n, 3 * DAY, &["pasta", "pesto"]));
        orders.push(order(n, 5 * DAY, &["tea"]));
        orders.extend((6..16).map(|day| order(n, day * DAY, &["milk"])));
    }
    let recommended = recommend(&recommender_of(&orders), 1);
    let pesto = recommended.iter().find(|r| r.sku == "pesto").unwrap();
    assert_eq!(pesto.reason, "often bought together with the pasta");
    let Reason::BoughtTogether { baskets, of, .. } = pesto.reason_data else {
        panic!("{:?}", pesto.reason_data)
    };
    assert_eq!((baskets, of), (6, 6));
}

/// Returns orders of customers who buy two products in alternate weeks, and four other products at
/// longer intervals.
fn alternating_orders(customers: u128) -> Vec<Order> {
    let mut orders = Vec::new();
    for n in 1..=customers {
        for week in 1..=16 {
            // Weeks are counted back from `NOW`: the last order contains "even", so "odd" is next.
            let alternating = ["odd", "even"][(week % 2) as usize];
            let mut basket = vec![alternating];
            for (every, sku) in [(3, "a"), (5, "b"), (7, "c"), (4, "d")] {
                if (week + n as i64) % every == 0 {
                    basket.push(sku);
                }
            }
            orders.push(order(n, week * 7 * DAY + n as i64, &basket));
        }
    }
    orders
}

#[test]
fn trained_ranker_predicts_alternating_products() {
    let orders = alternating_orders(60);
    let mut recommender = recommender_of(&orders);
    // The base score prefers the product of the last order.
    assert!(rank(&recommend(&recommender, 8), "even") < rank(&recommend(&recommender, 8), "odd"));
    let before = skus(&recommend(&recommender, 8)).len();
    recommender.set_ranker(recommender.train());
    let recommended = recommend(&recommender, 8);
    assert_eq!(skus(&recommended).len(), before);
    assert_eq!(recommended[0].sku, "odd", "{:?}", skus(&recommended));
}

fn rank(recommended: &[Recommendation], sku: &str) -> usize {
    recommended.iter().position(|r| r.sku == sku).unwrap()
}

#[test]
fn training_with_few_orders_returns_default_ranker() {
    assert_eq!(recommender_of(&alternating_orders(2)).train(), Ranker::default());
}

#[test]
fn result_does_not_depend_on_sequence_of_orders() {
    let mut orders = alternating_orders(30);
    let mut original = recommender_of(&orders);
    orders.reverse();
    orders.sort_by_key(|order| order.id.0.len());
    let mut reordered = recommender_of(&orders);
    assert_eq!(original.train(), reordered.train());
    assert_ne!(original.train(), Ranker::default());
    original.set_ranker(original.train());
    reordered.set_ranker(reordered.train());
    for customer in 0..=30 {
        assert_eq!(recommend(&original, customer), recommend(&reordered, customer));
    }
}

#[test]
fn removed_customer_leaves_no_data() {
    let orders = alternating_orders(30);
    let (theirs, others): (Vec<_>, Vec<_>) =
        orders.iter().cloned().partition(|order| order.customer == id(7));
    let mut removed = recommender_of(&orders);
    removed.remove_customer(id(7));
    let reference = recommender_of(&others);
    assert_eq!(removed.order_count(), reference.order_count());
    assert_eq!(removed.train(), reference.train());
    for customer in 0..=30 {
        assert_eq!(recommend(&removed, customer), recommend(&reference, customer));
    }
    // The customer's element in the index is reused.
    for order in theirs {
        removed.add_order(&order);
    }
    assert_eq!(recommend(&removed, 7), recommend(&recommender_of(&orders), 7));
}

#[test]
fn product_that_only_a_removed_customer_bought_has_no_name() {
    let mut recommender =
        recommender_of(&[order(1, DAY, &["milk", "curd"]), order(2, DAY, &["milk"])]);
    let catalogue = Catalogue::default();
    assert_eq!(recommender.product_name("curd", &catalogue), Some("the curd"));
    recommender.remove_customer(id(1));
    assert_eq!(recommender.product_name("curd", &catalogue), None);
    assert_eq!(recommender.product_name("milk", &catalogue), Some("the milk"));
}

#[test]
fn order_counts_once_and_correction_replaces_it() {
    let mut recommender = recommender_of(&[order(1, DAY, &["milk"]), order(1, 9 * DAY, &["tea"])]);
    assert!(!recommender.add_order(&order(1, DAY, &["milk"])));
    let mut correction = order(1, DAY + 1, &["bread"]);
    correction.replaces = Some(OrderId(format!("1-{DAY}")));
    assert!(recommender.add_order(&correction));
    assert_eq!(skus(&recommend(&recommender, 1)), ["bread", "tea"]);
    assert_eq!(recommender.order_count(), 2);
    let mut void = order(1, DAY + 2, &[]);
    void.replaces = Some(correction.id);
    assert!(recommender.add_order(&void));
    assert_eq!(skus(&recommend(&recommender, 1)), ["tea"]);
    // Another customer's order cannot be replaced.
    void.replaces = Some(OrderId(format!("1-{}", 9 * DAY)));
    void.customer = id(2);
    assert!(!recommender.add_order(&void));
    assert_eq!(recommender.order_count(), 1);
}

#[test]
fn voided_line_is_not_a_purchase() {
    let mut voided = order(1, DAY, &["milk", "wine", "wine"]);
    voided.lines[2].quantity = (-1).into();
    voided.lines[2].is_void = true;
    assert_eq!(skus(&recommend(&recommender_of(&[voided]), 1)), ["milk"]);
}
