//! Customers' shopping lists, kept in memory during a visit.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CustomerId;

/// A customer's shopping list.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct ShoppingList {
    /// The customer.
    pub customer: CustomerId,
    /// The products in the order of their addition: at most 50, each once.
    pub items: Vec<ListItem>,
}

/// A product on a shopping list.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct ListItem {
    /// The shop's article number (SKU).
    pub sku: String,
    /// The product's name.
    pub name: String,
}

/// The shopping lists of all customers. Each expires a fixed time after its last change.
#[derive(Debug)]
pub struct ShoppingLists {
    lifetime: SignedDuration,
    /// Items and expiry time by customer.
    lists: HashMap<CustomerId, (Vec<ListItem>, Timestamp)>,
}

impl ShoppingLists {
    /// Maximum number of products on a list.
    pub const MAX_ITEMS: usize = 50;

    /// Creates an empty store whose lists expire `lifetime` after their last change.
    pub fn new(lifetime: SignedDuration) -> Self {
        Self { lifetime, lists: HashMap::new() }
    }

    /// Sets the lifetime of lists after their next change.
    pub fn set_lifetime(&mut self, lifetime: SignedDuration) {
        self.lifetime = lifetime;
    }

    /// Returns a customer's list. The list is empty if the customer has none.
    pub fn get(&self, customer: CustomerId, now: Timestamp) -> ShoppingList {
        let list = self.lists.get(&customer).filter(|(_, expires)| *expires > now);
        ShoppingList { customer, items: list.map(|(items, _)| items.clone()).unwrap_or_default() }
    }

    /// Removes products from a customer's list, then adds others, and returns the new list.
    /// Changes nothing and returns `None` if the list would have more than [`Self::MAX_ITEMS`]
    /// products.
    pub fn update(
        &mut self,
        customer: CustomerId,
        add: Vec<ListItem>,
        remove: &[impl AsRef<str>],
        now: Timestamp,
    ) -> Option<ShoppingList> {
        let mut list = self.get(customer, now);
        list.items.retain(|item| !remove.iter().any(|sku| sku.as_ref() == item.sku));
        for item in add {
            if !list.items.iter().any(|known| known.sku == item.sku) {
                list.items.push(item);
            }
        }
        if list.items.len() > Self::MAX_ITEMS {
            return None;
        }
        self.store(&list, now);
        Some(list)
    }

    /// Deletes a customer's list.
    pub fn remove_customer(&mut self, customer: CustomerId) {
        self.lists.remove(&customer);
    }

    fn store(&mut self, list: &ShoppingList, now: Timestamp) {
        self.lists.retain(|_, (_, expires)| *expires > now);
        if list.items.is_empty() {
            self.lists.remove(&list.customer);
        } else {
            let expires = now.saturating_add(self.lifetime).unwrap_or(Timestamp::MAX);
            self.lists.insert(list.customer, (list.items.clone(), expires));
        }
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

    fn add(
        lists: &mut ShoppingLists,
        customer: CustomerId,
        skus: &[&str],
        now: i64,
    ) -> ShoppingList {
        let items = skus.iter().map(|sku| item(sku)).collect();
        lists.update(customer, items, &NOTHING, at(now)).unwrap()
    }

    #[test]
    fn list_has_each_product_once_and_belongs_to_one_customer() {
        let mut lists = ShoppingLists::new(SignedDuration::from_secs(10));
        add(&mut lists, ADA, &["1", "2"], 0);
        assert_eq!(skus(&add(&mut lists, ADA, &["2", "3"], 1)), ["1", "2", "3"]);
        assert_eq!(skus(&lists.get(BEN, at(1))), NOTHING);
        let remaining = lists.update(ADA, vec![], &["2", "9"], at(2)).unwrap();
        assert_eq!(skus(&remaining), ["1", "3"]);
    }

    #[test]
    fn list_expires_after_last_change_and_with_its_customer() {
        let mut lists = ShoppingLists::new(SignedDuration::from_secs(10));
        add(&mut lists, ADA, &["1"], 0);
        add(&mut lists, ADA, &["2"], 9);
        assert_eq!(skus(&lists.get(ADA, at(18))), ["1", "2"]);
        assert_eq!(skus(&lists.get(ADA, at(19))), NOTHING);
        add(&mut lists, BEN, &["1"], 20);
        lists.remove_customer(BEN);
        assert_eq!(skus(&lists.get(BEN, at(20))), NOTHING);
    }

    #[test]
    fn update_beyond_the_maximum_changes_nothing() {
        let mut lists = ShoppingLists::new(SignedDuration::from_secs(10));
        let many: Vec<_> = (0..ShoppingLists::MAX_ITEMS).map(|n| item(&n.to_string())).collect();
        assert!(lists.update(ADA, many, &NOTHING, at(0)).is_some());
        assert!(lists.update(ADA, vec![item("a"), item("b")], &["0"], at(0)).is_none());
        assert_eq!(lists.get(ADA, at(0)).items[0].sku, "0");
        assert!(lists.update(ADA, vec![item("a")], &["0"], at(0)).is_some());
    }
}
