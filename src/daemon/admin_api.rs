//! What the shop's operator asks of the vault by the command line, and what they are told.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use instored_domain::{
    CatalogueChange, CommandFailure, CommandFailureCode, ConsentReceipt, Currency, Customer,
    CustomerId, CustomerName, History, HistoryView, Order, OrderId, Page, Product,
};
use instored_mqtt::{PublicKey, PublicKeyAnnouncement};
use instored_orders::history_page;
use instored_vault::{
    AddOrderOutcome, AuditContext, AuditEntry, BackupSummary, Passphrase, RotationSummary, Vault,
    VaultError, VerificationReport, Verified,
};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// A request of the operator.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Request {
    Customers,
    Customer { customer: CustomerId },
    CustomerOf { receipt: ConsentReceipt },
    Rename { customer: CustomerId, name: Option<CustomerName> },
    Forget { customer: CustomerId },
    Export { customer: CustomerId },
    History { customer: CustomerId, by: HistoryView, page: Page },
    AddOrders { orders: Vec<Order> },
    VoidOrder { customer: CustomerId, order: OrderId },
    Products,
    PutProducts { products: Vec<Product> },
    RemoveProducts { skus: Vec<String> },
    Key,
    RotateKeys,
    Verify,
    AuditLog { limit: usize },
    Compact,
    Backup { passphrase: Passphrase },
}

impl Request {
    /// Whether it may take longer than the desk can wait.
    pub(super) fn takes_long(&self) -> bool {
        matches!(self, Self::RotateKeys | Self::Verify | Self::Compact | Self::Backup { .. })
    }
}

/// The answer to a [`Request`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Response {
    /// Everyone enrolled, and a sentence for each record that was refused.
    Customers {
        customers: Vec<Customer>,
        refused: Vec<String>,
    },
    Customer(Customer),
    Forgotten {
        templates: u64,
        orders: u64,
    },
    /// Everything held about the customer.
    Export(serde_json::Value),
    /// A page, and a sentence for each order that was refused.
    History {
        history: History,
        refused: Vec<String>,
    },
    /// One for each given order, in their order.
    Added(Vec<AddOrderOutcome>),
    /// The catalogue, and a sentence for each product that was refused.
    Products {
        products: Vec<Product>,
        refused: Vec<String>,
    },
    Catalogue(CatalogueChange),
    Key(PublicKeyAnnouncement),
    Rotated(RotationSummary),
    Verified(VerificationReport),
    AuditLog(Vec<AuditEntry>),
    Compacted,
    /// The file lies in the state folder until it is taken away.
    BackedUp {
        file: PathBuf,
        backup: BackupSummary,
    },
}

/// Carries out a request on the vault; `currency` is the only one taken, where the shop has set one.
///
/// # Errors
/// When there is no such customer, an order or a product is none, or the vault cannot do it.
pub fn answer(
    vault: &Vault,
    request: Request,
    act: AuditContext,
    currency: Option<Currency>,
) -> Result<Response, CommandFailure> {
    Ok(match request {
        Request::Customers => {
            let (customers, refused) = loaded(vault.customers())?;
            Response::Customers { customers, refused }
        }
        Request::Customer { customer } => {
            Response::Customer(found(customer, vault.customer(customer))?)
        }
        Request::CustomerOf { receipt } => {
            let customer = vault.customer_by_receipt(&receipt).map_err(internal)?;
            let customer = customer
                .ok_or_else(|| not_found("this receipt names nobody (any more)".to_owned()))?;
            Response::Customer(found(customer, vault.customer(customer))?)
        }
        Request::Rename { customer, name } => {
            Response::Customer(found(customer, vault.rename(customer, name, act))?)
        }
        Request::Forget { customer } => {
            let forgotten = found(customer, vault.forget(customer, act))?;
            vault.compact().map_err(internal)?;
            Response::Forgotten { templates: forgotten.templates, orders: forgotten.orders }
        }
        Request::Export { customer } => {
            let export = found(customer, vault.export(customer))?;
            Response::Export(serde_json::to_value(export).map_err(internal)?)
        }
        Request::History { customer, by, page } => {
            found(customer, vault.customer(customer))?;
            let (history, refused) = look_back(vault, customer, by, page, act.at)?;
            Response::History { history, refused }
        }
        Request::AddOrders { orders } => {
            for order in &orders {
                order
                    .check(act.at, currency)
                    .map_err(|e| malformed(format!("order {}: {e}", order.id)))?;
            }
            Response::Added(vault.add_orders(&orders, act).map_err(internal)?)
        }
        Request::VoidOrder { customer, order } => {
            found(customer, vault.customer(customer))?;
            let (orders, _) = loaded(vault.orders(customer, usize::MAX))?;
            let replaced = orders
                .into_iter()
                .find(|known| known.id == order)
                .ok_or_else(|| not_found(format!("customer {customer} has no order {order}")))?;
            let void = Order {
                id: OrderId(format!("{order}/void")),
                placed: act.at.to_zoned(TimeZone::UTC),
                lines: Vec::new(),
                total: 0,
                till: None,
                replaces: Some(order),
                ..replaced
            };
            void.check(act.at, None).map_err(malformed)?;
            Response::Added(vec![vault.add_order(&void, act).map_err(internal)?])
        }
        Request::Products => {
            let (products, refused) = loaded(vault.products())?;
            Response::Products { products, refused }
        }
        Request::PutProducts { products } => {
            Response::Catalogue(change_catalogue(vault, &products, &[], act)?)
        }
        Request::RemoveProducts { skus } => {
            Response::Catalogue(change_catalogue(vault, &[], &skus, act)?)
        }
        Request::Key => Response::Key(key_note(vault)),
        Request::RotateKeys => Response::Rotated(vault.rotate_keys(act).map_err(internal)?),
        Request::Verify => Response::Verified(vault.verify().map_err(internal)?),
        Request::AuditLog { limit } => {
            Response::AuditLog(vault.audit_log(limit).map_err(internal)?)
        }
        Request::Compact => {
            vault.compact().map_err(internal)?;
            Response::Compacted
        }
        Request::Backup { passphrase } => back_up(vault, &passphrase, act)?,
    })
}

/// By which key displays know the box.
pub(super) fn key_note(vault: &Vault) -> PublicKeyAnnouncement {
    let key = vault.signing_key();
    let public = PublicKey::from_bytes(&key.public())
        .expect("the public half of a signing key is a point of the curve");
    PublicKeyAnnouncement { key_id: key.key_id(), ed25519: public }
}

/// Writes a backup beside the vault, from where the command line takes it.
fn back_up(
    vault: &Vault,
    passphrase: &Passphrase,
    act: AuditContext,
) -> Result<Response, CommandFailure> {
    let file = vault.path().with_file_name("backup.tmp");
    let cannot = |e: std::io::Error| internal(format!("cannot write {}: {e}", file.display()));
    // What lies there is left of a caller that went away.
    let _ = std::fs::remove_file(&file);
    let mut options = OpenOptions::new();
    let mut to = options.write(true).create_new(true).mode(0o600).open(&file).map_err(cannot)?;
    let backup = vault.backup(&mut to, passphrase, act).map_err(internal)?;
    to.sync_all().map_err(cannot)?;
    Ok(Response::BackedUp { file, backup })
}

/// Why the vault did not take an order, for people.
pub fn not_taken(order: &Order, outcome: AddOrderOutcome) -> String {
    let Order { id, customer, replaces, .. } = order;
    match (outcome, replaces) {
        (AddOrderOutcome::NoSuchCustomer, _) => format!("no customer {customer} is enrolled"),
        (AddOrderOutcome::ReplacedOrderNotFound, Some(replaced)) => format!(
            "order {id} replaces {replaced}, which is no order of this customer, or no longer"
        ),
        _ => format!(
            "order {id} is known with other content; that one stays, and a correction needs an id \
             of its own"
        ),
    }
}

/// A page of a customer's history, and a sentence for each order that was refused.
///
/// # Errors
/// When there can be no such page, or the vault cannot be read.
pub(super) fn look_back(
    vault: &Vault,
    customer: CustomerId,
    by: HistoryView,
    page: Page,
    now: Timestamp,
) -> Result<(History, Vec<String>), CommandFailure> {
    page.check().map_err(malformed)?;
    let (orders, refused) = loaded(vault.orders(customer, usize::MAX))?;
    Ok((history_page(customer, orders, by, page, now), refused))
}

/// Puts products into the catalogue, and takes others out.
///
/// # Errors
/// When one is no product; then nothing changes.
pub(super) fn change_catalogue(
    vault: &Vault,
    products: &[Product],
    gone: &[String],
    act: AuditContext,
) -> Result<CatalogueChange, CommandFailure> {
    for product in products {
        product.check().map_err(|e| malformed(format!("product {}: {e}", product.sku)))?;
    }
    let put = vault.put_products(products, act).map_err(internal)?;
    let removed = vault.remove_products(gone, act).map_err(internal)?;
    let (added, changed, unchanged) = (put.added, put.changed, put.unchanged);
    Ok(CatalogueChange { added, changed, unchanged, removed })
}

fn loaded<T>(
    result: Result<Verified<T>, VaultError>,
) -> Result<(Vec<T>, Vec<String>), CommandFailure> {
    let loaded = result.map_err(internal)?;
    Ok((loaded.records, loaded.rejected.iter().map(ToString::to_string).collect()))
}

/// The customer's part, or the refusal that there is no such customer.
pub(super) fn found<T>(
    customer: CustomerId,
    result: Result<Option<T>, VaultError>,
) -> Result<T, CommandFailure> {
    result
        .map_err(internal)?
        .ok_or_else(|| not_found(format!("no customer {customer} is enrolled")))
}

fn not_found(message: String) -> CommandFailure {
    CommandFailure::new(CommandFailureCode::NotFound, message)
}

/// The refusal of what is no such thing.
pub(super) fn malformed(error: impl std::fmt::Display) -> CommandFailure {
    CommandFailure::new(CommandFailureCode::Malformed, error.to_string())
}

/// The refusal of a box that could not do it.
pub(super) fn internal(error: impl std::fmt::Display) -> CommandFailure {
    CommandFailure::new(CommandFailureCode::Internal, error.to_string())
}
