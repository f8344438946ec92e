//! Which baskets are known, and which one is to be foretold: the protocol.

use serde::Serialize;

use super::purchases::{Line, Purchases, When};

/// How purchases are made into baskets to foretell. The defaults are those of the literature on
/// next-basket recommendation.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Protocol {
    /// Products in fewer baskets are dropped first.
    pub min_product_baskets: u32,
    /// Then customers with fewer baskets.
    pub min_baskets: usize,
    /// Foretell the basket before the last, and never look at the last: for choosing a method.
    pub validation: bool,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { min_product_baskets: 10, min_baskets: 4, validation: false }
    }
}

/// A basket of one customer.
pub(super) struct Past {
    pub when: When,
    /// The file's number of the order.
    pub order: u32,
    /// Rising, none twice.
    pub products: Vec<u32>,
}

/// What is known of a customer, and what is to be foretold.
pub(super) struct Trial {
    /// By time and order id; not empty.
    pub history: Vec<Past>,
    pub next: Past,
}

/// All trials of a shop.
pub(super) struct Split {
    pub trials: Vec<Trial>,
    /// Names of the products, which all others mean by their number.
    pub products: Vec<String>,
}

/// Two baskets of one customer on one day are taken to be so many seconds apart, so that nothing
/// of the first is in the bag at the second.
const BETWEEN: i64 = 3 * 3_600;

impl Split {
    /// Applies the protocol.
    pub fn new(purchases: &Purchases, protocol: &Protocol) -> Self {
        let mut lines = purchases.lines.clone();
        // One time an order, the first that the file says; each product once.
        lines.sort_by_key(|line| (line.customer, line.order));
        for order in lines.chunk_by_mut(same_order) {
            let when = order[0].when;
            order.iter_mut().for_each(|line| line.when = when);
        }
        lines.sort_unstable_by_key(|line| (line.customer, line.order, line.product));
        lines.dedup_by_key(|line| (line.customer, line.order, line.product));

        let most = lines.iter().map(|line| line.product).max().map_or(0, |most| most as usize + 1);
        let mut baskets = vec![0u32; most];
        for line in &lines {
            baskets[line.product as usize] += 1;
        }
        lines.retain(|line| baskets[line.product as usize] >= protocol.min_product_baskets);
        let mut numbers: Vec<Option<u32>> = vec![None; most];
        let mut products = Vec::new();
        for line in &mut lines {
            let number = numbers[line.product as usize].get_or_insert_with(|| {
                products.push(purchases.product(line.product).to_owned());
                (products.len() - 1) as u32
            });
            line.product = *number;
        }

        let customers = lines.chunk_by(|a, b| a.customer == b.customer);
        let trials = customers.filter_map(|lines| trial(lines, purchases, protocol)).collect();
        Self { trials, products }
    }
}

fn same_order(a: &Line, b: &Line) -> bool {
    (a.customer, a.order) == (b.customer, b.order)
}

/// The trial of a customer who has enough baskets for one.
fn trial(lines: &[Line], purchases: &Purchases, protocol: &Protocol) -> Option<Trial> {
    let mut baskets: Vec<_> = lines
        .chunk_by(same_order)
        .map(|lines| {
            let mut products: Vec<_> = lines.iter().map(|line| line.product).collect();
            products.sort_unstable();
            Past { when: lines[0].when, order: lines[0].order, products }
        })
        .collect();
    if baskets.len() < protocol.min_baskets.max(2) {
        return None;
    }
    let id = |basket: &Past| {
        let text = purchases.order(basket.order);
        // Numbers by value, texts after them.
        (text.parse::<u64>().unwrap_or(u64::MAX), text.to_owned())
    };
    baskets.sort_by_cached_key(|basket| (basket.when.second, id(basket)));
    for i in 1..baskets.len() {
        let before = baskets[i - 1].when.second;
        let when = &mut baskets[i].when;
        if !when.exact {
            when.second = when.second.max(before + BETWEEN);
        }
    }
    if protocol.validation {
        baskets.pop();
    }
    let next = baskets.pop()?;
    (!baskets.is_empty()).then_some(Trial { history: baskets, next })
}
