//! Admin API: requests of the command line, and their execution on the vault.

use std::fs;
use std::io;
use std::path::Path;

use instored_domain::{
    AddOrderOutcome, BoxId, CatalogueChange, CommandFailure, Consent, ConsentReceipt, Currency,
    CustomerId, EnrolmentEvent, EnrolmentStep, EventId, ForgetSummary, History, HistoryView, Order,
    OrderId, Page, Product,
};
use instored_mqtt::{KeyEndorsement, PublicKey, PublicKeyAnnouncement};
use instored_vault::{Actor, AuditContext, Passphrase, SigningKey, Vault, VaultError, Verified};
use jiff::{Timestamp, tz::TimeZone};
use uuid::Uuid;

pub use instored_admin::{Request, Response, StoredConsent};

/// Prefix of the name of a backup in the state folder. The command line moves the file to its target.
const BACKUP_PREFIX: &str = "backup.";
/// Suffix of the name of a backup in the state folder.
const BACKUP_SUFFIX: &str = ".tmp";

/// Returns the audit context of a change that `actor` makes now.
pub(super) fn audit_context(actor: Actor) -> AuditContext {
    AuditContext { at: Timestamp::now(), actor }
}

/// Deletes a customer from the vault, and stores the announcement of the deletion.
fn forget(
    vault: &Vault,
    box_id: &BoxId,
    customer: CustomerId,
    context: AuditContext,
) -> Result<ForgetSummary, CommandFailure> {
    let step = EnrolmentStep::Withdrawn { customer };
    let withdrawn = EnrolmentEvent::stored(EventId(Uuid::new_v4()), step, context.at);
    let withdrawn = instored_mqtt::encode_enrolment(box_id, &withdrawn);
    let withdrawn = withdrawn.map_err(CommandFailure::internal)?;
    require_customer(customer, vault.forget_and_announce(customer, context, &withdrawn))
}

/// Executes a request on the vault of the box `box_id`. If `currency` is set, orders in other currencies are
/// rejected.
///
/// # Errors
/// Returns a failure if the customer does not exist, an order or a product is not valid, the vault
/// returns an error, or the request needs the running daemon.
pub fn execute(
    vault: &Vault,
    box_id: &BoxId,
    request: Request,
    context: AuditContext,
    currency: Option<Currency>,
) -> Result<Response, CommandFailure> {
    Ok(match request {
        Request::Customers => {
            let (customers, rejected) = split_rejected(vault.customers())?;
            Response::Customers { customers, rejected }
        }
        Request::Customer { customer } => {
            Response::Customer(require_customer(customer, vault.customer(customer))?)
        }
        Request::CustomerByCode { code } => {
            let by_receipt = vault.customer_by_receipt(&ConsentReceipt(code));
            let customer = match by_receipt.map_err(CommandFailure::internal)? {
                Some(customer) => Some(customer),
                None => vault
                    .customer_by_claim_code(&code, context.at)
                    .map_err(CommandFailure::internal)?,
            };
            let message = "no enrolled customer has this receipt or this claim code";
            let customer = customer.ok_or_else(|| CommandFailure::not_found(message))?;
            Response::Customer(require_customer(customer, vault.customer(customer))?)
        }
        Request::Rename { customer, name } => {
            Response::Customer(require_customer(customer, vault.rename(customer, name, context))?)
        }
        Request::Forget { customer } => {
            let deleted = forget(vault, box_id, customer, context)?;
            // The deletion is durable. The daemon compacts the vault at its next start.
            if let Err(error) = vault.compact() {
                tracing::warn!(
                    "the customer is deleted, but the vault's file still contains the encrypted rows \
                     until the daemon or `instored vault compact` rewrites it: {error}"
                );
            }
            Response::Forgotten { templates: deleted.templates, orders: deleted.orders }
        }
        Request::Export { customer } => {
            let export = require_customer(customer, vault.export(customer))?;
            Response::Export(serde_json::to_value(export).map_err(CommandFailure::internal)?)
        }
        Request::Consents { customer } => {
            let export = require_customer(customer, vault.export(customer))?;
            let with_text = |consent: Consent| {
                let text = match &consent.text_hash {
                    Some(hash) => vault.consent_text(hash).map_err(CommandFailure::internal)?,
                    None => None,
                };
                Ok(StoredConsent { consent, text })
            };
            let consents = export.consents.into_iter().map(with_text);
            Response::Consents(consents.collect::<Result<_, CommandFailure>>()?)
        }
        Request::History { customer, view, page } => {
            require_customer(customer, vault.customer(customer))?;
            let (history, rejected) = history_page(vault, customer, view, page, context.at)?;
            Response::History { history, rejected }
        }
        Request::AddOrders { orders } => {
            for order in &orders {
                order.check(context.at, currency).map_err(|error| {
                    CommandFailure::malformed(format!("order {}: {error}", order.id))
                })?;
            }
            Response::Added(vault.add_orders(&orders, context).map_err(CommandFailure::internal)?)
        }
        Request::VoidOrder { customer, order } => {
            Response::Added(vec![void_order(vault, customer, order, context)?])
        }
        Request::Products => {
            let (products, rejected) = split_rejected(vault.products())?;
            Response::Products { products, rejected }
        }
        Request::PutProducts { products } => {
            Response::Catalogue(change_catalogue(vault, &products, &[], context)?)
        }
        Request::RemoveProducts { skus } => {
            Response::Catalogue(change_catalogue(vault, &[], &skus, context)?)
        }
        Request::Key => {
            let key = vault.signing_key();
            Response::Key(public_key_announcement(vault, &key).map_err(CommandFailure::internal)?)
        }
        Request::RotateKeys => {
            Response::Rotated(vault.rotate_keys(context).map_err(CommandFailure::internal)?)
        }
        Request::Verify => Response::Verified(vault.verify().map_err(CommandFailure::internal)?),
        Request::AuditLog { limit } => {
            Response::AuditLog(vault.audit_log(limit).map_err(CommandFailure::internal)?)
        }
        Request::Compact => {
            vault.compact().map_err(CommandFailure::internal)?;
            Response::Compacted
        }
        Request::Backup { passphrase } => create_backup(vault, &passphrase, context)?,
        Request::MqttStatistics => {
            return Err(CommandFailure::internal(
                "only the running daemon has a connection to the broker",
            ));
        }
        Request::Retention | Request::ConfirmDue => {
            return Err(CommandFailure::internal(
                "only the running daemon deletes inactive customers",
            ));
        }
        Request::OfferEnrolment { .. } => {
            return Err(CommandFailure::internal("only the running daemon can offer an enrolment"));
        }
        Request::HoldButton { .. } => {
            return Err(CommandFailure::internal(
                "only the running daemon can simulate a press of the button",
            ));
        }
    })
}

/// Returns the announcement of the public half of `key`, with the endorsements of past rotations.
pub(super) fn public_key_announcement(
    vault: &Vault,
    key: &SigningKey,
) -> Result<PublicKeyAnnouncement, VaultError> {
    let ed25519 = PublicKey::from_bytes(&key.public())
        .expect("the public half of a signing key is a point of the curve");
    let endorsements = vault.key_endorsements()?.into_iter().filter_map(|endorsement| {
        // A damaged key may be no point of the curve. Its endorsement is not valid and is skipped.
        let old = PublicKey::from_bytes(&endorsement.old).ok()?;
        let new = PublicKey::from_bytes(&endorsement.new).ok()?;
        Some(KeyEndorsement::new(old, new, &endorsement.signature))
    });
    let endorsements = endorsements.collect();
    Ok(PublicKeyAnnouncement { key_id: key.key_id(), ed25519, endorsements })
}

/// Replaces an order with an empty order.
pub(super) fn void_order(
    vault: &Vault,
    customer: CustomerId,
    order: OrderId,
    context: AuditContext,
) -> Result<AddOrderOutcome, CommandFailure> {
    require_customer(customer, vault.customer(customer))?;
    let (orders, _) = split_rejected(vault.orders(customer, usize::MAX))?;
    let replaced = orders.into_iter().find(|stored| stored.id == order).ok_or_else(|| {
        CommandFailure::not_found(format!("customer {customer} has no order {order}"))
    })?;
    let void = Order {
        id: OrderId(format!("{order}/void")),
        placed: context.at.to_zoned(TimeZone::UTC),
        lines: Vec::new(),
        total: 0,
        till: None,
        replaces: Some(order),
        ..replaced
    };
    void.check(context.at, None).map_err(CommandFailure::malformed)?;
    vault.add_order(&void, context).map_err(CommandFailure::internal)
}

/// Writes a backup into the vault's folder, because the daemon cannot write to other folders.
fn create_backup(
    vault: &Vault,
    passphrase: &Passphrase,
    context: AuditContext,
) -> Result<Response, CommandFailure> {
    let folder = vault.path().parent().unwrap_or(Path::new("."));
    let cannot_write = |error: std::io::Error| {
        CommandFailure::internal(format!("cannot write a backup in {}: {error}", folder.display()))
    };
    let mut output = tempfile::Builder::new()
        .prefix(BACKUP_PREFIX)
        .suffix(BACKUP_SUFFIX)
        .tempfile_in(folder)
        .map_err(cannot_write)?;
    let backup =
        vault.backup(&mut output, passphrase, context).map_err(CommandFailure::internal)?;
    output.as_file().sync_all().map_err(cannot_write)?;
    let (_, file) = output.keep().map_err(|error| cannot_write(error.error))?;
    Ok(Response::BackedUp { file, backup })
}

/// Deletes backups that are still in `folder` because the command line was interrupted before it
/// moved them.
pub(super) fn delete_abandoned_backups(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(BACKUP_PREFIX) && name.ends_with(BACKUP_SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Returns a page of a customer's history, and the error of each rejected order.
///
/// # Errors
/// Returns a failure if the page is not valid, or if the vault cannot be read.
pub(super) fn history_page(
    vault: &Vault,
    customer: CustomerId,
    view: HistoryView,
    page: Page,
    now: Timestamp,
) -> Result<(History, Vec<String>), CommandFailure> {
    page.check().map_err(CommandFailure::malformed)?;
    let (orders, rejected) = split_rejected(vault.orders(customer, usize::MAX))?;
    Ok((instored_orders::history_page(customer, orders, view, page, now), rejected))
}

/// Adds or changes products in the catalogue and removes others.
///
/// # Errors
/// Returns a failure if a product is not valid, or if the vault returns an error. If a product is not valid,
/// nothing changes.
pub(super) fn change_catalogue(
    vault: &Vault,
    products: &[Product],
    removed_skus: &[String],
    context: AuditContext,
) -> Result<CatalogueChange, CommandFailure> {
    for product in products {
        product.check().map_err(|error| {
            CommandFailure::malformed(format!("product {}: {error}", product.sku))
        })?;
    }
    let changed = vault.change_products(products, removed_skus, context);
    changed.map_err(CommandFailure::internal)
}

/// Returns the verified records, and the error of each rejected record.
fn split_rejected<T>(
    result: Result<Verified<T>, VaultError>,
) -> Result<(Vec<T>, Vec<String>), CommandFailure> {
    let verified = result.map_err(CommandFailure::internal)?;
    let rejected = verified.rejected.iter().map(ToString::to_string).collect();
    Ok((verified.records, rejected))
}

/// Returns the value, or a failure if the customer does not exist.
pub(super) fn require_customer<T>(
    customer: CustomerId,
    result: Result<Option<T>, VaultError>,
) -> Result<T, CommandFailure> {
    result
        .map_err(CommandFailure::internal)?
        .ok_or_else(|| CommandFailure::unknown_customer(customer))
}
