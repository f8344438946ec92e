//! CSV files of products.

use std::io::BufRead;

use instored_domain::{Allergen, OrderError, Product};

use super::csv_reader::{Column, CsvReader, Header, Record};
use super::{ImportError, NextEntry, to_entry};

/// Names of the columns, for error messages.
const COLUMNS: &str = "sku, name; optional columns: category, available, age_restricted, allergens";

struct ProductColumns {
    sku: Column,
    name: Column,
    category: Column,
    available: Column,
    age_restricted: Column,
    allergens: Column,
}

/// Reads the header and returns a function that reads the next product.
///
/// # Errors
/// If the header is invalid.
pub(super) fn read(input: impl BufRead) -> Result<impl FnMut() -> NextEntry<Product>, ImportError> {
    let (mut reader, columns) = CsvReader::new(input, COLUMNS, |header: &mut Header| {
        Ok(ProductColumns {
            sku: header.required("sku")?,
            name: header.required("name")?,
            category: header.optional("category"),
            available: header.optional("available"),
            age_restricted: header.optional("age_restricted"),
            allergens: header.optional("allergens"),
        })
    })?;
    Ok(move || {
        let Some(record) = reader.next_record()? else { return Ok(None) };
        Ok(Some(to_entry(columns.product(&record), record.line)))
    })
}

impl ProductColumns {
    fn product(&self, record: &Record<'_>) -> Result<Product, String> {
        record.check()?;
        let product = Product {
            sku: record.text(self.sku)?.to_owned(),
            name: record.text(self.name)?.to_owned(),
            category: record.optional_text(self.category)?,
            is_available: record.parse_boolean(self.available, true)?,
            is_age_restricted: record.parse_boolean(self.age_restricted, false)?,
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
