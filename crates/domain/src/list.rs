//! What customers mean to buy today. Kept in memory alone, for one trip through the shop.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CustomerId;

/// What a customer has put on their list, in that order.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct ShoppingList {
    /// Whose.
    pub customer: CustomerId,
    /// Each article at most once, [`Lists::LONGEST`] of them.
    pub items: Vec<ListItem>,
}

/// A product on a list.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct ListItem {
    /// The shop's article number.
    pub sku: String,
    /// The product's name.
    pub name: String,
}

/// The customers' lists. Each is kept for a while after it was last changed.
#[derive(Debug)]
pub struct Lists {
    lasts: SignedDuration,
    lists: HashMap<CustomerId, (Vec<ListItem>, Timestamp)>,
}

impl Lists {
    /// The most articles on a list.
    pub const LONGEST: usize = 50;

    /// No lists; each will be kept for so long.
    pub fn new(lasts: SignedDuration) -> Self {
        Self { lasts, lists: HashMap::new() }
    }

    /// What is on a customer's list.
    pub fn of(&self, customer: CustomerId, now: Timestamp) -> ShoppingList {
        let live = self.lists.get(&customer).filter(|(_, until)| *until > now);
        ShoppingList { customer, items: live.map(|(items, _)| items.clone()).unwrap_or_default() }
    }

    /// Takes articles off a customer's list, which were bought or are not wanted, and puts others on
    /// it. `None`, and nothing changes, when it would grow longer than [`Self::LONGEST`].
    pub fn change(
        &mut self,
        customer: CustomerId,
        add: Vec<ListItem>,
        remove: &[impl AsRef<str>],
        now: Timestamp,
    ) -> Option<ShoppingList> {
        let mut list = self.of(customer, now);
        list.items.retain(|item| !remove.iter().any(|sku| sku.as_ref() == item.sku));
        for item in add {
            if !list.items.iter().any(|known| known.sku == item.sku) {
                list.items.push(item);
            }
        }
        (list.items.len() <= Self::LONGEST).then(|| self.keep(list, now))
    }

    /// The customer withdrew.
    pub fn forget(&mut self, customer: CustomerId) {
        self.lists.remove(&customer);
    }

    fn keep(&mut self, list: ShoppingList, now: Timestamp) -> ShoppingList {
        self.lists.retain(|_, (_, until)| *until > now);
        if list.items.is_empty() {
            self.lists.remove(&list.customer);
        } else {
            let until = now.saturating_add(self.lasts).unwrap_or(Timestamp::MAX);
            self.lists.insert(list.customer, (list.items.clone(), until));
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: CustomerId = CustomerId(uuid::Uuid::from_u128(1));
    const BEN: CustomerId = CustomerId(uuid::Uuid::from_u128(2));

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn item(sku: &str) -> ListItem {
        ListItem { sku: sku.to_owned(), name: format!("product {sku}") }
    }

    fn skus(list: &ShoppingList) -> Vec<&str> {
        list.items.iter().map(|item| item.sku.as_str()).collect()
    }

    const NOTHING: [&str; 0] = [];

    fn add(lists: &mut Lists, customer: CustomerId, more: &[&str], now: i64) -> ShoppingList {
        let more = more.iter().map(|sku| item(sku)).collect();
        lists.change(customer, more, &NOTHING, at(now)).unwrap()
    }

    #[test]
    fn a_list_has_each_article_once_is_its_customers_own_and_loses_what_was_bought() {
        let mut lists = Lists::new(SignedDuration::from_secs(10));
        add(&mut lists, ADA, &["1", "2"], 0);
        assert_eq!(skus(&add(&mut lists, ADA, &["2", "3"], 1)), ["1", "2", "3"]);
        assert_eq!(skus(&lists.of(BEN, at(1))), NOTHING);
        let bought = lists.change(ADA, vec![], &["2", "9"], at(2)).unwrap();
        assert_eq!(skus(&bought), ["1", "3"]);
    }

    #[test]
    fn a_list_ends_some_time_after_its_last_change_and_with_its_customer() {
        let mut lists = Lists::new(SignedDuration::from_secs(10));
        add(&mut lists, ADA, &["1"], 0);
        add(&mut lists, ADA, &["2"], 9);
        assert_eq!(skus(&lists.of(ADA, at(18))), ["1", "2"]);
        assert_eq!(skus(&lists.of(ADA, at(19))), NOTHING);
        add(&mut lists, BEN, &["1"], 20);
        lists.forget(BEN);
        assert_eq!(skus(&lists.of(BEN, at(20))), NOTHING);
    }

    #[test]
    fn a_list_does_not_grow_for_ever_and_is_changed_as_a_whole_or_not_at_all() {
        let mut lists = Lists::new(SignedDuration::from_secs(10));
        let many: Vec<_> = (0..Lists::LONGEST).map(|n| item(&n.to_string())).collect();
        assert!(lists.change(ADA, many, &NOTHING, at(0)).is_some());
        assert!(lists.change(ADA, vec![item("a"), item("b")], &["0"], at(0)).is_none());
        assert_eq!(lists.of(ADA, at(0)).items[0].sku, "0");
        assert!(lists.change(ADA, vec![item("a")], &["0"], at(0)).is_some());
    }
}
