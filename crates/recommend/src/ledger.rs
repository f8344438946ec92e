//! Who bought what and when, packed: whole numbers only, so that what is added can be taken back
//! without a trace, and the order in which orders come in makes no difference.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use instored_domain::{CustomerId, Order, Quantity};
use jiff::Zoned;

/// Place of a product in [`Ledger::shelves`]. It depends on the order of arrival, so nothing that
/// is shown may depend on it.
pub(super) type ProductNo = u32;
/// Place of a customer in [`Ledger::people`]; the same holds.
pub(super) type PersonNo = u32;

/// Everything that is known of purchases.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    shelves: Vec<Shelf>,
    by_sku: HashMap<Arc<str>, ProductNo>,
    people: Vec<Person>,
    by_customer: HashMap<CustomerId, PersonNo>,
    /// Places in `people` that nobody has.
    free: Vec<PersonNo>,
    /// Baskets a day, the day counted from 1970 in UTC.
    days: BTreeMap<i64, u32>,
}

/// A product as the shop's baskets know it.
#[derive(Clone)]
pub(super) struct Shelf {
    pub sku: Arc<str>,
    /// As in the newest order that ever named it.
    pub name: Box<str>,
    /// When that was, in seconds since 1970.
    named: i64,
    /// Who bought it, in how many baskets; rising by person.
    pub buyers: Vec<(PersonNo, u32)>,
    /// When (minutes since 1970, UTC) and by whom; rising.
    pub purchases: Vec<(u32, PersonNo)>,
    /// Seconds between the first and the last purchase, summed over its buyers.
    pub spans: i64,
}

/// A customer.
#[derive(Clone)]
pub(super) struct Person {
    pub customer: CustomerId,
    /// By time and order id.
    pub baskets: Vec<Basket>,
    /// Squared length of the vector of baskets a product.
    pub norm: u64,
}

/// An order.
#[derive(Clone)]
pub(super) struct Basket {
    order: Box<str>,
    /// Seconds since 1970, UTC.
    pub placed: i64,
    pub clock: Clock,
    /// Rising, none twice.
    pub products: Box<[ProductNo]>,
}

/// The hour and the day of the week on the shop's clock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    /// 0 to 23.
    pub hour: u8,
    /// 0 (Monday) to 6.
    pub weekday: u8,
}

impl Clock {
    pub fn of(moment: &Zoned) -> Self {
        // Both are far below 128.
        Self {
            hour: moment.hour().unsigned_abs(),
            weekday: moment.weekday().to_monday_zero_offset().unsigned_abs(),
        }
    }
}

/// How often one customer bought a product, and how long that took.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    /// Baskets.
    pub count: u32,
    /// Seconds from the first to the last.
    pub span: i64,
}

impl Person {
    /// What this customer bought of `product`.
    fn tally(&self, product: ProductNo) -> Tally {
        let mut with = self.baskets.iter().filter(|b| b.holds(product));
        let Some(first) = with.next() else { return Tally::default() };
        let (mut count, mut last) = (1, first.placed);
        for basket in with {
            count += 1;
            last = basket.placed;
        }
        Tally { count, span: last - first.placed }
    }
}

impl Basket {
    pub fn holds(&self, product: ProductNo) -> bool {
        self.products.binary_search(&product).is_ok()
    }

    fn minute(&self) -> u32 {
        minute(self.placed)
    }

    fn day(&self) -> i64 {
        self.placed.div_euclid(DAY)
    }
}

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// The minute since 1970 that a moment lies in; whatever was before then is at its beginning.
pub(super) fn minute(second: i64) -> u32 {
    u32::try_from(second.div_euclid(60).max(0)).unwrap_or(u32::MAX)
}

impl Ledger {
    /// Takes an order in, once, and takes that out which it replaces. Says whether there was
    /// anything new.
    pub fn add(&mut self, order: &Order) -> bool {
        let replaced = order
            .replaces
            .as_ref()
            .is_some_and(|replaced| self.remove(order.customer, &replaced.0));
        let products = self.products_of(order);
        let known = self
            .person(order.customer)
            .is_some_and(|person| person.baskets.iter().any(|basket| *basket.order == *order.id.0));
        if products.is_empty() || known {
            return replaced;
        }
        let basket = Basket {
            order: order.id.0.as_str().into(),
            placed: order.placed.timestamp().as_second(),
            clock: Clock::of(&order.placed),
            products,
        };
        let no = self.enter(order.customer);
        let place = self.people[no as usize]
            .baskets
            .partition_point(|other| (other.placed, &other.order) < (basket.placed, &basket.order));
        *self.days.entry(basket.day()).or_default() += 1;
        let (minute, products) = (basket.minute(), basket.products.clone());
        self.change(no, &products, |person| person.baskets.insert(place, basket));
        for &product in &products {
            let purchases = &mut self.shelves[product as usize].purchases;
            let place = purchases.partition_point(|other| *other < (minute, no));
            purchases.insert(place, (minute, no));
        }
        true
    }

    /// Takes everything of a customer out.
    pub fn forget(&mut self, customer: CustomerId) {
        let Some(&no) = self.by_customer.get(&customer) else { return };
        while let Some(last) = self.people[no as usize].baskets.len().checked_sub(1) {
            self.take_out(no, last);
        }
    }

    /// Takes an order out, and says whether it was there.
    fn remove(&mut self, customer: CustomerId, order: &str) -> bool {
        let Some(&no) = self.by_customer.get(&customer) else { return false };
        let baskets = &self.people[no as usize].baskets;
        let place = baskets.iter().position(|basket| *basket.order == *order);
        place.is_some_and(|place| {
            self.take_out(no, place);
            true
        })
    }

    /// Takes a basket out, and its owner too if it was the last.
    fn take_out(&mut self, no: PersonNo, place: usize) {
        let basket = &self.people[no as usize].baskets[place];
        let (minute, day, products) = (basket.minute(), basket.day(), basket.products.clone());
        if let Some(baskets) = self.days.get_mut(&day) {
            *baskets -= 1;
            if *baskets == 0 {
                self.days.remove(&day);
            }
        }
        self.change(no, &products, |person| {
            person.baskets.remove(place);
        });
        for &product in &products {
            let purchases = &mut self.shelves[product as usize].purchases;
            if let Ok(place) = purchases.binary_search(&(minute, no)) {
                purchases.remove(place);
            }
        }
        let person = &self.people[no as usize];
        if person.baskets.is_empty() {
            self.by_customer.remove(&person.customer);
            self.free.push(no);
        }
    }

    /// Changes the baskets of a person, and what follows from them for `products`.
    fn change(&mut self, no: PersonNo, products: &[ProductNo], how: impl FnOnce(&mut Person)) {
        let person = &mut self.people[no as usize];
        let before: Vec<_> = products.iter().map(|product| person.tally(*product)).collect();
        how(person);
        for (&product, before) in products.iter().zip(before) {
            let after = person.tally(product);
            let square = |tally: Tally| u64::from(tally.count).pow(2);
            person.norm = person.norm + square(after) - square(before);
            let shelf = &mut self.shelves[product as usize];
            shelf.spans += after.span - before.span;
            match (shelf.buyers.binary_search_by_key(&no, |buyer| buyer.0), after.count) {
                (Ok(place), 0) => {
                    shelf.buyers.remove(place);
                }
                (Ok(place), count) => shelf.buyers[place].1 = count,
                (Err(_), 0) => {}
                (Err(place), count) => shelf.buyers.insert(place, (no, count)),
            }
        }
    }

    /// The place of a customer, a new one if need be.
    fn enter(&mut self, customer: CustomerId) -> PersonNo {
        if let Some(&no) = self.by_customer.get(&customer) {
            return no;
        }
        let person = Person { customer, baskets: Vec::new(), norm: 0 };
        let no = match self.free.pop() {
            Some(no) => {
                self.people[no as usize] = person;
                no
            }
            None => {
                self.people.push(person);
                number(self.people.len() - 1)
            }
        };
        self.by_customer.insert(customer, no);
        no
    }

    /// What an order's customer took home: a product whose lines were taken back is not in it.
    fn products_of(&mut self, order: &Order) -> Box<[ProductNo]> {
        let mut amounts: BTreeMap<&str, (Quantity, &str)> = BTreeMap::new();
        for line in &order.lines {
            let amount = amounts.entry(&line.sku).or_insert((Quantity::ZERO, &line.name));
            amount.0 += line.quantity;
        }
        let placed = order.placed.timestamp().as_second();
        let bought = amounts.into_iter().filter(|(_, (quantity, _))| *quantity > Quantity::ZERO);
        let mut products: Vec<_> =
            bought.map(|(sku, (_, name))| self.shelf(sku, name, placed)).collect();
        products.sort_unstable();
        products.into()
    }

    /// What a product was called last, if it was ever bought.
    pub fn name(&self, sku: &str) -> Option<&str> {
        self.by_sku.get(sku).map(|number| &*self.shelf_of(*number).name)
    }

    /// The place of a product, a new one if need be, and its name as of `placed`.
    fn shelf(&mut self, sku: &str, name: &str, placed: i64) -> ProductNo {
        if let Some(&no) = self.by_sku.get(sku) {
            let shelf = &mut self.shelves[no as usize];
            if placed >= shelf.named {
                shelf.named = placed;
                if *shelf.name != *name {
                    shelf.name = name.into();
                }
            }
            return no;
        }
        let sku: Arc<str> = sku.into();
        let no = number(self.shelves.len());
        self.by_sku.insert(sku.clone(), no);
        self.shelves.push(Shelf {
            sku,
            name: name.into(),
            named: placed,
            buyers: Vec::new(),
            purchases: Vec::new(),
            spans: 0,
        });
        no
    }

    /// A customer of whom there is an order.
    pub fn person(&self, customer: CustomerId) -> Option<&Person> {
        self.number(customer).map(|no| &self.people[no as usize])
    }

    /// Their place.
    pub fn number(&self, customer: CustomerId) -> Option<PersonNo> {
        self.by_customer.get(&customer).copied()
    }

    /// All places, those that nobody has (any more) without baskets.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// How many customers there are.
    pub fn customers(&self) -> usize {
        self.by_customer.len()
    }

    pub fn shelves(&self) -> &[Shelf] {
        &self.shelves
    }

    pub fn shelf_of(&self, product: ProductNo) -> &Shelf {
        &self.shelves[product as usize]
    }

    /// How many baskets there are.
    pub fn baskets(&self) -> u64 {
        self.days.values().map(|baskets| u64::from(*baskets)).sum()
    }

    /// How many baskets of the days from `from` to `to`, both included, there are.
    pub fn baskets_between(&self, from: i64, to: i64) -> u32 {
        self.days.range(from..=to.max(from)).map(|(_, baskets)| baskets).sum()
    }

    /// The baskets of a person in a minute that hold `product`.
    pub fn baskets_with(
        &self,
        no: PersonNo,
        in_minute: u32,
        product: ProductNo,
    ) -> impl Iterator<Item = &Basket> {
        let baskets = &self.people[no as usize].baskets;
        let from = baskets.partition_point(|basket| basket.minute() < in_minute);
        let of_it = baskets[from..].iter().take_while(move |basket| basket.minute() == in_minute);
        of_it.filter(move |basket| basket.holds(product))
    }
}

impl Shelf {
    /// Purchases from the minute `from` to the one before `to`.
    pub fn between(&self, from: u32, to: u32) -> &[(u32, PersonNo)] {
        let start = self.purchases.partition_point(|purchase| purchase.0 < from);
        let end = self.purchases.partition_point(|purchase| purchase.0 < to);
        &self.purchases[start..end.max(start)]
    }

    /// How many customers other than `me` bought it.
    pub fn others(&self, me: Option<PersonNo>) -> usize {
        let mine = me.is_some_and(|me| self.buyers.binary_search_by_key(&me, |b| b.0).is_ok());
        self.buyers.len() - usize::from(mine)
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("the memory holds fewer than 2^32 of anything")
}
