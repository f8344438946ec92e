//! Reasons of recommendations: the most specific true statement about a product.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use instored_domain::{Reason, medians};

use super::MIN_BUYERS;
use super::catalogue::Catalogue;
use super::customer_features::{CustomerFeatures, ProductHistory};
use super::purchase_index::{Basket, CustomerIndex, ProductIndex, PurchaseIndex};
use super::time::{DAY_SECONDS, Today, VisitTime};

/// Number of newest baskets counted for [`Reason::Usual`]. Customers do not remember older baskets.
const USUAL_WINDOW: usize = 8;
/// Minimum number of baskets with a usual product. A single basket may be chance.
const USUAL_MIN_BASKETS: u32 = 2;
/// Minimum number of newest baskets with a product for which [`Reason::Usual`] has precedence over
/// [`Reason::Due`].
const USUAL_FIRST_MIN_BASKETS: u32 = 5;
/// Minimum number of purchases for a median interval.
const DUE_MIN_PURCHASES: usize = 4;
/// Time since the last purchase of a due product, in median intervals.
const DUE_RANGE: RangeInclusive<f64> = 0.8..=2.0;

/// Number of newest baskets with a product in which its companions are counted. A companion is a
/// product of the customer that is often bought together with the recommended product.
const COMPANION_WINDOW: usize = 200;
/// Minimum number of these baskets that contain the companion.
const COMPANION_MIN_BASKETS: u32 = 5;
/// Minimum lift: the companion's share of these baskets divided by its share of all baskets.
const COMPANION_MIN_LIFT: f64 = 3.0;
/// Maximum number of the customer's products that are compared as companions.
const MAX_COMPANIONS: usize = 20;

/// Returns the reason for a product that the customer has bought before. `baskets` are the
/// customer's baskets by time. Days are calendar days of `today`'s time zone.
pub(super) fn known_product(
    history: &ProductHistory,
    baskets: &[Basket],
    now: VisitTime,
    today: &Today,
) -> Reason {
    let window = baskets.len().min(USUAL_WINDOW);
    let newest = &baskets[baskets.len() - window..];
    let recent = newest.iter().filter(|basket| basket.contains(history.product)).count() as u32;
    let usual = |baskets, of: usize| Reason::Usual { baskets, of: of as u32 };
    let seconds_since = now.second - history.last_bought;
    let since_days = today.days_since(history.last_bought);
    if recent >= USUAL_FIRST_MIN_BASKETS {
        return usual(recent, window);
    }
    if let Some(interval) = median_interval(history.product, baskets)
        && DUE_RANGE.contains(&(seconds_since as f64 / interval))
    {
        let every_days = (interval / DAY_SECONDS as f64).round() as u32;
        return Reason::Due { every_days, since_days };
    }
    if recent >= USUAL_MIN_BASKETS {
        usual(recent, window)
    } else if history.last + 1 == baskets.len() {
        Reason::LastTime
    } else if history.count >= USUAL_MIN_BASKETS {
        usual(history.count, baskets.len())
    } else {
        Reason::Once { days_ago: since_days }
    }
}

/// Returns the median seconds between two purchases, or `None` if there are too few purchases or
/// the median is less than a day.
fn median_interval(product: ProductIndex, baskets: &[Basket]) -> Option<f64> {
    let with = baskets.iter().filter(|basket| basket.contains(product));
    let bought: Vec<_> = with.map(|basket| basket.time.second).collect();
    if bought.len() < DUE_MIN_PURCHASES {
        return None;
    }
    let mut gaps: Vec<_> = bought.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (lower, upper) = medians(&mut gaps)?;
    let median = (lower + upper) as f64 / 2.0;
    (median >= DAY_SECONDS as f64).then_some(median)
}

/// Returns the reason for a product that is new to the customer.
pub(super) fn new_product(
    index: &PurchaseIndex,
    catalogue: &Catalogue,
    customer: CustomerIndex,
    features: &CustomerFeatures,
    product: ProductIndex,
) -> Reason {
    let baskets = newest_baskets_with(index, product);
    match best_companion(index, features, &baskets) {
        Some((companion, count)) => {
            let companion = index.product(companion);
            Reason::BoughtTogether {
                with: catalogue.product_name(&companion.sku).unwrap_or(&companion.name).to_owned(),
                with_sku: companion.sku.to_string(),
                baskets: count,
                of: baskets.len() as u32,
            }
        }
        None => {
            let customers = index.product(product).other_buyer_count(Some(customer)) as u32;
            Reason::LikedHere { customers }
        }
    }
}

/// Returns the [`COMPANION_WINDOW`] newest baskets that contain a product, with their customers.
/// All baskets of the oldest minute are included, so that the result does not depend on their
/// sequence.
fn newest_baskets_with(
    index: &PurchaseIndex,
    product: ProductIndex,
) -> Vec<(CustomerIndex, &Basket)> {
    let stats = index.product(product);
    let oldest = stats.purchases.len().saturating_sub(COMPANION_WINDOW);
    let from = stats.purchases.get(oldest).map_or(0, |purchase| purchase.0);
    let mut visits = stats.purchases_between(from, u32::MAX).to_vec();
    visits.dedup();
    let baskets = visits.iter().flat_map(|&(minute, customer)| {
        index.baskets_with(customer, minute, product).map(move |basket| (customer, basket))
    });
    baskets.collect()
}

/// Returns the customer's product with the highest lift in `baskets`, and the number of baskets
/// that contain it.
fn best_companion(
    index: &PurchaseIndex,
    features: &CustomerFeatures,
    baskets: &[(CustomerIndex, &Basket)],
) -> Option<(ProductIndex, u32)> {
    let basket_count = index.basket_count() as f64;
    let mut best: Option<(f64, ProductIndex, u32)> = None;
    for companion in companions(index, features) {
        let with = baskets.iter().filter(|(_, basket)| basket.contains(companion));
        let buyers: BTreeSet<_> = with.clone().map(|(customer, _)| customer).collect();
        let count = with.count() as u32;
        let overall_share = index.product(companion).purchases.len() as f64 / basket_count;
        let lift = f64::from(count) / baskets.len() as f64 / overall_share;
        if buyers.len() >= MIN_BUYERS
            && count >= COMPANION_MIN_BASKETS
            && lift >= COMPANION_MIN_LIFT
            && best.is_none_or(|(best, ..)| lift > best)
        {
            best = Some((lift, companion, count));
        }
    }
    best.map(|(_, companion, count)| (companion, count))
}

/// Returns the products that the customer buys most often.
fn companions(
    index: &PurchaseIndex,
    features: &CustomerFeatures,
) -> impl Iterator<Item = ProductIndex> {
    let mut products: Vec<_> = features.products.iter().collect();
    products.sort_unstable_by(|a, b| {
        let sku = |history: &ProductHistory| &index.product(history.product).sku;
        b.share_by_days[2].total_cmp(&a.share_by_days[2]).then_with(|| sku(a).cmp(sku(b)))
    });
    products.into_iter().take(MAX_COMPANIONS).map(|history| history.product)
}
