//! A CSV file of products.

use std::io::BufRead;

use instored_domain::{Allergen, OrderError, Product};

use super::lines::until_error;
use super::table::{Column, Header, Record, Table};
use super::{Entry, ImportError, RejectedLine};

const NAMES: &str = "sku, name and, if known, category, available, age_restricted, allergens";

struct ProductColumns {
    sku: Column,
    name: Column,
    category: Column,
    available: Column,
    age_restricted: Column,
    allergens: Column,
}

pub(super) fn read(
    input: impl BufRead,
) -> Result<impl Iterator<Item = Result<Entry<Product>, ImportError>>, ImportError> {
    let (mut table, columns) = Table::new(input, NAMES, |header: &mut Header| {
        Ok(ProductColumns {
            sku: header.required("sku")?,
            name: header.required("name")?,
            category: header.optional("category"),
            available: header.optional("available"),
            age_restricted: header.optional("age_restricted"),
            allergens: header.optional("allergens"),
        })
    })?;
    Ok(until_error(move || {
        let Some(record) = table.next()? else { return Ok(None) };
        let line = record.line;
        Ok(Some(match columns.product(&record) {
            Ok(product) => Entry::Accepted(product, vec![line]),
            Err(reason) => Entry::Rejected(RejectedLine { line, reason }),
        }))
    }))
}

impl ProductColumns {
    fn product(&self, record: &Record<'_>) -> Result<Product, String> {
        record.sound()?;
        let category = record.text(self.category)?;
        let product = Product {
            sku: record.text(self.sku)?.to_owned(),
            name: record.text(self.name)?.to_owned(),
            category: (!category.is_empty()).then(|| category.to_owned()),
            is_available: record.yes_or_no(self.available, true)?,
            is_age_restricted: record.yes_or_no(self.age_restricted, false)?,
            allergens: record
                .text(self.allergens)?
                .split([';', ' '])
                .filter(|word| !word.is_empty())
                .map(|word| word.parse::<Allergen>())
                .collect::<Result<_, OrderError>>()
                .map_err(|e| e.to_string())?,
        };
        product.check().map_err(|e| e.to_string())?;
        Ok(product)
    }
}
