//! Histories and target baskets: the protocol of next-basket recommendation.

use serde::Serialize;

use super::purchases::{Line, PurchaseTime, Purchases};

/// Selection of products, customers and baskets. The defaults are those of the literature on
/// next-basket recommendation.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Protocol {
    /// Products in fewer baskets are dropped first.
    pub min_product_baskets: u32,
    /// Then, customers with fewer baskets are dropped.
    pub min_baskets: usize,
    /// True to ignore the last basket and predict the basket before it, for the choice of a method.
    pub validation: bool,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { min_product_baskets: 10, min_baskets: 4, validation: false }
    }
}

/// Basket of a customer.
pub(super) struct Basket {
    /// Time of the purchase.
    pub time: PurchaseTime,
    /// Index of the order in the file.
    pub order: u32,
    /// Products in ascending order, each once.
    pub products: Vec<u32>,
}

/// History of a customer, and the basket to predict.
pub(super) struct Trial {
    /// Baskets by time and order id; not empty.
    pub history: Vec<Basket>,
    /// Basket to predict.
    pub target: Basket,
}

/// All trials of a shop.
pub(super) struct Split {
    /// One trial per customer.
    pub trials: Vec<Trial>,
    /// Names of the products, by index.
    pub products: Vec<String>,
}

/// Least time in seconds between two baskets of a customer on one day, if the file has no time of day.
/// With this gap, the recommender counts the baskets as two visits.
const SAME_DAY_GAP_SECONDS: i64 = 3 * 3_600;

impl Split {
    /// Selects the trials by the protocol.
    pub fn new(purchases: &Purchases, protocol: &Protocol) -> Self {
        let mut lines = distinct_lines(purchases);
        let products = renumber_products(&mut lines, purchases, protocol.min_product_baskets);
        let customers = lines.chunk_by(|a, b| a.customer == b.customer);
        let trials = customers.filter_map(|lines| trial(lines, purchases, protocol)).collect();
        Self { trials, products }
    }
}

/// Returns the lines ordered by customer and order, with one time per order (the first in the file)
/// and each product once.
fn distinct_lines(purchases: &Purchases) -> Vec<Line> {
    let mut lines = purchases.lines.clone();
    lines.sort_by_key(|line| (line.customer, line.order));
    for order in lines.chunk_by_mut(is_same_order) {
        let time = order[0].time;
        order.iter_mut().for_each(|line| line.time = time);
    }
    lines.sort_unstable_by_key(|line| (line.customer, line.order, line.product));
    lines.dedup_by_key(|line| (line.customer, line.order, line.product));
    lines
}

/// Drops rare products, renumbers the remaining products, and returns their names.
fn renumber_products(
    lines: &mut Vec<Line>,
    purchases: &Purchases,
    min_product_baskets: u32,
) -> Vec<String> {
    let count = lines.iter().map(|line| line.product).max().map_or(0, |max| max as usize + 1);
    let mut baskets = vec![0u32; count];
    for line in &*lines {
        baskets[line.product as usize] += 1;
    }
    lines.retain(|line| baskets[line.product as usize] >= min_product_baskets);
    let mut indices: Vec<Option<u32>> = vec![None; count];
    let mut names = Vec::new();
    for line in lines {
        line.product = *indices[line.product as usize].get_or_insert_with(|| {
            names.push(purchases.product(line.product).to_owned());
            (names.len() - 1) as u32
        });
    }
    names
}

/// Returns true if both lines belong to the same order.
fn is_same_order(a: &Line, b: &Line) -> bool {
    (a.customer, a.order) == (b.customer, b.order)
}

/// Returns the trial of a customer, or `None` if there are too few baskets.
fn trial(lines: &[Line], purchases: &Purchases, protocol: &Protocol) -> Option<Trial> {
    let mut baskets: Vec<_> = lines
        .chunk_by(is_same_order)
        .map(|lines| {
            let mut products: Vec<_> = lines.iter().map(|line| line.product).collect();
            products.sort_unstable();
            Basket { time: lines[0].time, order: lines[0].order, products }
        })
        .collect();
    if baskets.len() < protocol.min_baskets.max(2) {
        return None;
    }
    let id = |basket: &Basket| {
        let text = purchases.order(basket.order);
        // Numeric ids are ordered by value, before all other ids.
        (text.parse::<u64>().unwrap_or(u64::MAX), text.to_owned())
    };
    baskets.sort_by_cached_key(|basket| (basket.time.epoch_seconds, id(basket)));
    for i in 1..baskets.len() {
        let previous = baskets[i - 1].time.epoch_seconds;
        let time = &mut baskets[i].time;
        if !time.has_time_of_day {
            time.epoch_seconds = time.epoch_seconds.max(previous + SAME_DAY_GAP_SECONDS);
        }
    }
    if protocol.validation {
        baskets.pop();
    }
    let target = baskets.pop()?;
    (!baskets.is_empty()).then_some(Trial { history: baskets, target })
}
