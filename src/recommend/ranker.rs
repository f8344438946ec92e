//! How likely a product is in the next basket: a first guess that needs no learning, corrected by
//! what the shop's own past visits teach.

use super::forest::{Forest, Rows};
use super::habits::{Habits, Moment};
use super::ledger::{Ledger, PersonNo};
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
pub struct Ranker {
    /// Log odds of a first guess: scale and shift of its logarithm.
    scale: f64,
    shift: f64,
    forest: Forest,
}

impl Ranker {
    /// The larger, the likelier in the next basket.
    pub(super) fn score(&self, view: &View<'_>, candidate: &Candidate) -> f64 {
        if self.scale <= 0.0 {
            return f64::from(candidate.guess);
        }
        self.margin(candidate.guess) + self.forest.value(&view.clues(candidate))
    }

    fn margin(&self, guess: f32) -> f64 {
        self.scale * log(guess) + self.shift
    }

    /// Learns from the past visits of a shop. The same orders teach the same, in whatever order
    /// they came.
    pub(super) fn learn(ledger: &Ledger) -> Self {
        let mut rows = Rows::default();
        let mut guesses = Vec::new();
        for (no, places) in visits(ledger) {
            let baskets = &ledger.people()[no as usize].baskets;
            let products = ledger.shelves().len();
            let Some(newest) = baskets.last() else { continue };
            let whole = Habits::new(baskets, Moment::of(newest), products);
            for place in places {
                let (history, basket) = (&baskets[..place], &baskets[place]);
                let moment = Moment::of(basket);
                let habits = Habits::new(history, moment, products);
                let view = View::new(ledger, no, &habits, &whole, moment);
                let candidates = view.candidates();
                for candidate in &candidates {
                    let happened = basket.holds(candidate.product);
                    let sku = &ledger.shelf_of(candidate.product).sku;
                    let draw = hash(sku.bytes(), basket.placed.unsigned_abs());
                    if happened || (draw % candidates.len() as u64) < MISSES {
                        rows.clues.push(view.clues(candidate));
                        rows.happened.push(happened);
                        guesses.push(candidate.guess);
                    }
                }
            }
        }
        if rows.happened.iter().filter(|happened| **happened).count() < HITS {
            return Self::default();
        }
        let (scale, shift) = fit(&guesses, &rows.happened);
        let mut ranker = Self { scale, shift, forest: Forest::default() };
        rows.margins = guesses.iter().map(|guess| ranker.margin(*guess)).collect();
        ranker.forest = Forest::grow::<CLUES>(&rows);
        ranker
    }
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

fn log(guess: f32) -> f64 {
    f64::from(guess + 1e-4).ln()
}

/// Scale and shift by which the logarithm of a guess becomes log odds (Platt, 1999): Newton's
/// method on the likelihood, with a little pull towards a scale of 1.
fn fit(guesses: &[f32], happened: &[bool]) -> (f64, f64) {
    let (mut scale, mut shift) = (1.0, 0.0);
    for _ in 0..25 {
        let (mut g, mut h) = ([scale - 1.0, 0.0], [1.0, 0.0, 1e-6]);
        for (guess, happened) in guesses.iter().zip(happened) {
            let x = log(*guess);
            let p = 1.0 / (1.0 + (-(scale * x + shift)).exp());
            let (error, weight) = (p - f64::from(u8::from(*happened)), p * (1.0 - p));
            g = [g[0] + error * x, g[1] + error];
            h = [h[0] + weight * x * x, h[1] + weight * x, h[2] + weight];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        scale -= (g[0] * h[2] - g[1] * h[1]) / determinant;
        shift -= (g[1] * h[0] - g[0] * h[1]) / determinant;
    }
    // A guess that would be better upside down is no guess.
    if scale.is_finite() && shift.is_finite() && scale > 0.0 { (scale, shift) } else { (1.0, 0.0) }
}
