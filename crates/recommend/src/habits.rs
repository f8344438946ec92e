//! What one customer bought, product by product, as seen from the moment of a visit.

use super::ledger::{Basket, Clock, DAY, ProductNo};

/// The moment of a visit.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Seconds since 1970, UTC.
    pub second: i64,
    pub clock: Clock,
}

impl Moment {
    /// When a basket was paid.
    pub fn of(basket: &Basket) -> Self {
        Self { second: basket.placed, clock: basket.clock }
    }
}

/// After so many days a purchase counts half, once for each of these scales.
const DAYS: [f32; 3] = [21.0, 60.0, 150.0];
/// After so many baskets a purchase counts half, once for each of these scales.
const BASKETS: [f32; 2] = [6.0, 15.0];
/// The baskets that the recent share looks at.
const RECENT: usize = 25;
/// Width of the likeness of two hours of the day.
const HOURS: f32 = 2.0;

/// A product in one customer's history. Shares are of the customer's baskets, 0 to 1.
#[derive(Clone)]
pub(super) struct Habit {
    pub product: ProductNo,
    /// Baskets that hold it.
    pub count: u32,
    /// Places of the first and the last of them, 0 the oldest.
    pub first: usize,
    pub last: usize,
    /// When the first and the last were, in seconds since 1970.
    pub first_bought: i64,
    pub last_bought: i64,
    /// Share of baskets, the older the less; a scale of [`DAYS`] each.
    pub by_days: [f32; 3],
    /// The same by [`BASKETS`].
    pub by_baskets: [f32; 2],
    /// Share of the baskets about this hour of the day.
    pub by_hour: f32,
    /// Share of the baskets on this day of the week.
    pub by_weekday: f32,
    /// Baskets of the last [`RECENT`].
    pub recent: u32,
    /// Baskets of the last 7, 28 and 120 days.
    pub windows: [u32; 3],
}

/// A customer's history.
pub(super) struct Habits {
    /// One a product, in the order of their numbers.
    pub all: Vec<Habit>,
    /// Baskets.
    pub baskets: usize,
    /// Products in all baskets, each as often as it was bought.
    pub lines: usize,
    /// Days since the newest basket.
    pub idle_days: f32,
    /// Days since the oldest basket.
    pub known_days: f32,
}

/// The windows of time, in days, that purchases are counted in.
pub(super) const WINDOWS: [i64; 3] = [7, 28, 120];

impl Habits {
    /// What `history`, by time and not empty, shows at `moment`. `products` is how many the shop
    /// knows.
    pub fn new(history: &[Basket], moment: Moment, products: usize) -> Self {
        // Places in `all`, one more than they are; 0 is none.
        let mut places = vec![0u32; products];
        let mut all: Vec<Habit> = Vec::new();
        let (mut by_days, mut by_baskets) = ([0.0f32; 3], [0.0f32; 2]);
        let (mut by_hour, mut by_weekday) = (0.0, 0.0);
        for (place, basket) in history.iter().enumerate() {
            let behind = history.len() - 1 - place;
            let days = days(basket.placed, moment.second);
            let day_weights = DAYS.map(|half| (-days / half).exp2());
            let basket_weights = BASKETS.map(|half| (-(behind as f32) / half).exp2());
            let hour = likeness(basket.clock.hour, moment.clock.hour);
            let weekday = f32::from(u8::from(basket.clock.weekday == moment.clock.weekday));
            add(&mut by_days, day_weights);
            add(&mut by_baskets, basket_weights);
            by_hour += hour;
            by_weekday += weekday;
            for &product in &basket.products {
                let slot = &mut places[product as usize];
                if *slot == 0 {
                    all.push(Habit::first_seen(product, place, basket.placed));
                    *slot = u32::try_from(all.len()).unwrap_or(u32::MAX);
                }
                let habit = &mut all[*slot as usize - 1];
                habit.count += 1;
                (habit.last, habit.last_bought) = (place, basket.placed);
                add(&mut habit.by_days, day_weights);
                add(&mut habit.by_baskets, basket_weights);
                habit.by_hour += hour;
                habit.by_weekday += weekday;
                habit.recent += u32::from(behind < RECENT);
                for (count, window) in habit.windows.iter_mut().zip(WINDOWS) {
                    *count += u32::from(basket.placed >= moment.second - window * DAY);
                }
            }
        }
        all.sort_unstable_by_key(|habit| habit.product);
        for habit in &mut all {
            let usual = habit.count as f32 / history.len() as f32;
            for (share, all) in habit.by_days.iter_mut().zip(by_days) {
                *share /= all.max(f32::MIN_POSITIVE);
            }
            for (share, all) in habit.by_baskets.iter_mut().zip(by_baskets) {
                *share /= all;
            }
            // One basket's weight of the usual share, since few baskets are at one hour.
            habit.by_hour = (habit.by_hour + usual) / (by_hour + 1.0);
            habit.by_weekday = (habit.by_weekday + usual) / (by_weekday + 1.0);
        }
        let ages = |basket: Option<&Basket>| basket.map_or(0.0, |b| days(b.placed, moment.second));
        Self {
            baskets: history.len(),
            lines: history.iter().map(|basket| basket.products.len()).sum(),
            idle_days: ages(history.last()),
            known_days: ages(history.first()),
            all,
        }
    }

    /// The habit with a product.
    pub fn of(&self, product: ProductNo) -> Option<&Habit> {
        let place = self.all.binary_search_by_key(&product, |habit| habit.product);
        place.ok().map(|place| &self.all[place])
    }

    /// Products and in how many baskets they are.
    pub fn counts(&self) -> Vec<(ProductNo, u32)> {
        self.all.iter().map(|habit| (habit.product, habit.count)).collect()
    }
}

impl Habit {
    fn first_seen(product: ProductNo, place: usize, placed: i64) -> Self {
        Self {
            product,
            count: 0,
            first: place,
            last: place,
            first_bought: placed,
            last_bought: placed,
            by_days: [0.0; 3],
            by_baskets: [0.0; 2],
            by_hour: 0.0,
            by_weekday: 0.0,
            recent: 0,
            windows: [0; 3],
        }
    }

    /// Share of the last [`RECENT`] baskets.
    pub fn recent_share(&self, baskets: usize) -> f32 {
        self.recent as f32 / baskets.clamp(1, RECENT) as f32
    }
}

/// Days from `then` to `now`; none when the clocks disagree.
pub(super) fn days(then: i64, now: i64) -> f32 {
    (now.saturating_sub(then).max(0) as f64 / DAY as f64) as f32
}

/// How alike two hours of the day are, 0 to 1.
fn likeness(a: u8, b: u8) -> f32 {
    let apart = a.abs_diff(b);
    let hours = f32::from(apart.min(24 - apart.min(24)));
    (-(hours / HOURS).powi(2) / 2.0).exp()
}

fn add<const N: usize>(sums: &mut [f32; N], values: [f32; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}
