//! What the shop's other customers buy at this time of the day: for those of whom nothing is known.

use std::collections::HashMap;

use instored_domain::Reason;

use super::habits::Moment;
use super::ledger::{DAY, Ledger, PersonNo, ProductNo};
use super::view::SUPPORT;

/// Days that are looked back on.
const DAYS: u32 = 60;

/// The products that the most others bought lately at this hour, give or take one, then those that
/// the most others ever bought; each with its reason. Never one that fewer than [`SUPPORT`] did.
pub(super) fn favourites(
    ledger: &Ledger,
    me: Option<PersonNo>,
    moment: Moment,
) -> impl Iterator<Item = (ProductNo, Reason)> {
    let hour = moment.clock.hour;
    let from_hour = (hour + 23) % 24;
    let now = ranked(ledger, at_this_hour(ledger, me, moment)).into_iter();
    let now = now.map(move |(product, customers)| {
        let to_hour = (hour + 2) % 24;
        (product, Reason::PopularAtThisHour { customers, from_hour, to_hour, days: DAYS })
    });
    // Only made when the first ones are not enough.
    let ever = std::iter::once_with(move || {
        let shelves = ledger.shelves().iter().zip(0..);
        let counts = shelves.map(|(shelf, no)| (no, shelf.others(me) as u32));
        ranked(ledger, counts)
    });
    now.chain(ever.flatten().map(|(product, customers)| (product, Reason::LikedHere { customers })))
}

/// How many others bought what at this hour.
fn at_this_hour(
    ledger: &Ledger,
    me: Option<PersonNo>,
    moment: Moment,
) -> impl IntoIterator<Item = (ProductNo, u32)> {
    let from = moment.second - i64::from(DAYS) * DAY;
    let mut counts: HashMap<ProductNo, u32> = HashMap::new();
    let others = ledger.people().iter().zip(0..).filter(|(_, no)| Some(*no) != me);
    for (person, _) in others {
        let lately = &person.baskets[person.baskets.partition_point(|b| b.placed < from)..];
        let mut bought: Vec<_> = lately
            .iter()
            .take_while(|basket| basket.placed <= moment.second)
            // From the hour before to the one after, over midnight too.
            .filter(|basket| (basket.clock.hour + 25 - moment.clock.hour) % 24 <= 2)
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

/// The most bought first; none that fewer than [`SUPPORT`] did.
fn ranked(
    ledger: &Ledger,
    counts: impl IntoIterator<Item = (ProductNo, u32)>,
) -> Vec<(ProductNo, u32)> {
    let mut counts: Vec<_> =
        counts.into_iter().filter(|(_, customers)| *customers as usize >= SUPPORT).collect();
    counts.sort_unstable_by(|a, b| {
        b.1.cmp(&a.1).then_with(|| ledger.shelf_of(a.0).sku.cmp(&ledger.shelf_of(b.0).sku))
    });
    counts
}
