//! Execution of the controller's operations on the vault.

use instored_controller::{
    Greeting, NewCustomer, Origin, StoreError, StoreRequest, StoreResponse, StoreResult,
    StoredMessage,
};
use instored_domain::{
    AddOrderOutcome, BoxId, BuyerRef, ClaimCode, CommandFailure, CommandResponse, ConsentReceipt,
    Customer, CustomerId, CustomerRef, EnrolmentEvent, History, HistoryView, Order, OrderId, Page,
    ResponseAddress,
};
use instored_vault::{Actor, AuditContext, NewEnrolment, OutboxEntry, Vault, VaultError, Verified};
use jiff::Timestamp;

use super::admin_api::{change_catalogue, history_page, require_customer, void_order};

/// Executes an operation.
pub(super) fn execute(vault: &Vault, box_id: &BoxId, request: StoreRequest) -> StoreResponse {
    match request {
        StoreRequest::RecordVisit { customer, at, is_clock_confirmed, orders_shown, arrival } => {
            let limit = |customer: &Customer| order_limit(customer, orders_shown);
            let visit = vault.record_visit_and_read_orders(customer, at, is_clock_confirmed, limit);
            let result = visit.map(|visit| visit.map(greeting)).map_err(store_error);
            StoreResponse::VisitRecorded { customer, arrival, result }
        }
        StoreRequest::ReadGreeting { customer, orders_shown, arrival } => {
            let result = read_greeting(vault, customer, orders_shown);
            StoreResponse::GreetingRead { customer, arrival, result }
        }
        StoreRequest::Enrol(new) => {
            let result = enrol(vault, box_id, &new);
            StoreResponse::Enrolled { new, result }
        }
        StoreRequest::Forget { customer, code, at, announcement, origin } => {
            let context = AuditContext { at, actor: actor(&origin) };
            let result = check_code(vault, customer, code, at).and_then(|()| {
                let announcement = encode(box_id, &announcement)?;
                vault.forget_and_announce(customer, context, &announcement).map_err(store_error)
            });
            StoreResponse::Forgotten { customer, origin, result }
        }
        StoreRequest::FindBuyer { buyer, at, action, address } => {
            StoreResponse::BuyerFound { action, address, result: find_buyer(vault, &buyer, at) }
        }
        StoreRequest::AddOrder { order, at, till, address } => {
            let result = add_order(vault, &order, at, address.as_ref());
            StoreResponse::OrderAdded { order, till, address, result }
        }
        StoreRequest::AddOrders { orders, at, client } => {
            let context = AuditContext { at, actor: Actor::Operator };
            let result = vault.add_orders(&orders, context).map_err(CommandFailure::internal);
            StoreResponse::OrdersAdded { orders, client, result }
        }
        StoreRequest::VoidOrder { customer, order, at, client } => {
            let result = void_and_read_orders(vault, customer, order, at);
            StoreResponse::OrderVoided { customer, client, result }
        }
        StoreRequest::RemoveOrders { customer, until, at } => {
            let context = AuditContext { at, actor: Actor::Retention };
            let removed = vault.remove_orders_until(customer, until, context);
            let result = removed.map(|(count, orders)| (count, log_rejected(orders)));
            StoreResponse::OrdersRemoved { customer, result: result.map_err(store_error) }
        }
        StoreRequest::ReadNames { customers, address } => {
            StoreResponse::NamesRead { address, result: read_names(vault, &customers) }
        }
        StoreRequest::Rename { customer, name, at, origin } => {
            let context = AuditContext { at, actor: actor(&origin) };
            let result = vault.rename(customer, name, context).map_err(store_error);
            StoreResponse::Renamed { customer, origin, result }
        }
        StoreRequest::ChangePreferences { customer, changes, at, address } => {
            let is_change = !changes.is_empty();
            let context = AuditContext { at, actor: Actor::Command };
            let stored = vault.customer(customer).and_then(|stored| match stored {
                Some(stored) if is_change => {
                    vault.set_preferences(customer, changes.apply(stored.preferences), context)
                }
                stored => Ok(stored),
            });
            let result = stored.map_err(store_error);
            StoreResponse::PreferencesChanged { customer, is_change, address, result }
        }
        StoreRequest::ReadHistory { customer, view, page, at, address } => {
            StoreResponse::HistoryRead {
                address,
                result: read_history(vault, customer, view, page, at),
            }
        }
        StoreRequest::ChangeCatalogue { products, removed, at, origin } => {
            let context = AuditContext { at, actor: actor(&origin) };
            let result = change_catalogue(vault, &products, &removed, context);
            StoreResponse::CatalogueChanged { products, removed, origin, result }
        }
        StoreRequest::SetDeletionDue { customers, due, at, clients } => {
            let context = AuditContext { at, actor: Actor::Retention };
            let result = vault.set_deletion_due(&customers, due, context).map_err(store_error);
            StoreResponse::DeletionDueSet { customers, due, clients, result }
        }
        StoreRequest::ConfirmTimes { customers, at } => {
            let result = vault.confirm_times(&customers, at).map_err(store_error);
            StoreResponse::TimesConfirmed { customers, at, result }
        }
        StoreRequest::ReadOutbox { after } => {
            StoreResponse::OutboxRead { after, result: read_outbox(vault, after) }
        }
        StoreRequest::RemoveDelivered { number, at } => {
            let context = AuditContext { at, actor: Actor::Command };
            let result = vault.remove_from_outbox(&[number], context).map_err(store_error);
            StoreResponse::DeliveredRemoved { result }
        }
        StoreRequest::RemoveExpired { stored_until, at } => {
            StoreResponse::ExpiredRemoved { result: remove_expired(vault, stored_until, at) }
        }
    }
}

fn store_error(error: VaultError) -> StoreError {
    match error {
        VaultError::CodeTaken => StoreError::CodeTaken,
        error => StoreError::Failed(error.to_string()),
    }
}

/// Fails if a code is given that is not the receipt or a valid claim code of the customer.
fn check_code(
    vault: &Vault,
    customer: CustomerId,
    code: Option<ClaimCode>,
    at: Timestamp,
) -> StoreResult<()> {
    let Some(code) = code else { return Ok(()) };
    let by_receipt = vault.customer_by_receipt(&ConsentReceipt(code)).map_err(store_error)?;
    let by_claim_code = vault.customer_by_claim_code(&code, at).map_err(store_error)?;
    match [by_receipt, by_claim_code].contains(&Some(customer)) {
        true => Ok(()),
        false => Err(StoreError::WrongCode),
    }
}

/// Returns the actor of the audit log.
fn actor(origin: &Origin) -> Actor {
    match origin {
        Origin::Command(_) => Actor::Command,
        Origin::Operator(_) => Actor::Operator,
        Origin::Button => Actor::Button,
        Origin::Retention => Actor::Retention,
    }
}

/// Encodes an event for the outbox.
fn encode(box_id: &BoxId, event: &EnrolmentEvent) -> StoreResult<Vec<u8>> {
    instored_mqtt::encode_enrolment(box_id, event).map_err(|e| StoreError::Failed(e.to_string()))
}

/// Logs the rejected records, and returns the others.
fn log_rejected<T>(verified: Verified<T>) -> Vec<T> {
    for rejected in &verified.rejected {
        tracing::error!("{rejected}");
    }
    verified.records
}

/// Returns `orders_shown`, or 0 if the customer has switched the history off.
fn order_limit(customer: &Customer, orders_shown: usize) -> usize {
    if customer.preferences.can_show_history { orders_shown } else { 0 }
}

fn greeting((customer, orders): (Customer, Verified<Order>)) -> Greeting {
    Greeting { customer, orders: log_rejected(orders) }
}

fn read_greeting(
    vault: &Vault,
    customer: CustomerId,
    orders_shown: usize,
) -> StoreResult<Option<Greeting>> {
    let Some(customer) = vault.customer(customer).map_err(store_error)? else { return Ok(None) };
    let limit = order_limit(&customer, orders_shown);
    let orders = vault.orders(customer.id, limit).map_err(store_error)?;
    Ok(Some(greeting((customer, orders))))
}

fn enrol(vault: &Vault, box_id: &BoxId, new: &NewCustomer) -> StoreResult<Customer> {
    let announcement = encode(box_id, &new.announcement)?;
    let new = NewEnrolment {
        consent: &new.consent,
        consent_text: &new.consent_text,
        model: &new.model,
        embeddings: &new.embeddings,
        claim: new.claim,
        claim_expires: new.claim_expires,
        announcement: &announcement,
        is_clock_confirmed: new.is_clock_confirmed,
    };
    vault.enrol(&new).map_err(store_error)
}

fn find_buyer(
    vault: &Vault,
    buyer: &BuyerRef,
    at: Timestamp,
) -> Result<CustomerId, CommandFailure> {
    match buyer {
        BuyerRef::Customer(customer) => {
            Ok(require_customer(*customer, vault.customer(*customer))?.id)
        }
        BuyerRef::ClaimCode(code) => {
            let customer =
                vault.customer_by_claim_code(code, at).map_err(CommandFailure::internal)?;
            customer
                .ok_or_else(|| CommandFailure::not_found("the claim code is unknown or expired"))
        }
        // The controller finds the customers at the tills.
        BuyerRef::AtTill(till) => {
            Err(CommandFailure::not_found(format!("no customer is at till {till}")))
        }
    }
}

fn add_order(
    vault: &Vault,
    order: &Order,
    at: Timestamp,
    address: Option<&ResponseAddress>,
) -> StoreResult<AddOrderOutcome> {
    let context = AuditContext { at, actor: Actor::Command };
    let confirmation = match address {
        Some(address) => {
            let (id, customer) = (order.id.clone(), order.customer);
            let response = CommandResponse::Order { id, customer, is_new: true };
            instored_mqtt::encode_response(address, response)
                .map_err(|error| StoreError::Failed(error.to_string()))?
        }
        None => Vec::new(),
    };
    vault.add_order_and_confirm(order, context, &confirmation).map_err(store_error)
}

fn void_and_read_orders(
    vault: &Vault,
    customer: CustomerId,
    order: OrderId,
    at: Timestamp,
) -> Result<(AddOrderOutcome, Vec<Order>), CommandFailure> {
    let context = AuditContext { at, actor: Actor::Operator };
    let outcome = void_order(vault, customer, order, context)?;
    let orders = vault.orders(customer, usize::MAX).map_err(CommandFailure::internal)?;
    Ok((outcome, log_rejected(orders)))
}

fn read_names(vault: &Vault, customers: &[CustomerId]) -> StoreResult<Vec<CustomerRef>> {
    let mut names = Vec::new();
    for id in customers {
        if let Some(Customer { id, name, .. }) = vault.customer(*id).map_err(store_error)? {
            names.push(CustomerRef { id, name });
        }
    }
    Ok(names)
}

fn read_history(
    vault: &Vault,
    customer: CustomerId,
    view: HistoryView,
    page: Page,
    at: Timestamp,
) -> Result<History, CommandFailure> {
    if !require_customer(customer, vault.customer(customer))?.preferences.can_show_history {
        return Err(CommandFailure::history_switched_off(customer));
    }
    let (history, rejected) = history_page(vault, customer, view, page, at)?;
    for rejected in rejected {
        tracing::error!("{rejected}");
    }
    Ok(history)
}

fn read_outbox(vault: &Vault, after: u64) -> StoreResult<Vec<StoredMessage>> {
    let entries = log_rejected(vault.outbox(after).map_err(store_error)?).into_iter();
    let message =
        |OutboxEntry { number, stored, message }| StoredMessage { number, stored, message };
    Ok(entries.map(message).collect())
}

fn remove_expired(vault: &Vault, stored_until: Timestamp, at: Timestamp) -> StoreResult<usize> {
    let entries = log_rejected(vault.outbox(0).map_err(store_error)?);
    let expired = entries.iter().filter(|entry| entry.stored <= stored_until);
    let expired: Vec<_> = expired.map(|entry| entry.number).collect();
    if !expired.is_empty() {
        let context = AuditContext { at, actor: Actor::Command };
        vault.remove_from_outbox(&expired, context).map_err(store_error)?;
    }
    Ok(expired.len())
}
