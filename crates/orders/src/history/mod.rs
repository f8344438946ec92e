//! What a customer bought, looked back on: by time, by product, or as a list to buy again.
//!
//! Amounts are whole minor units and quantities decimals, so that sums are exact. Days are those of
//! the calendar where something was bought: a night in which the clocks change is one night.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;

use instored_domain::{
    Currency, CustomerId, History, HistoryEntries, HistoryView, NoCustomer, Order, Page,
    PurchasedProduct, Quantity, RepeatedProduct, Unit,
};
use jiff::civil::Date;
use jiff::{Timestamp, Zoned};

/// A page of the history of `customer`, whose orders these are: all of them, in any order, without
/// those that were replaced. The days since a purchase are counted up to `now`.
pub fn history_page(
    customer: CustomerId,
    mut orders: Vec<Order>,
    by: HistoryView,
    page: Page,
    now: Timestamp,
) -> History {
    // The id decides among orders of one moment, so that no order is on two pages or on none.
    orders.sort_by(|a, b| (b.placed.timestamp(), &b.id).cmp(&(a.placed.timestamp(), &a.id)));
    match by {
        HistoryView::Time => paged(customer, page, orders, |orders| {
            HistoryEntries::Orders(orders.map(|order| order.with_customer(NoCustomer)).collect())
        }),
        HistoryView::Product => {
            let mut products: Vec<_> = purchases(&orders).iter().map(Purchases::bought).collect();
            products.sort_by(|a, b| (b.spent, &a.sku, a.unit).cmp(&(a.spent, &b.sku, b.unit)));
            paged(customer, page, products, |products| HistoryEntries::Products(products.collect()))
        }
        HistoryView::Repeats => {
            let all = purchases(&orders);
            let mut again: Vec<_> = all.iter().filter_map(|p| p.again(now)).collect();
            again.sort_by(|a, b| {
                let order = |p: &RepeatedProduct| Reverse((p.orders, p.last.timestamp()));
                (order(a), &a.sku, a.unit).cmp(&(order(b), &b.sku, b.unit))
            });
            paged(customer, page, again, |again| HistoryEntries::Repeats(again.collect()))
        }
    }
}

/// All purchases of a product, the newest first.
struct Purchases<'a> {
    sku: &'a str,
    /// As in the newest.
    name: &'a str,
    unit: Unit,
    currency: Currency,
    /// What the orders that hold it come to, less what they took back.
    quantity: Quantity,
    spent: i64,
    /// When and how much; nothing of orders that took back all they held.
    bought: Vec<(&'a Zoned, Quantity)>,
}

/// The products of `orders`, which are the newest first.
fn purchases(orders: &[Order]) -> Vec<Purchases<'_>> {
    let mut places = HashMap::new();
    let mut all: Vec<Purchases<'_>> = Vec::new();
    for order in orders {
        let mut quantities: HashMap<usize, Quantity> = HashMap::new();
        for line in &order.lines {
            let key = (line.sku.as_str(), line.unit, order.currency);
            let place = *places.entry(key).or_insert(all.len());
            if place == all.len() {
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
            // Checked orders stay far inside both.
            all[place].quantity = all[place].quantity.saturating_add(line.quantity);
            all[place].spent = all[place].spent.saturating_add(line.amount());
            let quantity = quantities.entry(place).or_default();
            *quantity = quantity.saturating_add(line.quantity);
        }
        for (place, quantity) in quantities {
            if quantity > Quantity::ZERO {
                all[place].bought.push((&order.placed, quantity));
            }
        }
    }
    // A discount or a returned deposit was never bought.
    all.retain(|product| !product.bought.is_empty());
    all
}

impl Purchases<'_> {
    fn orders(&self) -> u32 {
        u32::try_from(self.bought.len()).unwrap_or(u32::MAX)
    }

    fn bought(&self) -> PurchasedProduct {
        PurchasedProduct {
            sku: self.sku.to_owned(),
            name: self.name.to_owned(),
            orders: self.orders(),
            quantity: self.quantity.normalize(),
            unit: self.unit,
            spent: self.spent,
            currency: self.currency,
            first: self.bought[self.bought.len() - 1].0.clone(),
            last: self.bought[0].0.clone(),
        }
    }

    /// The product on a list to buy again; `None` when it was bought once.
    fn again(&self, now: Timestamp) -> Option<RepeatedProduct> {
        let [(last, _), _, ..] = self.bought[..] else { return None };
        let mut quantities: Vec<_> = self.bought.iter().map(|(_, quantity)| *quantity).collect();
        let mut days: Vec<Date> = self.bought.iter().map(|(at, _)| at.date()).collect();
        days.sort_unstable();
        days.dedup();
        let mut gaps: Vec<_> = days.windows(2).map(|pair| days_from(pair[0], pair[1])).collect();
        let today = now.to_zoned(last.time_zone().clone()).date();
        Some(RepeatedProduct {
            sku: self.sku.to_owned(),
            name: self.name.to_owned(),
            orders: self.orders(),
            quantity: middle(&mut quantities)?.normalize(),
            unit: self.unit,
            last: last.clone(),
            days_since: days_from(last.date(), today).max(0),
            every_days: middle(&mut gaps),
        })
    }
}

fn days_from(earlier: Date, later: Date) -> i32 {
    (later - earlier).get_days()
}

/// The middle one, the lower of two.
fn middle<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// Cuts a page out of all entries.
fn paged<T>(
    customer: CustomerId,
    page: Page,
    entries: Vec<T>,
    list: impl FnOnce(&mut dyn Iterator<Item = T>) -> HistoryEntries,
) -> History {
    let count = entries.len();
    let limit = page.limit.max(1) as usize;
    let skipped = limit.saturating_mul(page.page.saturating_sub(1) as usize);
    History {
        customer,
        page: page.page,
        pages: u32::try_from(count.div_ceil(limit)).unwrap_or(u32::MAX),
        entry_count: count as u64,
        entries: list(&mut entries.into_iter().skip(skipped).take(limit)),
    }
}
