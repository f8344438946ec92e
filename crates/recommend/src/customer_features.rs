//! Features of one customer's purchase history, per product, at the time of a visit.

use super::purchase_index::{Basket, ProductIndex};
use super::time::{DAY_SECONDS, VisitTime, days_between};

/// Half-lives, in days, of the weight of a purchase.
const HALF_LIFE_DAYS: [f32; 3] = [21.0, 60.0, 150.0];
/// Half-lives, in baskets, of the weight of a purchase.
const HALF_LIFE_BASKETS: [f32; 2] = [6.0, 15.0];
/// Number of newest baskets in which recent purchases are counted.
const RECENT_BASKETS: usize = 25;
/// Standard deviation, in hours, of the Gaussian similarity of two times of day.
const HOUR_DEVIATION: f32 = 2.0;
/// Lengths, in days, of the windows before the visit in which purchases are counted.
pub(super) const WINDOW_DAYS: [i64; 3] = [7, 28, 120];

/// Features of a product in one customer's history. A share is the part of the customer's baskets
/// that contain the product, from 0 to 1.
#[derive(Clone)]
pub(super) struct ProductHistory {
    pub product: ProductIndex,
    /// Number of baskets with the product.
    pub count: u32,
    /// Index of the first basket with the product, from 0 (the oldest basket).
    pub first: usize,
    /// Index of the last basket with the product.
    pub last: usize,
    /// Time of the first purchase, in seconds since 1970.
    pub first_bought: i64,
    /// Time of the last purchase, in seconds since 1970.
    pub last_bought: i64,
    /// Share weighted by age, for each of [`HALF_LIFE_DAYS`].
    pub share_by_days: [f32; 3],
    /// Share weighted by the number of later baskets, for each of [`HALF_LIFE_BASKETS`].
    pub share_by_baskets: [f32; 2],
    /// Share weighted by similarity of the time of day.
    pub share_by_hour: f32,
    /// Share on the same day of the week.
    pub share_by_weekday: f32,
    /// Number of baskets with the product among the [`RECENT_BASKETS`] newest baskets.
    recent_count: u32,
    /// Number of baskets with the product in each of [`WINDOW_DAYS`].
    pub window_counts: [u32; 3],
}

/// Features of a customer's history.
pub(super) struct CustomerFeatures {
    /// The products that the customer ever bought, by ascending index.
    pub products: Vec<ProductHistory>,
    /// Number of baskets.
    pub basket_count: usize,
    /// Number of products in each basket, summed over all baskets.
    pub line_count: usize,
    /// Days since the newest basket.
    pub idle_days: f32,
    /// Days since the oldest basket.
    pub known_days: f32,
}

impl CustomerFeatures {
    /// Computes the features of `baskets`, which are sorted by time and not empty. `product_count`
    /// is the number of products in the index.
    pub fn new(baskets: &[Basket], visit: VisitTime, product_count: usize) -> Self {
        // For each product: its position in `products` plus 1, or 0 if it is absent.
        let mut positions = vec![0u32; product_count];
        let mut products: Vec<ProductHistory> = Vec::new();
        let (mut total_by_days, mut total_by_baskets) = ([0.0f32; 3], [0.0f32; 2]);
        let (mut total_by_hour, mut total_by_weekday) = (0.0, 0.0);
        for (index, basket) in baskets.iter().enumerate() {
            let later_baskets = baskets.len() - 1 - index;
            let days = days_between(basket.time.second, visit.second);
            let day_weights = HALF_LIFE_DAYS.map(|half_life| (-days / half_life).exp2());
            let basket_weights =
                HALF_LIFE_BASKETS.map(|half_life| (-(later_baskets as f32) / half_life).exp2());
            let hour_weight = hour_similarity(basket.time.local.hour, visit.local.hour);
            let is_same_weekday = basket.time.local.weekday == visit.local.weekday;
            let weekday_weight = f32::from(u8::from(is_same_weekday));
            add(&mut total_by_days, day_weights);
            add(&mut total_by_baskets, basket_weights);
            total_by_hour += hour_weight;
            total_by_weekday += weekday_weight;
            for &product in basket.products.iter() {
                let position = &mut positions[product as usize];
                if *position == 0 {
                    products.push(ProductHistory::new(product, index, basket.time.second));
                    *position = u32::try_from(products.len()).unwrap_or(u32::MAX);
                }
                let history = &mut products[*position as usize - 1];
                history.count += 1;
                (history.last, history.last_bought) = (index, basket.time.second);
                add(&mut history.share_by_days, day_weights);
                add(&mut history.share_by_baskets, basket_weights);
                history.share_by_hour += hour_weight;
                history.share_by_weekday += weekday_weight;
                history.recent_count += u32::from(later_baskets < RECENT_BASKETS);
                for (count, days) in history.window_counts.iter_mut().zip(WINDOW_DAYS) {
                    *count += u32::from(basket.time.second >= visit.second - days * DAY_SECONDS);
                }
            }
        }
        products.sort_unstable_by_key(|history| history.product);
        for history in &mut products {
            let share = history.count as f32 / baskets.len() as f32;
            for (weighted, total) in history.share_by_days.iter_mut().zip(total_by_days) {
                *weighted /= total.max(f32::MIN_POSITIVE);
            }
            for (weighted, total) in history.share_by_baskets.iter_mut().zip(total_by_baskets) {
                *weighted /= total;
            }
            // An hour or weekday has few baskets. The overall share is therefore a prior with the
            // weight of one basket.
            history.share_by_hour = (history.share_by_hour + share) / (total_by_hour + 1.0);
            history.share_by_weekday =
                (history.share_by_weekday + share) / (total_by_weekday + 1.0);
        }
        let age = |basket: Option<&Basket>| {
            basket.map_or(0.0, |basket| days_between(basket.time.second, visit.second))
        };
        Self {
            basket_count: baskets.len(),
            line_count: baskets.iter().map(|basket| basket.products.len()).sum(),
            idle_days: age(baskets.last()),
            known_days: age(baskets.first()),
            products,
        }
    }

    /// Returns the history of a product, or `None` if the customer never bought it.
    pub fn product(&self, product: ProductIndex) -> Option<&ProductHistory> {
        let position = self.products.binary_search_by_key(&product, |history| history.product);
        position.ok().map(|position| &self.products[position])
    }

    /// Returns the number of baskets with each product.
    pub fn counts(&self) -> Vec<(ProductIndex, u32)> {
        self.products.iter().map(|history| (history.product, history.count)).collect()
    }
}

impl ProductHistory {
    fn new(product: ProductIndex, basket: usize, second: i64) -> Self {
        Self {
            product,
            count: 0,
            first: basket,
            last: basket,
            first_bought: second,
            last_bought: second,
            share_by_days: [0.0; 3],
            share_by_baskets: [0.0; 2],
            share_by_hour: 0.0,
            share_by_weekday: 0.0,
            recent_count: 0,
            window_counts: [0; 3],
        }
    }

    /// Returns the share among the [`RECENT_BASKETS`] newest of the customer's `basket_count`
    /// baskets.
    pub fn recent_share(&self, basket_count: usize) -> f32 {
        self.recent_count as f32 / basket_count.clamp(1, RECENT_BASKETS) as f32
    }
}

/// Returns the similarity of two hours of the day, 0 to 1.
fn hour_similarity(a: u8, b: u8) -> f32 {
    let difference = a.abs_diff(b);
    let hours = f32::from(difference.min(24 - difference.min(24)));
    (-(hours / HOUR_DEVIATION).powi(2) / 2.0).exp()
}

fn add<const N: usize>(sums: &mut [f32; N], values: [f32; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}
