//! Recommendations: what is shown, to whom, and that it depends on the orders alone.

mod large;
mod truth;

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

/// An order this many seconds ago of these articles, named after themselves.
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

fn of(orders: &[Order]) -> Recommender {
    let mut recommender = Recommender::default();
    for order in orders {
        recommender.add_order(order);
    }
    recommender
}

fn ask(recommender: &Recommender, customer: u128) -> Vec<Recommendation> {
    let everything = Preferences::default();
    recommender.recommend(id(customer), &at(NOW), 10, &everything, &Catalogue::default())
}

fn skus(shown: &[Recommendation]) -> Vec<&str> {
    shown.iter().map(|shown| shown.sku.as_str()).collect()
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
fn an_empty_shop_shows_nothing() {
    assert_eq!(ask(&Recommender::default(), 1), []);
    let one = of(&[order(1, DAY, &["milk"])]);
    assert_eq!(
        one.recommend(id(1), &at(NOW), 0, &Preferences::default(), &Catalogue::default()),
        []
    );
}

#[test]
fn after_one_order_its_products_are_shown() {
    let shown = ask(&of(&[order(1, DAY, &["milk", "bread"])]), 1);
    assert_eq!(skus(&shown), ["bread", "milk"]);
    assert!(shown.iter().all(|shown| shown.reason_data == Reason::LastTime));
}

#[test]
fn the_usual_comes_first_the_more_often_and_the_more_lately_the_higher() {
    let shown = ask(
        &of(&[
            order(1, DAY, &["milk", "once"]),
            order(1, 8 * DAY, &["milk", "bread", "tea"]),
            order(1, 15 * DAY, &["milk", "bread"]),
            order(1, 300 * DAY, &["tea", "old"]),
        ]),
        1,
    );
    assert_eq!(skus(&shown), ["milk", "bread", "tea", "once", "old"]);
    assert_eq!(shown[0].reason_data, Reason::Usual { baskets: 3, of: 4 });
    assert_eq!(shown[0].reason, "in 3 of your last 4 baskets");
    assert_eq!(shown[3].reason_data, Reason::LastTime);
    assert_eq!(shown[4].reason_data, Reason::Once { days_ago: 300 });
}

#[test]
fn what_has_a_rhythm_is_said_to_be_due() {
    let mut orders: Vec<_> = (1..=5).map(|week| order(1, week * 14 * DAY, &["coffee"])).collect();
    orders.extend((1..=20).map(|n| order(1, n * 3 * DAY + HOUR, &["milk"])));
    let shown = ask(&of(&orders), 1);
    let coffee = shown.iter().find(|shown| shown.sku == "coffee").unwrap();
    assert_eq!(coffee.reason_data, Reason::Due { every_days: 14, since_days: 14 });
}

#[test]
fn what_is_in_the_bag_is_not_shown() {
    let lately = [order(1, HOUR, &["milk"]), order(1, DAY, &["milk", "tea"])];
    assert_eq!(skus(&ask(&of(&lately), 1)), ["tea"]);
    let earlier = [order(1, 2 * HOUR, &["milk"]), order(1, DAY, &["milk"])];
    assert_eq!(skus(&ask(&of(&earlier), 1)), ["milk"]);
    // The till's clock is ahead.
    assert_eq!(ask(&of(&[order(1, -HOUR, &["milk"])]), 1), []);
}

#[test]
fn the_newest_name_is_shown_and_the_catalogues_before_it() {
    let mut older = order(1, 2 * DAY, &["milk"]);
    older.lines[0].name = "Milk of old".into();
    for orders in [[order(1, DAY, &["milk"]), older.clone()], [older, order(1, DAY, &["milk"])]] {
        assert_eq!(ask(&of(&orders), 1)[0].name, "the milk");
        let catalogue = Catalogue::from_iter([product("milk")]);
        let shown = of(&orders).recommend(id(1), &at(NOW), 1, &Preferences::default(), &catalogue);
        assert_eq!(shown[0].name, "milk of the catalogue");
    }
}

#[test]
fn who_wants_no_recommendations_gets_none() {
    let none = Preferences { can_recommend: false, ..Preferences::default() };
    let recommender = of(&[order(1, DAY, &["milk"])]);
    assert_eq!(recommender.recommend(id(1), &at(NOW), 9, &none, &Catalogue::default()), []);
}

#[test]
fn what_cannot_be_bought_or_must_not_be_shown_is_not() {
    let mut orders = vec![order(1, DAY, &["bread", "gone", "nuts", "unlisted", "wine"])];
    // The same as favourites, for someone unknown.
    orders.extend((2..6).map(|n| order(n, DAY, &["bread", "gone", "nuts", "unlisted", "wine"])));
    let recommender = of(&orders);
    let catalogue = Catalogue::from_iter([
        product("bread"),
        Product { is_available: false, ..product("gone") },
        Product { allergens: [Allergen::Nuts].into(), ..product("nuts") },
        Product { is_age_restricted: true, ..product("wine") },
    ]);
    let everything = Preferences::default();
    let allergic = Preferences { allergens: [Allergen::Nuts].into(), ..Preferences::default() };
    for customer in [1, 99] {
        let shown = |preferences| {
            let shown = recommender.recommend(id(customer), &at(NOW), 10, preferences, &catalogue);
            skus(&shown).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(shown(&everything), ["bread", "nuts", "unlisted"]);
        // Nobody knows what is in a product that the catalogue does not have.
        assert_eq!(shown(&allergic), ["bread"]);
    }
}

#[test]
fn a_catalogue_is_changed_product_by_product() {
    let mut catalogue = Catalogue::default();
    catalogue.insert(Product { is_available: false, ..product("milk") });
    assert!(!catalogue.allows("milk", &[].into()));
    catalogue.insert(product("milk"));
    assert!(catalogue.allows("milk", &[].into()));
    catalogue.remove("milk");
    assert_eq!(catalogue.product_name("milk"), None);
}

#[test]
fn who_is_new_is_shown_what_three_others_buy_at_this_hour() {
    let mut orders = Vec::new();
    for n in 1..=4 {
        orders.push(order(n, 7 * DAY, &["lunch"]));
        orders.push(order(n, 7 * DAY + 9 * HOUR, &["breakfast"]));
    }
    // Two people's secret, bought often.
    for n in 1..=2 {
        orders.extend((8..30).map(|day| order(n, day * DAY, &["secret"])));
    }
    let shown = ask(&of(&orders), 99);
    assert_eq!(skus(&shown), ["lunch", "breakfast"]);
    assert_eq!(
        shown[0].reason_data,
        Reason::PopularAtThisHour { customers: 4, from_hour: 11, to_hour: 14, days: 60 }
    );
    assert_eq!(shown[1].reason_data, Reason::LikedHere { customers: 4 });
}

#[test]
fn what_is_bought_together_is_shown_with_what_it_goes_with() {
    let mut orders = vec![order(1, DAY, &["pasta"]), order(1, 8 * DAY, &["pasta"])];
    for n in 2..8 {
        orders.push(order(n, 3 * DAY, &["pasta", "pesto"]));
        orders.push(order(n, 5 * DAY, &["tea"]));
        orders.extend((6..16).map(|day| order(n, day * DAY, &["milk"])));
    }
    let shown = ask(&of(&orders), 1);
    let pesto = shown.iter().find(|shown| shown.sku == "pesto").unwrap();
    assert_eq!(pesto.reason, "often bought together with the pasta");
    let Reason::BoughtTogether { baskets, of, .. } = pesto.reason_data else {
        panic!("{:?}", pesto.reason_data)
    };
    assert_eq!((baskets, of), (6, 6));
}

/// A shop of `people` who buy one of two things every week, in turns, and other things at times.
fn alternating(people: u128) -> Vec<Order> {
    let mut orders = Vec::new();
    for n in 1..=people {
        for week in 1..=16 {
            let turn = ["odd", "even"][(week % 2) as usize];
            let mut basket = vec![turn];
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
fn a_shop_learns_the_rhythm_of_its_customers() {
    let orders = alternating(60);
    let mut recommender = of(&orders);
    // By the first guess what was bought last comes before what was not.
    assert!(place(&ask(&recommender, 8), "even") < place(&ask(&recommender, 8), "odd"));
    let before = skus(&ask(&recommender, 8)).len();
    recommender.set_ranker(recommender.train());
    let shown = ask(&recommender, 8);
    assert_eq!(skus(&shown).len(), before);
    assert_eq!(shown[0].sku, "odd", "{:?}", skus(&shown));
}

fn place(shown: &[Recommendation], sku: &str) -> usize {
    shown.iter().position(|shown| shown.sku == sku).unwrap()
}

#[test]
fn a_shop_with_little_to_learn_from_goes_by_the_first_guess() {
    assert_eq!(of(&alternating(2)).train(), Ranker::default());
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    let mut orders = alternating(30);
    let mut one = of(&orders);
    orders.reverse();
    orders.sort_by_key(|order| order.id.0.len());
    let mut other = of(&orders);
    assert_eq!(one.train(), other.train());
    assert_ne!(one.train(), Ranker::default());
    one.set_ranker(one.train());
    other.set_ranker(other.train());
    for customer in 0..=30 {
        assert_eq!(ask(&one, customer), ask(&other, customer));
    }
}

#[test]
fn who_is_forgotten_leaves_nothing_behind() {
    let orders = alternating(30);
    let (theirs, others): (Vec<_>, Vec<_>) =
        orders.iter().cloned().partition(|order| order.customer == id(7));
    let mut forgot = of(&orders);
    forgot.remove_customer(id(7));
    let never = of(&others);
    assert_eq!(forgot.order_count(), never.order_count());
    assert_eq!(forgot.train(), never.train());
    for customer in 0..=30 {
        assert_eq!(ask(&forgot, customer), ask(&never, customer));
    }
    // And their place is taken by whoever comes next.
    for order in theirs {
        forgot.add_order(&order);
    }
    assert_eq!(ask(&forgot, 7), ask(&of(&orders), 7));
}

#[test]
fn an_order_counts_once_and_a_correction_takes_its_place() {
    let mut recommender = of(&[order(1, DAY, &["milk"]), order(1, 9 * DAY, &["tea"])]);
    assert!(!recommender.add_order(&order(1, DAY, &["milk"])));
    let mut correction = order(1, DAY + 1, &["bread"]);
    correction.replaces = Some(OrderId(format!("1-{DAY}")));
    assert!(recommender.add_order(&correction));
    assert_eq!(skus(&ask(&recommender, 1)), ["bread", "tea"]);
    assert_eq!(recommender.order_count(), 2);
    let mut void = order(1, DAY + 2, &[]);
    void.replaces = Some(correction.id);
    assert!(recommender.add_order(&void));
    assert_eq!(skus(&ask(&recommender, 1)), ["tea"]);
    // Someone else's order is not theirs to replace.
    void.replaces = Some(OrderId(format!("1-{}", 9 * DAY)));
    void.customer = id(2);
    assert!(!recommender.add_order(&void));
    assert_eq!(recommender.order_count(), 1);
}

#[test]
fn what_was_taken_back_at_the_till_was_not_bought() {
    let mut taken_back = order(1, DAY, &["milk", "wine", "wine"]);
    taken_back.lines[2].quantity = (-1).into();
    taken_back.lines[2].is_void = true;
    assert_eq!(skus(&ask(&of(&[taken_back]), 1)), ["milk"]);
}
