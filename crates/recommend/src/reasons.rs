//! Why a product is shown: the statement that says the most among those that are true.

use std::collections::BTreeSet;

use instored_domain::Reason;

use super::catalogue::Catalogue;
use super::habits::{Habit, Habits, Moment};
use super::ledger::{Basket, DAY, Ledger, PersonNo, ProductNo};
use super::view::SUPPORT;

/// The newest baskets that a reason looks back on; more than a customer remembers would not
/// convince.
const REMEMBERED: usize = 8;
/// A product is usual from so many baskets on; one may be chance.
const USUAL: u32 = 2;
/// From so many of [`REMEMBERED`] baskets on, that it is usual says more than when it is due.
const ALWAYS: u32 = 5;
/// Purchases that a rhythm is read from.
const RHYTHM: usize = 4;
/// A product is due between these shares of its usual interval.
const DUE: std::ops::RangeInclusive<f64> = 0.8..=2.0;

/// The newest baskets with a product that are looked at for what else is in them.
const LOOKED_AT: usize = 200;
/// Things that go with a product are in so many of those baskets,
const TOGETHER: u32 = 5;
/// and this many times as often as in all baskets.
const LIFT: f64 = 3.0;
/// Products of the customer that a new one is compared with.
const ANCHORS: usize = 20;

/// Why a product that `habit` is about is shown. `history` is the customer's, by time.
pub(super) fn own(habit: &Habit, history: &[Basket], moment: Moment) -> Reason {
    let remembered = history.len().min(REMEMBERED);
    let count = |baskets: &[Basket]| {
        baskets.iter().filter(|basket| basket.holds(habit.product)).count() as u32
    };
    let lately = count(&history[history.len() - remembered..]);
    let usual = |baskets, of: usize| Reason::Usual { baskets, of: of as u32 };
    let since_days = whole_days(moment.second - habit.last_bought);
    if lately >= ALWAYS {
        return usual(lately, remembered);
    }
    if let Some(every) = rhythm(habit.product, history)
        && DUE.contains(&((moment.second - habit.last_bought) as f64 / every))
    {
        let every_days = (every / DAY as f64).round() as u32;
        return Reason::Due { every_days, since_days };
    }
    if lately >= USUAL {
        usual(lately, remembered)
    } else if habit.last + 1 == history.len() {
        Reason::LastTime
    } else if habit.count >= USUAL {
        usual(habit.count, history.len())
    } else {
        Reason::Once { days_ago: since_days }
    }
}

/// Seconds between two purchases, the median, if there are enough and it is a day at least.
fn rhythm(product: ProductNo, history: &[Basket]) -> Option<f64> {
    let bought: Vec<_> =
        history.iter().filter(|basket| basket.holds(product)).map(|b| b.placed).collect();
    if bought.len() < RHYTHM {
        return None;
    }
    let mut gaps: Vec<_> = bought.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    let middle = (gaps[(gaps.len() - 1) / 2] + gaps[gaps.len() / 2]) as f64 / 2.0;
    (middle >= DAY as f64).then_some(middle)
}

/// Why a product that is new to the customer `me` is shown.
pub(super) fn new(
    ledger: &Ledger,
    catalogue: &Catalogue,
    me: PersonNo,
    habits: &Habits,
    product: ProductNo,
) -> Reason {
    let shelf = ledger.shelf_of(product);
    // All of the oldest minute, so that no order of arrival decides.
    let newest = shelf.purchases.len().saturating_sub(LOOKED_AT);
    let from = shelf.purchases.get(newest).map_or(0, |purchase| purchase.0);
    let mut visits = shelf.between(from, u32::MAX).to_vec();
    visits.dedup();
    let of_visit = |&(minute, person): &(u32, PersonNo)| {
        ledger.baskets_with(person, minute, product).map(move |basket| (person, basket))
    };
    let baskets: Vec<_> = visits.iter().flat_map(of_visit).collect();
    let all = ledger.baskets() as f64;
    let mut best: Option<(f64, ProductNo, u32)> = None;
    for anchor in anchors(ledger, habits) {
        let with = baskets.iter().filter(|(_, basket)| basket.holds(anchor));
        let people: BTreeSet<_> = with.clone().map(|(person, _)| person).collect();
        let count = with.count() as u32;
        let usual = ledger.shelf_of(anchor).purchases.len() as f64 / all;
        let lift = f64::from(count) / baskets.len() as f64 / usual;
        let better = best.is_none_or(|(best, ..)| lift > best);
        if people.len() >= SUPPORT && count >= TOGETHER && lift >= LIFT && better {
            best = Some((lift, anchor, count));
        }
    }
    match best {
        Some((_, anchor, count)) => {
            let anchor = ledger.shelf_of(anchor);
            Reason::BoughtTogether {
                with: catalogue.product_name(&anchor.sku).unwrap_or(&anchor.name).to_owned(),
                with_sku: anchor.sku.to_string(),
                baskets: count,
                of: baskets.len() as u32,
            }
        }
        None => Reason::LikedHere { customers: shelf.others(Some(me)) as u32 },
    }
}

/// What the customer buys most.
fn anchors(ledger: &Ledger, habits: &Habits) -> impl Iterator<Item = ProductNo> {
    let mut habits: Vec<_> = habits.all.iter().collect();
    habits.sort_unstable_by(|a, b| {
        let sku = |habit: &Habit| &ledger.shelf_of(habit.product).sku;
        b.by_days[2].total_cmp(&a.by_days[2]).then_with(|| sku(a).cmp(sku(b)))
    });
    habits.into_iter().take(ANCHORS).map(|habit| habit.product)
}

/// Whole days in some seconds; none in less.
fn whole_days(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0) / DAY).unwrap_or(u32::MAX)
}
