//! `instored catalogue`: products of the shop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use instored_domain::{Allergen, CatalogueChange, Product};

use super::import::{self, RejectedLines};
use super::table::{left, table};
use super::vault_client::{self, UNEXPECTED_RESPONSE};
use super::{exit, print_record_errors};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};
use crate::output::{print, print_json, print_line};

/// Actions on the catalogue.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Import a file of products; products that the file does not contain stay unchanged
    ///
    /// A CSV file has the columns sku and name, and optionally category, available,
    /// age_restricted (true or false) and allergens (such as gluten;nuts). A JSON lines file has one
    /// product per line.
    Import {
        /// File in .csv, .jsonl or .ndjson, or - for JSON lines from standard input
        file: PathBuf,
        /// Only read and check the file
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove products
    Remove {
        /// Article numbers (SKUs) of the products
        #[arg(required = true)]
        skus: Vec<String>,
    },
    /// List all products
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs `instored catalogue`.
pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Import { file, dry_run, json } => import(config, &file, dry_run, json),
        Action::Remove { skus } => {
            let removed = change(config, Request::RemoveProducts { skus })?.removed;
            print_line(format_args!("{removed} products removed"))?;
            Ok(ExitCode::SUCCESS)
        }
        Action::List { json } => {
            let Response::Products { products, rejected } =
                vault_client::send(config, Request::Products)?
            else {
                bail!(UNEXPECTED_RESPONSE);
            };
            if json {
                print_json(&products)?
            } else {
                print(product_table(&products))?
            }
            print_record_errors(&rejected);
            Ok(exit::success_if(rejected.is_empty()))
        }
    }
}

/// Imports a file in batches, and prints a summary.
fn import(config: &Config, file: &Path, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let mut product_count = 0;
    let mut total = CatalogueChange::default();
    let mut rejected = RejectedLines::default();
    let label = if dry_run { "checking" } else { "importing" };
    import::read_in_batches(file, label, instored_orders::read_products, |batch, bar| {
        product_count += batch.accepted.len();
        if !dry_run && !batch.accepted.is_empty() {
            let products = batch.accepted.into_iter().map(|(product, _)| product).collect();
            let changed = change(config, Request::PutProducts { products })?;
            total.added += changed.added;
            total.changed += changed.changed;
            total.unchanged += changed.unchanged;
        }
        rejected.add(batch.rejected, bar, json);
        Ok(())
    })?;
    let CatalogueChange { added, changed, unchanged, .. } = total;
    let count = rejected.count;
    if json {
        print_json(&serde_json::json!({
            "products": product_count, "added": added, "changed": changed, "unchanged": unchanged,
            "left_out": count, "rejected": rejected.to_json(),
        }))?;
    } else {
        print_line(format_args!(
            "products read: {product_count}, {added} added, {changed} changed, \
             {unchanged} unchanged, {count} lines rejected"
        ))?;
    }
    Ok(exit::success_if(count == 0))
}

/// Changes the catalogue.
fn change(config: &Config, request: Request) -> anyhow::Result<CatalogueChange> {
    match vault_client::send(config, request)? {
        Response::Catalogue(change) => Ok(change),
        _ => bail!(UNEXPECTED_RESPONSE),
    }
}

/// Formats the products as a table.
fn product_table(products: &[Product]) -> String {
    let rows = products.iter().map(|product| {
        let restriction = match (product.is_available, product.is_age_restricted) {
            (false, _) => "not available",
            (true, true) => "age-restricted",
            (true, false) => "",
        };
        let allergens: Vec<_> = product.allergens.iter().map(Allergen::to_string).collect();
        [
            product.sku.clone(),
            product.name.clone(),
            product.category.clone().unwrap_or_default(),
            restriction.to_owned(),
            allergens.join(", "),
        ]
    });
    let columns = ["sku", "product", "category", "", "allergens"].map(left);
    format!("{}{} products\n", table(columns, rows), products.len())
}
