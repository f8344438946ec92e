//! Products of the shop's catalogue, with the data that recommendations need.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use super::text::check_text;
use super::{OrderError, excerpt};

/// A product of the shop's catalogue.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The shop's article number (SKU), as in the lines of an order.
    pub sku: String,
    /// The product's name.
    pub name: String,
    /// The shop's category for the product, such as `dairy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// True if the product can be bought today.
    #[serde(rename = "available", default = "default_is_available")]
    pub is_available: bool,
    /// True if the buyer's age has to be checked.
    #[serde(rename = "age_restricted", default)]
    pub is_age_restricted: bool,
    /// The declared allergens of the product.
    #[serde(default)]
    pub allergens: BTreeSet<Allergen>,
}

/// The 14 substances of Annex II of Regulation (EU) No 1169/2011. They cause allergies or
/// intolerances and have to be declared.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
// Variants without a comment have the name that the regulation uses.
#[allow(missing_docs)]
pub enum Allergen {
    /// Cereals containing gluten.
    Gluten,
    Crustaceans,
    Eggs,
    Fish,
    Peanuts,
    Soybeans,
    Milk,
    /// Almonds, hazelnuts, walnuts, cashews, pecans, Brazil nuts, pistachios, macadamias.
    Nuts,
    Celery,
    Mustard,
    Sesame,
    /// Sulphur dioxide and sulphites.
    Sulphites,
    Lupin,
    Molluscs,
}

/// Result of an update of the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, JsonSchema, Serialize, Deserialize)]
pub struct CatalogueChange {
    /// Number of new products.
    pub added: u64,
    /// Number of products whose data changed.
    pub changed: u64,
    /// Number of products whose data stayed the same.
    pub unchanged: u64,
    /// Number of products that were removed.
    pub removed: u64,
}

impl fmt::Display for Allergen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl FromStr for Allergen {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        let deserializer: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        Self::deserialize(deserializer).map_err(|_| OrderError::Allergen(excerpt(text)))
    }
}

impl Product {
    /// Validates the texts of the product.
    ///
    /// # Errors
    /// Returns the first rule that the product violates.
    pub fn check(&self) -> Result<(), OrderError> {
        check_text("the sku", &self.sku, 64)?;
        check_text("the product's name", &self.name, 200)?;
        self.category.as_deref().map_or(Ok(()), |category| check_text("the category", category, 64))
    }
}

fn default_is_available() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_with_sku_and_name_only_has_defaults() {
        let product: Product = serde_json::from_str(r#"{"sku":"1","name":"Milk"}"#).unwrap();
        assert!(product.is_available && !product.is_age_restricted && product.allergens.is_empty());
        assert_eq!(product.check(), Ok(()));
        assert!(Product { name: " ".into(), ..product.clone() }.check().is_err());
        assert!(Product { category: Some(String::new()), ..product }.check().is_err());
    }

    #[test]
    fn allergen_outside_the_regulation_is_rejected() {
        let product = |allergen: &str| {
            serde_json::from_str::<Product>(&format!(
                r#"{{"sku":"1","name":"Milk","allergens":["{allergen}"]}}"#
            ))
        };
        assert!(product("milk").unwrap().allergens.contains(&Allergen::Milk));
        assert_eq!("milk".parse(), Ok(Allergen::Milk));
        assert_eq!(Allergen::Milk.to_string(), "milk");
        assert!(matches!("dust".parse::<Allergen>(), Err(OrderError::Allergen(_))));
        assert!(product("dust").unwrap_err().to_string().contains("`sulphites`"));
    }
}
