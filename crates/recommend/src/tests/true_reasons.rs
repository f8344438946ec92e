//! Property tests with random shops: every reason is verified by counting orders.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Returns random orders of few customers and few products, so that products are often bought
/// together.
fn random_orders() -> impl Strategy<Value = Vec<Order>> {
    let order_data = (1..7u128, 0..90i64, 0..24i64, proptest::collection::btree_set(0..14u8, 1..6));
    proptest::collection::vec(order_data, 0..90).prop_map(|data| {
        data.into_iter()
            .map(|(customer, day, hour, products)| {
                let skus: Vec<_> = products.iter().map(|product| format!("p{product}")).collect();
                let skus: Vec<_> = skus.iter().map(String::as_str).collect();
                order(customer, day * DAY + hour * HOUR, &skus)
            })
            .map(|order| (order.id.clone(), order))
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .collect()
    })
}

fn contains(order: &Order, sku: &str) -> bool {
    order.lines.iter().any(|line| line.sku == sku)
}

/// Verifies a reason for recommending `sku` to `customer`.
fn verify(
    reason: &Reason,
    sku: &str,
    customer: CustomerId,
    orders: &[Order],
) -> Result<(), String> {
    let mut own_orders: Vec<_> = orders.iter().filter(|order| order.customer == customer).collect();
    own_orders.sort_by_key(|order| std::cmp::Reverse((order.placed.timestamp(), order.id.clone())));
    let other_orders: Vec<_> = orders.iter().filter(|order| order.customer != customer).collect();
    let own_purchases: Vec<_> = own_orders.iter().filter(|order| contains(order, sku)).collect();
    // Calendar days: midnights between the purchase and now.
    let midnights = |second: i64| second.div_euclid(DAY);
    let days = |order: &Order| midnights(NOW) - midnights(order.placed.timestamp().as_second());
    let buyer_count = |orders: &mut dyn Iterator<Item = &&Order>| {
        orders.filter(|o| contains(o, sku)).map(|o| o.customer).collect::<BTreeSet<_>>().len()
            as u32
    };
    let is_true = match reason {
        Reason::Usual { baskets, of } => {
            *baskets >= 2
                && *of as usize <= own_orders.len()
                && own_orders.iter().take(*of as usize).filter(|o| contains(o, sku)).count()
                    == *baskets as usize
        }
        Reason::LastTime => contains(own_orders[0], sku),
        Reason::Once { days_ago } => {
            own_purchases.len() == 1 && days(own_purchases[0]) == i64::from(*days_ago)
        }
        Reason::Due { every_days, since_days } => {
            let times: Vec<_> =
                own_purchases.iter().map(|o| o.placed.timestamp().as_second()).collect();
            let mut gaps: Vec<_> = times.windows(2).map(|w| (w[0] - w[1]) as f64).collect();
            gaps.sort_by(f64::total_cmp);
            let n = gaps.len();
            let median =
                if n % 2 == 1 { gaps[n / 2] } else { (gaps[n / 2 - 1] + gaps[n / 2]) / 2.0 };
            n >= 3
                && (median / DAY as f64).round() as u32 == *every_days
                && days(own_purchases[0]) == i64::from(*since_days)
        }
        Reason::BoughtTogether { with: name, with_sku, baskets, of } => {
            let mut containing: Vec<_> = other_orders.iter().filter(|o| contains(o, sku)).collect();
            containing.sort_by_key(|order| std::cmp::Reverse(order.placed.timestamp()));
            let both: Vec<_> = containing.iter().filter(|o| contains(o, with_sku)).collect();
            let people: BTreeSet<_> = both.iter().map(|order| order.customer).collect();
            own_purchases.is_empty()
                && own_orders.iter().any(|order| contains(order, with_sku))
                && *name == format!("the {with_sku}")
                && containing.len() == *of as usize
                && both.len() == *baskets as usize
                && people.len() >= 3
        }
        Reason::LikedHere { customers } => {
            *customers >= 3 && buyer_count(&mut other_orders.iter()) == *customers
        }
        Reason::PopularAtThisHour { customers, from_hour, to_hour, days: within } => {
            let hours: Vec<_> = (0..3).map(|n| (from_hour + n) % 24).collect();
            let mut recent = other_orders.iter().filter(|o| {
                hours.contains(&u8::try_from(o.placed.hour()).unwrap())
                    && o.placed.timestamp().as_second() >= NOW - i64::from(*within) * DAY
            });
            *customers >= 3
                && (from_hour + 3) % 24 == *to_hour
                && hours[1] == 12
                && buyer_count(&mut recent) == *customers
        }
    };
    // A product that the customer never bought needs at least three other buyers.
    let has_too_few_buyers = own_purchases.is_empty() && buyer_count(&mut other_orders.iter()) < 3;
    if is_true && !has_too_few_buyers { Ok(()) } else { Err(format!("{sku}: {reason:?}")) }
}

proptest! {
    #[test]
    fn reasons_match_counted_orders(orders in random_orders()) {
        let recommender = recommender_of(&orders);
        for customer in 0..8 {
            let recommended = recommend(&recommender, customer);
            prop_assert!(recommended.len() <= 10);
            for r in &recommended {
                prop_assert_eq!(verify(&r.reason_data, &r.sku, id(customer), &orders), Ok(()));
                prop_assert_eq!(&r.reason, &r.reason_data.to_string());
            }
            let skus: BTreeSet<_> = recommended.iter().map(|r| &r.sku).collect();
            prop_assert_eq!(skus.len(), recommended.len(), "duplicate product");
            prop_assert_eq!(recommend(&recommender, customer), recommended, "result is not deterministic");
        }
    }

    #[test]
    fn removed_customers_leave_no_data(orders in random_orders(), more in random_orders()) {
        let mut changed = recommender_of(&orders);
        for order in &more {
            let mut order = order.clone();
            order.customer = id(100 + order.customer.0.as_u128());
            changed.add_order(&order);
        }
        for customer in 100..110 {
            changed.remove_customer(id(customer));
        }
        let reference = recommender_of(&orders);
        prop_assert_eq!(changed.order_count(), reference.order_count());
        for customer in 0..8 {
            prop_assert_eq!(recommend(&changed, customer), recommend(&reference, customer));
        }
    }
}
