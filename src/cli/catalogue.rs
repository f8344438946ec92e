//! `instored catalogue`: what the shop sells.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use instored_domain::{Allergen, CatalogueChange, Product};

use super::customers::UNEXPECTED;
use super::files::{self, LeftOut};
use super::receipt::Table;
use super::{office, print_json};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};

/// What to do.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Take in a file of products; those that it does not name stay as they are
    ///
    /// CSV has the columns sku, name and, if known, category, available, age_restricted (true or
    /// false) and allergens (such as gluten;nuts). JSON lines have a product a line.
    Import {
        /// A .csv, .jsonl or .ndjson file, or - for JSON lines from standard input
        file: PathBuf,
        /// Read and check the file only
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take products out
    Remove {
        /// Their article numbers
        #[arg(required = true)]
        skus: Vec<String>,
    },
    /// List the products
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Import { file, dry_run, json } => import(config, &file, dry_run, json),
        Action::Remove { skus } => {
            let removed = change(config, Request::RemoveProducts { skus })?.removed;
            println!("{removed} products removed");
            Ok(ExitCode::SUCCESS)
        }
        Action::List { json } => {
            let Response::Products { products, rejected } = office::ask(config, Request::Products)?
            else {
                bail!(UNEXPECTED);
            };
            if json {
                print_json(&products)?
            } else {
                print(&products)
            }
            for rejected in &rejected {
                eprintln!("instored: {rejected}");
            }
            Ok(ExitCode::from(u8::from(!rejected.is_empty())))
        }
    }
}

fn import(config: &Config, file: &Path, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let (mut read, mut total, mut left_out) = (0, CatalogueChange::default(), LeftOut::default());
    let doing = if dry_run { "checking" } else { "taking in" };
    files::in_batches(file, doing, instored_orders::read_products, |batch, bar| {
        read += batch.good.len();
        if !dry_run && !batch.good.is_empty() {
            let products = batch.good.into_iter().map(|(product, _)| product).collect();
            let put = change(config, Request::PutProducts { products })?;
            total.added += put.added;
            total.changed += put.changed;
            total.unchanged += put.unchanged;
        }
        left_out.add(batch.rejected, bar, json);
        Ok(())
    })?;
    let CatalogueChange { added, changed, unchanged, .. } = total;
    if json {
        print_json(&serde_json::json!({
            "products": read, "added": added, "changed": changed, "unchanged": unchanged,
            "left_out": left_out.count, "rejected": left_out.as_json(),
        }))?;
    } else {
        let what = if dry_run { "that could be read" } else { "read" };
        let left_out = left_out.count;
        println!(
            "products {what}: {read}, {added} added, {changed} changed, {unchanged} as before, \
             {left_out} lines left out"
        );
    }
    Ok(ExitCode::from(u8::from(left_out.count > 0)))
}

fn change(config: &Config, request: Request) -> anyhow::Result<CatalogueChange> {
    match office::ask(config, request)? {
        Response::Catalogue(change) => Ok(change),
        _ => bail!(UNEXPECTED),
    }
}

fn print(products: &[Product]) {
    let mut table = Table::new(["sku", "product", "category", "", "allergens"]);
    for product in products {
        let restriction = match (product.is_available, product.is_age_restricted) {
            (false, _) => "not available",
            (true, true) => "age-restricted",
            (true, false) => "",
        };
        let allergens: Vec<_> = product.allergens.iter().map(Allergen::to_string).collect();
        table.row([
            product.sku.clone(),
            product.name.clone(),
            product.category.clone().unwrap_or_default(),
            restriction.to_owned(),
            allergens.join(", "),
        ]);
    }
    print!("{table}");
    println!("{} products", products.len());
}
