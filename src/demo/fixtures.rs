//! People of the demonstration with their purchases, and the catalogue.

use instored_domain::{Allergen, CustomerId, Product};
use instored_simulation::portraits::{self, Portrait};
use jiff::{SignedDuration, Zoned};

/// Person who visits the shop. Names are invented.
pub(super) struct Person {
    pub name: &'static str,
    portraits: &'static [Portrait],
    orders: &'static [PastOrder],
}

/// SKU, name, quantity and unit price in cents.
type LineItem = (&'static str, &'static str, &'static str, i64);
/// Age in days, hour of the day (0 to 23), and line items.
type PastOrder = (i64, i8, &'static [LineItem]);

const OAT_MILK: LineItem = ("4002", "Oat milk 1 l", "2", 199);
const RYE_BREAD: LineItem = ("1107", "Rye bread", "1", 389);
const PEARS: LineItem = ("3014", "Loose pears (kg)", "0.845", 329);
const COFFEE: LineItem = ("5201", "Coffee beans 500 g", "1", 899);
const GOAT_CHEESE: LineItem = ("4411", "Goat cheese", "1", 449);
const TOMATOES: LineItem = ("3050", "Vine tomatoes (kg)", "0.612", 399);
const PASTA: LineItem = ("6003", "Linguine 500 g", "2", 179);
const OLIVE_OIL: LineItem = ("6120", "Olive oil 750 ml", "1", 1149);
const YOGHURT: LineItem = ("4105", "Yoghurt 500 g", "1", 219);
const APPLES: LineItem = ("3001", "Loose apples (kg)", "1.230", 289);

/// Products of the shop, with their declared allergens.
const PRODUCTS: [(LineItem, &[Allergen]); 10] = [
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

/// Customer with portraits from 2014 and 2025.
pub(super) const ALEX: Person = Person {
    name: "Alex",
    portraits: &[portraits::PERSON_A_1, portraits::PERSON_A_2],
    orders: &[
        (3, 18, &[OAT_MILK, RYE_BREAD, PEARS]),
        (10, 18, &[OAT_MILK, RYE_BREAD, COFFEE]),
        (17, 17, &[OAT_MILK, RYE_BREAD, GOAT_CHEESE]),
        (24, 18, &[OAT_MILK, PEARS, TOMATOES]),
        (31, 19, &[OAT_MILK, RYE_BREAD, COFFEE]),
        (38, 18, &[RYE_BREAD, YOGHURT]),
    ],
};

/// Customer with portraits from 2018 and 2022.
pub(super) const BEA: Person = Person {
    name: "Bea",
    portraits: &[portraits::PERSON_B_1, portraits::PERSON_B_2],
    orders: &[
        (2, 12, &[TOMATOES, PASTA, GOAT_CHEESE]),
        (6, 12, &[YOGHURT, APPLES]),
        (9, 11, &[TOMATOES, PASTA, OLIVE_OIL]),
        (15, 12, &[YOGHURT, APPLES, TOMATOES]),
        (21, 13, &[PASTA, TOMATOES, GOAT_CHEESE]),
    ],
};

/// People who never opted in.
pub(super) const STRANGERS: [Person; 2] = [
    Person { name: "a stranger", portraits: &[portraits::IMPOSTOR_1], orders: &[] },
    Person { name: "another stranger", portraits: &[portraits::IMPOSTOR_2], orders: &[] },
];

/// Returns the shop's catalogue.
pub(super) fn catalogue() -> Vec<Product> {
    let product = |((sku, name, ..), allergens): (LineItem, &[Allergen])| Product {
        sku: sku.to_owned(),
        name: name.to_owned(),
        category: None,
        is_available: true,
        is_age_restricted: false,
        allergens: allergens.iter().copied().collect(),
    };
    PRODUCTS.map(product).into()
}

impl Person {
    /// Returns a portrait of the person: number 0, or number 1, which is years newer.
    pub fn portrait(&self, number: usize) -> Portrait {
        self.portraits[number]
    }

    /// Returns the person's past orders as CSV for `instored orders import`.
    pub fn orders_csv(&self, customer: CustomerId, now: &Zoned) -> String {
        let mut csv =
            String::from("customer,order,placed,currency,sku,name,quantity,unit_price,till\n");
        for (days, hour, lines) in self.orders {
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
