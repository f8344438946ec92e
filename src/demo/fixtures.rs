//! The people of the demonstration: portraits under invented names, with what they bought.

use instored_domain::{Allergen, CustomerId, Product};
use instored_simulation::portraits::{self, Portrait};
use jiff::{SignedDuration, Zoned};

/// Somebody who comes in.
pub(super) struct Person {
    /// How the story calls them.
    pub name: &'static str,
    portraits: &'static [Portrait],
    baskets: &'static [Basket],
}

/// Sku, name, quantity, price in cents.
type Article = (&'static str, &'static str, &'static str, i64);
/// Days ago, hour of the day, and the lines.
type Basket = (i64, i8, &'static [Article]);

const OAT_MILK: Article = ("4002", "Oat milk 1 l", "2", 199);
const RYE_BREAD: Article = ("1107", "Rye bread", "1", 389);
const PEARS: Article = ("3014", "Loose pears (kg)", "0.845", 329);
const COFFEE: Article = ("5201", "Coffee beans 500 g", "1", 899);
const GOAT_CHEESE: Article = ("4411", "Goat cheese", "1", 449);
const TOMATOES: Article = ("3050", "Vine tomatoes (kg)", "0.612", 399);
const PASTA: Article = ("6003", "Linguine 500 g", "2", 179);
const OLIVE_OIL: Article = ("6120", "Olive oil 750 ml", "1", 1149);
const YOGHURT: Article = ("4105", "Yoghurt 500 g", "1", 219);
const APPLES: Article = ("3001", "Loose apples (kg)", "1.230", 289);

/// What is sold here, with what has to be declared of it.
const SHELVES: [(Article, &[Allergen]); 10] = [
    (OAT_MILK, &[Allergen::Gluten]),
    (RYE_BREAD, &[Allergen::Gluten]),
    (PEARS, &[]),
    (COFFEE, &[]),
    (GOAT_CHEESE, &[Allergen::Milk]),
    (TOMATOES, &[]),
    (PASTA, &[Allergen::Gluten]),
    (OLIVE_OIL, &[]),
    (YOGHURT, &[Allergen::Milk]),
    (APPLES, &[]),
];

/// A customer, met first in 2014 and then in 2025.
pub(super) const ALEX: Person = Person {
    name: "Alex",
    portraits: &[portraits::PERSON_A_1, portraits::PERSON_A_2],
    baskets: &[
        (3, 18, &[OAT_MILK, RYE_BREAD, PEARS]),
        (10, 18, &[OAT_MILK, RYE_BREAD, COFFEE]),
        (17, 17, &[OAT_MILK, RYE_BREAD, GOAT_CHEESE]),
        (24, 18, &[OAT_MILK, PEARS, TOMATOES]),
        (31, 19, &[OAT_MILK, RYE_BREAD, COFFEE]),
        (38, 18, &[RYE_BREAD, YOGHURT]),
    ],
};

/// A customer, met first in 2018 and then in 2022.
pub(super) const BEA: Person = Person {
    name: "Bea",
    portraits: &[portraits::PERSON_B_1, portraits::PERSON_B_2],
    baskets: &[
        (2, 12, &[TOMATOES, PASTA, GOAT_CHEESE]),
        (6, 12, &[YOGHURT, APPLES]),
        (9, 11, &[TOMATOES, PASTA, OLIVE_OIL]),
        (15, 12, &[YOGHURT, APPLES, TOMATOES]),
        (21, 13, &[PASTA, TOMATOES, GOAT_CHEESE]),
    ],
};

/// Two who never pressed the button.
pub(super) const STRANGERS: [Person; 2] = [
    Person { name: "a stranger", portraits: &[portraits::IMPOSTOR_1], baskets: &[] },
    Person { name: "another stranger", portraits: &[portraits::IMPOSTOR_2], baskets: &[] },
];

/// The shop's catalogue.
pub(super) fn catalogue() -> Vec<Product> {
    let product = |((sku, name, ..), allergens): (Article, &[Allergen])| Product {
        sku: sku.to_owned(),
        name: name.to_owned(),
        category: None,
        is_available: true,
        is_age_restricted: false,
        allergens: allergens.iter().copied().collect(),
    };
    SHELVES.map(product).into()
}

impl Person {
    /// A picture of the person; the second is years later.
    pub fn portrait(&self, which: usize) -> Portrait {
        self.portraits[which]
    }

    /// What they bought, as a till would export it: the CSV that `instored orders import` reads.
    pub fn history(&self, customer: CustomerId, now: &Zoned) -> String {
        let mut csv =
            String::from("customer,order,placed,currency,sku,name,quantity,unit_price,till\n");
        for (days, hour, lines) in self.baskets {
            let placed = now
                .checked_sub(SignedDuration::from_hours(24 * days))
                .and_then(|day| {
                    day.with().hour(*hour).minute(12).second(0).subsec_nanosecond(0).build()
                })
                .map_or_else(|_| now.to_string(), |placed| placed.to_string());
            for (sku, name, quantity, price) in *lines {
                let order = format!("{}-{days}", self.name);
                csv += &format!(
                    "{customer},{order},{placed},EUR,{sku},\"{name}\",{quantity},{price},2\n"
                );
            }
        }
        csv
    }
}
