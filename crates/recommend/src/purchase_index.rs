//! Index of all purchases by product and by customer, in compact form.
//!
//! Statistics are integers. Removing an order therefore restores them exactly, and they do not
//! depend on the sequence in which orders were added.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use instored_domain::{CustomerId, Order, Quantity};
use uuid::Uuid;

use super::time::VisitTime;

/// Index of a product in [`PurchaseIndex::products`]. It depends on the sequence in which orders
/// were added, so results must not depend on it.
pub(super) type ProductIndex = u32;
/// Index of a customer in [`PurchaseIndex::customers`]. Results must not depend on it either.
pub(super) type CustomerIndex = u32;

/// All purchases.
#[derive(Clone, Default)]
pub(super) struct PurchaseIndex {
    products: Vec<ProductStats>,
    by_sku: HashMap<Arc<str>, ProductIndex>,
    customers: Vec<CustomerHistory>,
    by_customer: HashMap<CustomerId, CustomerIndex>,
    /// Indices of the unused elements of `customers`.
    unused_customers: Vec<CustomerIndex>,
    /// Number of baskets per day since 1970, UTC.
    baskets_by_day: BTreeMap<i64, u32>,
}

/// Purchase statistics of a product.
#[derive(Clone)]
pub(super) struct ProductStats {
    pub sku: Arc<str>,
    /// Name in the newest order that contains the product.
    pub name: Box<str>,
    /// Time of the order that the name is from, in seconds since 1970.
    named_at: i64,
    /// Buyers in ascending sequence, each with the number of their baskets with the product.
    pub buyers: Vec<(CustomerIndex, u32)>,
    /// Minute since 1970 and customer of each purchase, in ascending sequence.
    pub purchases: Vec<(u32, CustomerIndex)>,
    /// Seconds between a buyer's first and last purchase, summed over all buyers.
    pub spans: i64,
}

/// The purchases of a customer.
#[derive(Clone)]
pub(super) struct CustomerHistory {
    pub customer: CustomerId,
    /// Baskets by time and order id, ascending.
    pub baskets: Vec<Basket>,
    /// Squared norm of the vector that has the number of baskets with each product.
    pub squared_norm: u64,
}

/// An order in compact form.
#[derive(Clone)]
pub(super) struct Basket {
    /// Id of the order.
    order: Arc<str>,
    pub time: VisitTime,
    /// The products, ascending and without duplicates.
    pub products: Arc<[ProductIndex]>,
}

/// Place of a basket in the index.
pub(super) struct BasketPlace {
    /// Time of the basket, in seconds since 1970, UTC.
    pub second: i64,
    pub customer: CustomerIndex,
    /// Position among the customer's baskets.
    pub position: usize,
}

/// One customer's purchases of one product.
#[derive(Clone, Copy, Default)]
struct Tally {
    /// Number of baskets with the product.
    count: u32,
    /// Seconds between the first and the last purchase.
    span: i64,
}

impl CustomerHistory {
    fn tally(&self, product: ProductIndex) -> Tally {
        let mut with = self.baskets.iter().filter(|basket| basket.contains(product));
        let Some(first) = with.next() else { return Tally::default() };
        let (mut count, mut last) = (1, first);
        for basket in with {
            count += 1;
            last = basket;
        }
        Tally { count, span: last.time.second - first.time.second }
    }
}

impl Basket {
    pub fn contains(&self, product: ProductIndex) -> bool {
        self.products.binary_search(&product).is_ok()
    }
}

impl PurchaseIndex {
    /// Removes the order that `order` replaces, and adds `order` if it is unknown. Returns true if
    /// the index changed.
    pub fn add_order(&mut self, order: &Order) -> bool {
        let replaced = order
            .replaces
            .as_ref()
            .is_some_and(|replaced| self.remove_order(order.customer, &replaced.0));
        let products = self.bought_products(order);
        let is_known = self.customer_index(order.customer).is_some_and(|index| {
            let mut baskets = self.baskets_of(index).iter();
            baskets.any(|basket| *basket.order == *order.id.0)
        });
        if products.is_empty() || is_known {
            return replaced;
        }
        let basket = Basket {
            order: order.id.0.as_str().into(),
            time: VisitTime::from(&order.placed),
            products,
        };
        let customer = self.find_or_add_customer(order.customer);
        self.insert_basket(customer, basket);
        true
    }

    /// Inserts a basket of a known customer.
    pub fn insert_basket(&mut self, customer: CustomerIndex, basket: Basket) {
        self.by_customer.insert(self.customers[customer as usize].customer, customer);
        let position = self.baskets_of(customer).partition_point(|existing| {
            (existing.time.second, &existing.order) < (basket.time.second, &basket.order)
        });
        *self.baskets_by_day.entry(basket.time.day()).or_default() += 1;
        let (minute, products) = (basket.time.minute(), basket.products.clone());
        self.change_baskets(customer, &products, |baskets| baskets.insert(position, basket));
        for &product in products.iter() {
            let purchases = &mut self.products[product as usize].purchases;
            let position = purchases.partition_point(|existing| *existing < (minute, customer));
            purchases.insert(position, (minute, customer));
        }
    }

    /// Returns an index with the same products and customers, but without baskets. Product names
    /// are left out to save memory.
    pub fn without_baskets(&self) -> Self {
        let products = self.products.iter().map(|product| ProductStats {
            sku: product.sku.clone(),
            name: Box::default(),
            named_at: product.named_at,
            buyers: Vec::new(),
            purchases: Vec::new(),
            spans: 0,
        });
        let customers = self.customers.iter().map(|history| CustomerHistory {
            customer: history.customer,
            baskets: Vec::new(),
            squared_norm: 0,
        });
        Self { products: products.collect(), customers: customers.collect(), ..Self::default() }
    }

    /// Returns the places of all baskets, sorted by time, then by customer and order id.
    pub fn baskets_by_time(&self) -> Vec<BasketPlace> {
        let histories = self.customers.iter().zip(0..);
        let places = histories.flat_map(|(history, customer)| {
            let baskets = history.baskets.iter().enumerate();
            baskets.map(move |(position, basket)| {
                (basket.time.second, history.customer, position, customer)
            })
        });
        let mut places: Vec<_> = places.collect();
        places.sort_unstable();
        let place = |(second, _, position, customer)| BasketPlace { second, customer, position };
        places.into_iter().map(place).collect()
    }

    /// Removes all orders of a customer.
    pub fn remove_customer(&mut self, customer: CustomerId) {
        let Some(&index) = self.by_customer.get(&customer) else { return };
        while let Some(last) = self.baskets_of(index).len().checked_sub(1) {
            self.remove_basket(index, last);
        }
    }

    /// Removes an order and returns true if it was known.
    fn remove_order(&mut self, customer: CustomerId, order: &str) -> bool {
        let Some(&index) = self.by_customer.get(&customer) else { return false };
        let position = self.baskets_of(index).iter().position(|basket| *basket.order == *order);
        position.is_some_and(|position| {
            self.remove_basket(index, position);
            true
        })
    }

    /// Removes a basket. If the customer has no other baskets, removes the customer too.
    fn remove_basket(&mut self, customer: CustomerIndex, position: usize) {
        let basket = &self.baskets_of(customer)[position];
        let (time, products) = (basket.time, basket.products.clone());
        if let Some(baskets) = self.baskets_by_day.get_mut(&time.day()) {
            *baskets -= 1;
            if *baskets == 0 {
                self.baskets_by_day.remove(&time.day());
            }
        }
        self.change_baskets(customer, &products, |baskets| {
            baskets.remove(position);
        });
        for &product in products.iter() {
            let stats = &mut self.products[product as usize];
            if let Ok(position) = stats.purchases.binary_search(&(time.minute(), customer)) {
                stats.purchases.remove(position);
            }
            // The name came from the removed orders.
            if stats.purchases.is_empty() {
                (stats.name, stats.named_at) = (Box::default(), i64::MIN);
            }
        }
        let history = &mut self.customers[customer as usize];
        if history.baskets.is_empty() {
            let id = std::mem::replace(&mut history.customer, CustomerId(Uuid::nil()));
            self.by_customer.remove(&id);
            self.unused_customers.push(customer);
        }
    }

    /// Adds or removes a customer's basket with `change`, and updates the statistics of the
    /// basket's `products`.
    fn change_baskets(
        &mut self,
        customer: CustomerIndex,
        products: &[ProductIndex],
        change: impl FnOnce(&mut Vec<Basket>),
    ) {
        let history = &mut self.customers[customer as usize];
        let before: Vec<_> = products.iter().map(|product| history.tally(*product)).collect();
        change(&mut history.baskets);
        for (&product, before) in products.iter().zip(before) {
            let after = history.tally(product);
            let square = |tally: Tally| u64::from(tally.count).pow(2);
            history.squared_norm = history.squared_norm + square(after) - square(before);
            let stats = &mut self.products[product as usize];
            stats.spans += after.span - before.span;
            match (stats.buyers.binary_search_by_key(&customer, |buyer| buyer.0), after.count) {
                (Ok(position), 0) => {
                    stats.buyers.remove(position);
                }
                (Ok(position), count) => stats.buyers[position].1 = count,
                (Err(_), 0) => {}
                (Err(position), count) => stats.buyers.insert(position, (customer, count)),
            }
        }
    }

    fn find_or_add_customer(&mut self, customer: CustomerId) -> CustomerIndex {
        if let Some(&index) = self.by_customer.get(&customer) {
            return index;
        }
        let history = CustomerHistory { customer, baskets: Vec::new(), squared_norm: 0 };
        let index = match self.unused_customers.pop() {
            Some(index) => {
                self.customers[index as usize] = history;
                index
            }
            None => {
                self.customers.push(history);
                to_index(self.customers.len() - 1)
            }
        };
        self.by_customer.insert(customer, index);
        index
    }

    /// Returns the products whose total quantity in an order is above 0. Void lines are negative.
    fn bought_products(&mut self, order: &Order) -> Arc<[ProductIndex]> {
        let mut amounts: BTreeMap<&str, (Quantity, &str)> = BTreeMap::new();
        for line in &order.lines {
            let amount = amounts.entry(&line.sku).or_insert((Quantity::ZERO, &line.name));
            amount.0 += line.quantity;
        }
        let placed = order.placed.timestamp().as_second();
        let bought = amounts.into_iter().filter(|(_, (quantity, _))| *quantity > Quantity::ZERO);
        let mut products: Vec<_> =
            bought.map(|(sku, (_, name))| self.find_or_add_product(sku, name, placed)).collect();
        products.sort_unstable();
        products.into()
    }

    /// Returns the index of a product, and sets its name if no newer order has named it. `placed`
    /// is the time of the order, in seconds since 1970.
    fn find_or_add_product(&mut self, sku: &str, name: &str, placed: i64) -> ProductIndex {
        if let Some(&index) = self.by_sku.get(sku) {
            let stats = &mut self.products[index as usize];
            if placed >= stats.named_at {
                stats.named_at = placed;
                if *stats.name != *name {
                    stats.name = name.into();
                }
            }
            return index;
        }
        let sku: Arc<str> = sku.into();
        let index = to_index(self.products.len());
        self.by_sku.insert(sku.clone(), index);
        self.products.push(ProductStats {
            sku,
            name: name.into(),
            named_at: placed,
            buyers: Vec::new(),
            purchases: Vec::new(),
            spans: 0,
        });
        index
    }

    /// Returns the latest name of a product that is in a basket.
    pub fn product_name(&self, sku: &str) -> Option<&str> {
        let name = self.by_sku.get(sku).map(|index| &*self.product(*index).name);
        name.filter(|name| !name.is_empty())
    }

    /// Returns the index of a customer who has orders.
    pub fn customer_index(&self, customer: CustomerId) -> Option<CustomerIndex> {
        self.by_customer.get(&customer).copied()
    }

    /// Returns the histories of all customers. Unused elements have no baskets.
    /// Returns the customers whose oldest basket is from this second or before, in seconds since 1970.
    pub fn customers_with_baskets_until(&self, second: i64) -> Vec<CustomerId> {
        let is_old = |basket: &Basket| basket.time.second <= second;
        let customers = self.customers.iter();
        let customers = customers.filter(|history| history.baskets.first().is_some_and(is_old));
        customers.map(|history| history.customer).collect()
    }

    pub fn customers(&self) -> &[CustomerHistory] {
        &self.customers
    }

    pub fn baskets_of(&self, customer: CustomerIndex) -> &[Basket] {
        &self.customers[customer as usize].baskets
    }

    pub fn customer_count(&self) -> usize {
        self.by_customer.len()
    }

    pub fn products(&self) -> &[ProductStats] {
        &self.products
    }

    pub fn product(&self, index: ProductIndex) -> &ProductStats {
        &self.products[index as usize]
    }

    pub fn basket_count(&self) -> u64 {
        self.baskets_by_day.values().map(|baskets| u64::from(*baskets)).sum()
    }

    /// Returns the number of baskets of the days `from` to `to`, inclusive. Days are counted from
    /// 1970, in UTC.
    pub fn basket_count_between(&self, from: i64, to: i64) -> u32 {
        self.baskets_by_day.range(from..=to.max(from)).map(|(_, baskets)| baskets).sum()
    }

    /// Returns the baskets with `product` that a customer paid in `minute`, counted from 1970.
    pub fn baskets_with(
        &self,
        customer: CustomerIndex,
        minute: u32,
        product: ProductIndex,
    ) -> impl Iterator<Item = &Basket> {
        let baskets = self.baskets_of(customer);
        let from = baskets.partition_point(|basket| basket.time.minute() < minute);
        let paid = baskets[from..].iter().take_while(move |basket| basket.time.minute() == minute);
        paid.filter(move |basket| basket.contains(product))
    }
}

impl ProductStats {
    /// Returns the purchases from the minute `from` to the minute before `to`.
    pub fn purchases_between(&self, from: u32, to: u32) -> &[(u32, CustomerIndex)] {
        let start = self.purchases.partition_point(|purchase| purchase.0 < from);
        let end = self.purchases.partition_point(|purchase| purchase.0 < to);
        &self.purchases[start..end.max(start)]
    }

    /// Returns the number of buyers other than `customer`.
    pub fn other_buyer_count(&self, customer: Option<CustomerIndex>) -> usize {
        let is_buyer = customer.is_some_and(|customer| {
            self.buyers.binary_search_by_key(&customer, |buyer| buyer.0).is_ok()
        });
        self.buyers.len() - usize::from(is_buyer)
    }
}

fn to_index(position: usize) -> u32 {
    u32::try_from(position).expect("memory does not hold 2^32 products or customers")
}
