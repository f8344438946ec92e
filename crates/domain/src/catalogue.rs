//! What the shop sells, as far as a recommendation has to know it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use super::order::{OrderError, quoted, text};

/// A product of the shop's catalogue.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The shop's article number, as in an order's lines.
    pub sku: String,
    /// What it is called.
    pub name: String,
    /// The shop's own word for its kind, such as `dairy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Whether it can be bought today.
    #[serde(default = "yes")]
    pub available: bool,
    /// Whether a buyer's age has to be checked.
    #[serde(default)]
    pub age_restricted: bool,
    /// What it contains of the allergens that have to be declared.
    #[serde(default)]
    pub allergens: BTreeSet<Allergen>,
}

/// The substances that cause allergies or intolerances and have to be declared: the fourteen of
/// Annex II of Regulation (EU) No 1169/2011.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
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

/// What became of products that were put into the catalogue or taken out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, JsonSchema, Serialize, Deserialize)]
pub struct CatalogueChange {
    /// Products that are new.
    pub added: u64,
    /// Products that are not as they were.
    pub changed: u64,
    /// Products that are as they were.
    pub unchanged: u64,
    /// Products that are gone.
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
        let plain: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        Self::deserialize(plain).map_err(|_| OrderError::Allergen(quoted(text)))
    }
}

impl Product {
    /// Checks everything that can be checked without knowing other products.
    ///
    /// # Errors
    /// The first rule that the product breaks.
    pub fn check(&self) -> Result<(), OrderError> {
        text("the sku", &self.sku, 64)?;
        text("the product's name", &self.name, 200)?;
        self.category.as_deref().map_or(Ok(()), |category| text("the category", category, 64))
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_that_says_little_is_available_to_everyone() {
        let product: Product = serde_json::from_str(r#"{"sku":"1","name":"Milk"}"#).unwrap();
        assert!(product.available && !product.age_restricted && product.allergens.is_empty());
        assert_eq!(product.check(), Ok(()));
        assert!(Product { name: " ".into(), ..product.clone() }.check().is_err());
        assert!(Product { category: Some(String::new()), ..product }.check().is_err());
    }

    #[test]
    fn allergens_are_the_declared_ones_and_no_others() {
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
