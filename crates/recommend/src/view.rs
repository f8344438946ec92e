//! A visit as the ranker sees it: which products may come, and the clues for each.

use super::habits::{Habit, Habits, Moment, WINDOWS, days};
use super::ledger::{DAY, Ledger, PersonNo, ProductNo, minute};
use super::neighbours::liking;

/// How many clues there are for a product.
pub(super) const CLUES: usize = 26;

/// Products of the customer's own that are ranked; whoever bought more has not bought the others
/// for long.
const OWN: usize = 200;
/// Products that are ranked although the customer never bought them.
const NEW: usize = 60;
/// A product that is new to a customer has been bought by so many others: what one or two people
/// do is nobody's business.
pub(super) const SUPPORT: usize = 3;

/// A clue that there is none.
const NONE: f32 = -1.0;

/// What may be in the next basket.
pub(super) struct Candidate {
    pub product: ProductNo,
    /// A first guess, above 0: the larger the likelier.
    pub guess: f32,
}

/// A customer at the moment of a visit.
pub(super) struct View<'a> {
    ledger: &'a Ledger,
    me: PersonNo,
    pub habits: &'a Habits,
    /// All that the ledger has of the customer, so that it can be left out of what others do. When
    /// a past visit is looked at, it is more than `habits`, which must not know what came after.
    whole: &'a Habits,
    moment: Moment,
    /// By product.
    liking: Vec<f32>,
    /// The shop's baskets in each of [`WINDOWS`].
    crowd: [f32; 3],
}

impl<'a> View<'a> {
    /// The history that `habits` was made of is that of the customer `me` or a beginning of it.
    pub fn new(
        ledger: &'a Ledger,
        me: PersonNo,
        habits: &'a Habits,
        whole: &'a Habits,
        moment: Moment,
    ) -> Self {
        let today = moment.second.div_euclid(DAY);
        let crowd = WINDOWS.map(|days| ledger.baskets_between(today - days, today).max(1) as f32);
        let liking = liking(ledger, me, &habits.counts());
        Self { ledger, me, habits, whole, moment, liking, crowd }
    }

    /// The likeliest products by a first guess, in an order that does not depend on the ledger's
    /// numbers.
    pub fn candidates(&self) -> Vec<Candidate> {
        let mut own: Vec<_> = self.habits.all.iter().map(|h| self.candidate(h.product)).collect();
        self.best(&mut own, OWN);
        let mut new: Vec<_> = self
            .liked()
            .into_iter()
            .filter(|&product| self.habits.of(product).is_none() && self.is_supported(product))
            .map(|product| self.candidate(product))
            .collect();
        self.best(&mut new, NEW);
        own.append(&mut new);
        own
    }

    /// The products that the neighbours like most, the customer's own among them: more than are
    /// looked for, and all that are liked as much as the last.
    fn liked(&self) -> Vec<ProductNo> {
        let mut best: Vec<_> = self.liking.iter().copied().filter(|liking| *liking > 0.0).collect();
        let enough = self.habits.all.len() + 4 * NEW;
        let least = if best.len() > enough {
            *best.select_nth_unstable_by(enough, |a, b| b.total_cmp(a)).1
        } else {
            f32::MIN_POSITIVE
        };
        self.liking.iter().zip(0..).filter(|(l, _)| **l >= least).map(|(_, no)| no).collect()
    }

    fn is_supported(&self, product: ProductNo) -> bool {
        let shelf = self.ledger.shelf_of(product);
        // Looking for oneself among the buyers is rarely needed.
        shelf.buyers.len() > SUPPORT || shelf.others(Some(self.me)) >= SUPPORT
    }

    fn candidate(&self, product: ProductNo) -> Candidate {
        let habit = self.habits.of(product).map_or(0.0, |h| (h.by_days[1] + h.by_days[2]) / 2.0);
        Candidate { product, guess: habit + 0.3 * self.liking[product as usize] }
    }

    /// A candidate's article number.
    pub fn sku(&self, candidate: &Candidate) -> &str {
        &self.ledger.shelf_of(candidate.product).sku
    }

    fn best(&self, candidates: &mut Vec<Candidate>, limit: usize) {
        let rank = |a: &Candidate, b: &Candidate| {
            b.guess.total_cmp(&a.guess).then_with(|| self.sku(a).cmp(self.sku(b)))
        };
        if candidates.len() > limit {
            candidates.select_nth_unstable_by(limit, rank);
            candidates.truncate(limit);
        }
        candidates.sort_unstable_by(rank);
    }

    /// The clues for a candidate.
    pub fn clues(&self, candidate: &Candidate) -> [f32; CLUES] {
        let product = candidate.product;
        let shelf = self.ledger.shelf_of(product);
        let habits = self.habits;
        let habit = habits.of(product);

        // What others do: the shelf without what is mine.
        let mine = self.whole.of(product);
        let (my_count, my_span) =
            mine.map_or((0, 0), |h| (h.count, h.last_bought - h.first_bought));
        let buyers = shelf.others(Some(self.me)) as f32;
        let purchases = shelf.purchases.len() as f32 - my_count as f32;
        let again = (purchases - buyers).max(0.0);
        let span = (shelf.spans - my_span) as f32 / DAY as f32;
        // Twice a fortnight is worth as much as two purchases seen.
        let interval = (span + 28.0) / (again + 2.0);
        let to = minute(self.moment.second);
        let lately: [f32; 3] = std::array::from_fn(|i| {
            let from = minute(self.moment.second - WINDOWS[i] * DAY);
            let my = habit.map_or(0, |habit| habit.windows[i]) as usize;
            shelf.between(from, to).len().saturating_sub(my) as f32
        });
        let [week, month, season] = lately;
        let usual_month = (season - month).max(0.0) * 28.0 / 92.0;

        let own = |value: &dyn Fn(&Habit) -> f32, otherwise: f32| habit.map_or(otherwise, value);
        let bought = |h: &Habit| days(h.last_bought, self.moment.second);
        let baskets = habits.baskets as f32;
        let tempo = habits.known_days / baskets;
        [
            candidate.guess,
            own(&|h| h.count as f32, 0.0),
            own(&|h| h.count as f32 / baskets, 0.0),
            own(&|h| h.by_days[0], 0.0),
            own(&|h| h.by_days[1], 0.0),
            own(&|h| h.by_days[2], 0.0),
            own(&|h| h.by_baskets[0], 0.0),
            own(&|h| h.by_baskets[1], 0.0),
            own(&|h| h.recent_share(habits.baskets), 0.0),
            own(&|h| (habits.baskets - h.last) as f32, NONE),
            own(&bought, NONE),
            // How often it came again since it came first.
            own(&|h| (h.count - 1) as f32 / (habits.baskets - h.first) as f32, 0.0),
            own(
                &|h| {
                    let span = days(h.first_bought, h.last_bought);
                    let mine = (span + interval) / h.count as f32;
                    bought(h) / mine.max(0.5)
                },
                NONE,
            ),
            own(&|h| h.by_hour, 0.0),
            own(&|h| h.by_weekday, 0.0),
            self.liking[product as usize],
            buyers / self.ledger.customers() as f32,
            week / self.crowd[0],
            month / self.crowd[1],
            (month + 1.0) / (usual_month + 1.0),
            again / (purchases + 1.0),
            interval,
            baskets,
            habits.lines as f32 / baskets,
            habits.idle_days / tempo.max(0.1),
            habits.all.len() as f32 / habits.lines.max(1) as f32,
        ]
    }
}
