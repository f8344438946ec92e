//! How likely a product is in the next basket: a first guess that needs no learning, corrected by
//! what the shop's own past visits teach.

use super::forest::{Forest, Rows};
use super::habits::{Habits, Moment};
use super::ledger::{Basket, Ledger, PersonNo};
use super::view::{CLUES, Candidate, View};

/// Visits that are learned from, at most; the newest of each customer first.
const VISITS: usize = 10_000;
/// Visits of one customer that are learned from.
const VISITS_EACH: usize = 10;
/// Baskets before a visit that is learned from.
const BASKETS_BEFORE: usize = 2;
/// Candidates of a visit that were not bought and are learned from, about.
const MISSES: u64 = 20;
/// Bought candidates below which nothing is learned: the first guess is better than chance.
const HITS: usize = 200;

/// What has been learned of a shop. Without having learned it goes by the first guess.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Ranker(Forest);

impl Ranker {
    /// The larger, the likelier in the next basket.
    pub(super) fn score(&self, view: &View<'_>, candidate: &Candidate) -> f64 {
        margin(candidate) + self.0.value(&view.clues(candidate))
    }

    /// Learns from the past visits of a shop. The same orders teach the same, in whatever order
    /// they came.
    pub(super) fn learn(ledger: &Ledger) -> Self {
        let mut rows = Rows::<CLUES>::default();
        let products = ledger.shelves().len();
        for (no, places) in visits(ledger) {
            let baskets = &ledger.people()[no as usize].baskets;
            let Some(newest) = baskets.last() else { continue };
            let whole = Habits::new(baskets, Moment::of(newest), products);
            for place in places {
                let (history, basket) = (&baskets[..place], &baskets[place]);
                let moment = Moment::of(basket);
                let habits = Habits::new(history, moment, products);
                add_visit(&mut rows, &View::new(ledger, no, &habits, &whole, moment), basket);
            }
        }
        if rows.bought.iter().filter(|bought| **bought).count() < HITS {
            return Self::default();
        }
        Self(Forest::grow(&rows))
    }
}

/// Adds a visit's candidates: those that were bought, and some of the others. A visit at which
/// none was bought teaches no ranking.
fn add_visit(rows: &mut Rows<CLUES>, view: &View<'_>, basket: &Basket) {
    let candidates = view.candidates();
    if !candidates.iter().any(|candidate| basket.holds(candidate.product)) {
        return;
    }
    for candidate in &candidates {
        let bought = basket.holds(candidate.product);
        let draw = hash(view.sku(candidate).bytes(), basket.placed.unsigned_abs());
        if bought || (draw % candidates.len() as u64) < MISSES {
            rows.clues.push(view.clues(candidate));
            rows.margins.push(margin(candidate));
            rows.bought.push(bought);
        }
    }
    rows.visits.push(rows.bought.len());
}

/// What a candidate is ranked by before anything is learned.
fn margin(candidate: &Candidate) -> f64 {
    f64::from(candidate.guess + 1e-4).ln()
}

/// The visits to learn from: customers by id, and the places of their baskets.
fn visits(ledger: &Ledger) -> Vec<(PersonNo, std::ops::Range<usize>)> {
    let people = ledger.people().iter().zip(0..);
    let mut people: Vec<_> = people.filter(|(p, _)| p.baskets.len() > BASKETS_BEFORE).collect();
    // By a hash, so that of many customers any may be among those that are learned from.
    people.sort_unstable_by_key(|(person, _)| {
        (hash(person.customer.0.into_bytes(), 0), person.customer)
    });
    people.truncate(VISITS);
    let each = (VISITS / people.len().max(1)).clamp(1, VISITS_EACH);
    let last = |baskets: usize| baskets.saturating_sub(each).max(BASKETS_BEFORE)..baskets;
    people.into_iter().map(|(person, no)| (no, last(person.baskets.len()))).collect()
}

/// FNV-1a, which is the same on every machine and in every version.
fn hash(bytes: impl IntoIterator<Item = u8>, seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = bytes
        .into_iter()
        .fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // The low bits of FNV are poor.
    hash ^ (hash >> 32)
}
