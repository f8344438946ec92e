//! Products that other customers buy at this time of day, for customers with few or no orders.

use std::collections::HashMap;

use instored_domain::Reason;

use super::MIN_BUYERS;
use super::purchase_index::{CustomerIndex, ProductIndex, PurchaseIndex};
use super::time::{DAY_SECONDS, VisitTime};

/// Maximum age of a recent purchase, in days.
const WINDOW_DAYS: u32 = 60;

/// Returns products with their reasons. The first products are those that other customers recently
/// bought within an hour of this time of day, by number of buyers. Then all products follow,
/// by the number of buyers at any time. Products with fewer than [`MIN_BUYERS`] other buyers are left
/// out.
pub(super) fn popular_products(
    index: &PurchaseIndex,
    customer: Option<CustomerIndex>,
    now: VisitTime,
) -> impl Iterator<Item = (ProductIndex, Reason)> {
    let hour = now.local.hour;
    let from_hour = (hour + 23) % 24;
    let to_hour = (hour + 2) % 24;
    let at_hour = sort_by_buyers(index, buyers_at_hour(index, customer, now)).into_iter();
    let at_hour = at_hour.map(move |(product, customers)| {
        let days = WINDOW_DAYS;
        (product, Reason::PopularAtThisHour { customers, from_hour, to_hour, days })
    });
    // This part is computed only if the products at this hour are not enough.
    let overall = std::iter::once_with(move || {
        let products = index.products().iter().zip(0..);
        let counts = products.map(|(stats, i)| (i, stats.other_buyer_count(customer) as u32));
        sort_by_buyers(index, counts)
    });
    let overall = overall.flatten();
    at_hour.chain(overall.map(|(product, customers)| (product, Reason::LikedHere { customers })))
}

/// Counts the other customers who recently bought each product within an hour of this time of day.
fn buyers_at_hour(
    index: &PurchaseIndex,
    customer: Option<CustomerIndex>,
    now: VisitTime,
) -> HashMap<ProductIndex, u32> {
    let from = now.second - i64::from(WINDOW_DAYS) * DAY_SECONDS;
    let mut counts: HashMap<ProductIndex, u32> = HashMap::new();
    let others = index.customers().iter().zip(0..).filter(|(_, i)| Some(*i) != customer);
    for (history, _) in others {
        let start = history.baskets.partition_point(|basket| basket.time.second < from);
        let mut bought: Vec<_> = history.baskets[start..]
            .iter()
            .take_while(|basket| basket.time.second <= now.second)
            // The hours differ by at most one, also across midnight.
            .filter(|basket| (basket.time.local.hour + 25 - now.local.hour) % 24 <= 2)
            .flat_map(|basket| basket.products.iter().copied())
            .collect();
        bought.sort_unstable();
        bought.dedup();
        for product in bought {
            *counts.entry(product).or_default() += 1;
        }
    }
    counts
}

/// Sorts products by number of buyers, descending. Drops products with fewer than [`MIN_BUYERS`].
fn sort_by_buyers(
    index: &PurchaseIndex,
    counts: impl IntoIterator<Item = (ProductIndex, u32)>,
) -> Vec<(ProductIndex, u32)> {
    let mut counts: Vec<_> =
        counts.into_iter().filter(|(_, customers)| *customers as usize >= MIN_BUYERS).collect();
    counts.sort_unstable_by(|a, b| {
        b.1.cmp(&a.1).then_with(|| index.product(a.0).sku.cmp(&index.product(b.0).sku))
    });
    counts
}
