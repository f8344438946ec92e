//! What may be shown of the shop's products, and to whom.

use std::collections::{BTreeSet, HashMap};

use instored_domain::{Allergen, Product};

/// The shop's products by article number. Empty in a shop that has none: then every product that
/// was ever bought is on sale.
#[derive(Clone, Default)]
pub struct Catalogue(HashMap<String, Product>);

impl Catalogue {
    /// Puts a product in, or in the place of the one with its number.
    pub fn insert(&mut self, product: Product) {
        self.0.insert(product.sku.clone(), product);
    }

    /// Takes a product out.
    pub fn remove(&mut self, sku: &str) {
        self.0.remove(sku);
    }

    /// What a product is called.
    pub(super) fn product_name(&self, sku: &str) -> Option<&str> {
        self.0.get(sku).map(|product| product.name.as_str())
    }

    /// Whether a product may be shown at the entrance to someone who avoids `allergens`. Of a
    /// product that the catalogue does not have nobody knows what is in it: who avoids anything
    /// is not shown it.
    pub(super) fn allows(&self, sku: &str, allergens: &BTreeSet<Allergen>) -> bool {
        match self.0.get(sku) {
            Some(product) => {
                product.is_available
                    && !product.is_age_restricted
                    && product.allergens.is_disjoint(allergens)
            }
            None => allergens.is_empty(),
        }
    }
}

impl FromIterator<Product> for Catalogue {
    fn from_iter<I: IntoIterator<Item = Product>>(products: I) -> Self {
        Self(products.into_iter().map(|product| (product.sku.clone(), product)).collect())
    }
}
