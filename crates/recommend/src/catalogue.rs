//! The shop's products, and the filter of products that may be recommended.

use std::collections::{BTreeSet, HashMap};

use instored_domain::{Allergen, Product};

/// The shop's products by SKU. If the catalogue is empty, every product that was ever bought is
/// available.
#[derive(Clone, Default)]
pub struct Catalogue(HashMap<String, Product>);

impl Catalogue {
    /// Adds a product, or replaces the one with the same SKU.
    pub fn insert(&mut self, product: Product) {
        self.0.insert(product.sku.clone(), product);
    }

    /// Removes the product with this SKU.
    pub fn remove(&mut self, sku: &str) {
        self.0.remove(sku);
    }

    /// Returns a product's name.
    pub(super) fn product_name(&self, sku: &str) -> Option<&str> {
        self.0.get(sku).map(|product| product.name.as_str())
    }

    /// Returns true if a product may be shown at the entrance to a customer who avoids `allergens`.
    /// The allergens of a product outside the catalogue are unknown. Such a product is shown only
    /// to customers who avoid no allergen.
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
