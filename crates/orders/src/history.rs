//! Purchase history of a customer: by time, by product, or as products to buy again.
//!
//! Days are calendar days in the time zone of the purchase. A change between summer and winter time
//! therefore does not change the number of days.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;

use instored_domain::{
    Currency, CustomerId, History, HistoryEntries, HistoryView, NoCustomer, Order, Page,
    PurchasedProduct, Quantity, RepeatedProduct, Unit, medians,
};
use jiff::civil::Date;
use jiff::{Timestamp, Zoned};

/// Returns a page of a customer's history. `orders` are all the customer's orders except replaced
/// ones, in any sequence. Days since a purchase are counted up to `now`.
pub fn history_page(
    customer: CustomerId,
    mut orders: Vec<Order>,
    view: HistoryView,
    page: Page,
    now: Timestamp,
) -> History {
    // Orders of the same time are sorted by id, so that pages do not overlap.
    orders.sort_by(|a, b| (b.placed.timestamp(), &b.id).cmp(&(a.placed.timestamp(), &a.id)));
    match view {
        HistoryView::Time => paginate(customer, page, orders, |orders| {
            HistoryEntries::Orders(orders.map(|order| order.with_customer(NoCustomer)).collect())
        }),
        HistoryView::Product => {
            let all = purchases(&orders);
            let mut products: Vec<_> = all.iter().map(Purchases::summary).collect();
            products.sort_by(|a, b| (b.spent, &a.sku, a.unit).cmp(&(a.spent, &b.sku, b.unit)));
            paginate(customer, page, products, |products| {
                HistoryEntries::Products(products.collect())
            })
        }
        HistoryView::Repeats => {
            let all = purchases(&orders);
            let mut repeats: Vec<_> = all.iter().filter_map(|p| p.repeated_product(now)).collect();
            repeats.sort_by(|a, b| {
                let sort_key = |p: &RepeatedProduct| Reverse((p.orders, p.last.timestamp()));
                (sort_key(a), &a.sku, a.unit).cmp(&(sort_key(b), &b.sku, b.unit))
            });
            paginate(customer, page, repeats, |repeats| HistoryEntries::Repeats(repeats.collect()))
        }
    }
}

/// All purchases of a product in one unit and currency.
struct Purchases<'a> {
    sku: &'a str,
    /// The name in the newest order.
    name: &'a str,
    unit: Unit,
    currency: Currency,
    /// Sum of the quantities. Void lines count as negative.
    quantity: Quantity,
    /// Sum of the amounts, in minor units. Void lines count as negative.
    spent: i64,
    /// Time and quantity of each purchase, newest first. An order is included only if the sum of its
    /// quantities, void lines included, is above 0.
    bought: Vec<(&'a Zoned, Quantity)>,
}

/// Groups orders by product. `orders` must be sorted, the newest first.
fn purchases(orders: &[Order]) -> Vec<Purchases<'_>> {
    let mut indices = HashMap::new();
    let mut all: Vec<Purchases<'_>> = Vec::new();
    for order in orders {
        let mut quantities: HashMap<usize, Quantity> = HashMap::new();
        for line in &order.lines {
            let key = (line.sku.as_str(), line.unit, order.currency);
            let index = *indices.entry(key).or_insert(all.len());
            if index == all.len() {
                all.push(Purchases {
                    sku: &line.sku,
                    name: &line.name,
                    unit: line.unit,
                    currency: order.currency,
                    quantity: Quantity::ZERO,
                    spent: 0,
                    bought: Vec::new(),
                });
            }
            // The limits of valid orders prevent saturation.
            all[index].quantity = all[index].quantity.saturating_add(line.quantity);
            all[index].spent = all[index].spent.saturating_add(line.amount());
            let quantity = quantities.entry(index).or_default();
            *quantity = quantity.saturating_add(line.quantity);
        }
        for (index, quantity) in quantities {
            if quantity > Quantity::ZERO {
                all[index].bought.push((&order.placed, quantity));
            }
        }
    }
    // Products with void lines only, such as discounts and returned deposits, are not purchases.
    all.retain(|product| !product.bought.is_empty());
    all
}

impl Purchases<'_> {
    fn order_count(&self) -> u32 {
        u32::try_from(self.bought.len()).unwrap_or(u32::MAX)
    }

    fn summary(&self) -> PurchasedProduct {
        PurchasedProduct {
            sku: self.sku.to_owned(),
            name: self.name.to_owned(),
            orders: self.order_count(),
            quantity: self.quantity.normalize(),
            unit: self.unit,
            spent: self.spent,
            currency: self.currency,
            first: self.bought[self.bought.len() - 1].0.clone(),
            last: self.bought[0].0.clone(),
        }
    }

    /// Returns the product with its usual quantity and interval, or `None` if it was bought only
    /// once.
    fn repeated_product(&self, now: Timestamp) -> Option<RepeatedProduct> {
        let [(last, _), _, ..] = self.bought[..] else { return None };
        let mut quantities: Vec<_> = self.bought.iter().map(|(_, quantity)| *quantity).collect();
        let mut days: Vec<Date> = self.bought.iter().map(|(at, _)| at.date()).collect();
        days.sort_unstable();
        days.dedup();
        let mut gaps: Vec<_> = days.windows(2).map(|pair| days_between(pair[0], pair[1])).collect();
        let today = now.to_zoned(last.time_zone().clone()).date();
        Some(RepeatedProduct {
            sku: self.sku.to_owned(),
            name: self.name.to_owned(),
            orders: self.order_count(),
            quantity: medians(&mut quantities)?.0.normalize(),
            unit: self.unit,
            last: last.clone(),
            days_since: days_between(last.date(), today).max(0),
            every_days: medians(&mut gaps).map(|(lower, _)| lower),
        })
    }
}

fn days_between(earlier: Date, later: Date) -> i32 {
    (later - earlier).get_days()
}

/// Returns a page of `entries`. `wrap` converts the entries of the page to those of the view.
fn paginate<T>(
    customer: CustomerId,
    page: Page,
    entries: Vec<T>,
    wrap: impl FnOnce(&mut dyn Iterator<Item = T>) -> HistoryEntries,
) -> History {
    let count = entries.len();
    let limit = page.limit.max(1) as usize;
    let skipped = limit.saturating_mul(page.page.saturating_sub(1) as usize);
    History {
        customer,
        page: page.page,
        pages: u32::try_from(count.div_ceil(limit)).unwrap_or(u32::MAX),
        entry_count: count as u64,
        entries: wrap(&mut entries.into_iter().skip(skipped).take(limit)),
    }
}
