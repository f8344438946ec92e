//! Simulated vault. Its contents survive the end of the process.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use instored_controller::{
    Greeting, NewCustomer, Origin, StoreError, StoreRequest, StoreResponse, StoreResult,
    StoredMessage,
};
use instored_domain::{
    AddOrderOutcome, BoxId, BuyerRef, CatalogueChange, ClaimCode, CommandFailure, CommandResponse,
    Customer, CustomerId, CustomerRef, EnrolmentEvent, ForgetSummary, History, HistoryView, Order,
    OrderId, Page, Preferences, Product, ResponseAddress,
};
use jiff::{SignedDuration, Timestamp};

use crate::camera::person_of;

/// Inactivity after which a customer may be deleted: the settings of a year and a week, less a day for
/// months of different lengths.
const RETENTION: SignedDuration = SignedDuration::from_hours(24 * (365 + 7 - 1));

/// Shortest time from an order to its deletion: 24 months, less a day for the rounding of months.
const ORDER_RETENTION: SignedDuration = SignedDuration::from_hours(24 * (730 - 1));

/// Records of a customer.
pub struct Account {
    pub customer: Customer,
    pub person: usize,
    pub claim: ClaimCode,
    claim_expires: Timestamp,
    pub orders: Vec<Order>,
    /// True time of the last visit or the enrolment.
    active: Timestamp,
}

/// Requests and acts that permit enrolments and deletions.
#[derive(Default)]
pub struct Permits {
    /// Customers whose deletion was requested by command or by the operator.
    pub requested: BTreeSet<CustomerId>,
    /// Customers who were in view while the button was held.
    pub held: BTreeSet<CustomerId>,
    /// True from the act of consent that began an enrolment until its end.
    pub has_consent: bool,
}

/// Fact that a message of the outbox announces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fact {
    Enrolled(CustomerId),
    Deleted(CustomerId),
    Ordered(CustomerId),
}

/// Vault and its faults.
pub struct Vault {
    pub accounts: BTreeMap<CustomerId, Account>,
    pub products: Vec<Product>,
    /// Messages with the facts that they announce.
    pub outbox: BTreeMap<u64, (StoredMessage, Fact)>,
    order_ids: BTreeMap<OrderId, CustomerId>,
    last_number: u64,
    box_id: BoxId,
    pub permits: Permits,
    /// Orders that the operator has voided, or that expired.
    pub voided: BTreeSet<OrderId>,
    /// Customers who were deleted.
    pub deleted: BTreeSet<CustomerId>,
    /// Facts whose messages were removed because of their age.
    pub expired: BTreeSet<Fact>,
    pub is_full: bool,
    pub fails_next_read: bool,
    /// True time.
    pub now: Timestamp,
}

impl Vault {
    pub fn new(box_id: BoxId, now: Timestamp) -> Self {
        Self {
            accounts: BTreeMap::new(),
            products: Vec::new(),
            outbox: BTreeMap::new(),
            order_ids: BTreeMap::new(),
            last_number: 0,
            box_id,
            permits: Permits::default(),
            voided: BTreeSet::new(),
            deleted: BTreeSet::new(),
            expired: BTreeSet::new(),
            is_full: false,
            fails_next_read: false,
            now,
        }
    }

    /// Executes a request. Fails if it breaks an invariant.
    pub fn execute(&mut self, request: StoreRequest) -> Result<StoreResponse> {
        Ok(match request {
            StoreRequest::RecordVisit {
                customer,
                at,
                is_clock_confirmed,
                orders_shown,
                arrival,
            } => {
                let result = self.record_visit(customer, at, is_clock_confirmed, orders_shown);
                StoreResponse::VisitRecorded { customer, arrival, result }
            }
            StoreRequest::ReadGreeting { customer, orders_shown, arrival } => {
                let result = Ok(self.greeting(customer, orders_shown));
                StoreResponse::GreetingRead { customer, arrival, result }
            }
            StoreRequest::Enrol(new) => {
                let result = self.enrol(&new)?;
                StoreResponse::Enrolled { new, result }
            }
            StoreRequest::Forget { customer, code, at, announcement, origin } => {
                let account = self.accounts.get(&customer);
                let is_wrong = code.is_some_and(|code| account.is_none_or(|a| a.claim != code));
                let result = if is_wrong {
                    Err(StoreError::WrongCode)
                } else {
                    self.forget(customer, at, &announcement, &origin)?
                };
                StoreResponse::Forgotten { customer, origin, result }
            }
            StoreRequest::FindBuyer { buyer, at, action, address } => {
                StoreResponse::BuyerFound { action, address, result: self.find_buyer(&buyer, at) }
            }
            StoreRequest::AddOrder { order, at, till, address } => {
                let result = self.add_order_and_confirm(&order, at, address.as_ref());
                StoreResponse::OrderAdded { order, till, address, result }
            }
            StoreRequest::AddOrders { orders, client, .. } => {
                let result = self.check_writable().map_err(CommandFailure::from);
                let result = result.map(|()| orders.iter().map(|o| self.add_order(o)).collect());
                StoreResponse::OrdersAdded { orders, client, result }
            }
            StoreRequest::VoidOrder { customer, order, client, .. } => {
                let result = self.void(customer, &order);
                StoreResponse::OrderVoided { customer, client, result }
            }
            StoreRequest::RemoveOrders { customer, until, .. } => {
                let result = self.remove_orders(customer, until);
                StoreResponse::OrdersRemoved { customer, result: result? }
            }
            StoreRequest::ReadNames { customers, address } => {
                let known = customers.iter().filter_map(|id| self.accounts.get(id));
                let name = |account: &Account| CustomerRef {
                    id: account.customer.id,
                    name: account.customer.name.clone(),
                };
                StoreResponse::NamesRead { address, result: Ok(known.map(name).collect()) }
            }
            StoreRequest::Rename { customer, name, origin, .. } => {
                let result = self.alter(customer, |stored| stored.name = name);
                StoreResponse::Renamed { customer, origin, result }
            }
            StoreRequest::ChangePreferences { customer, changes, address, .. } => {
                let is_change = !changes.is_empty();
                let result = self.alter(customer, |stored| {
                    let old = std::mem::take(&mut stored.preferences);
                    stored.preferences = changes.apply(old);
                });
                StoreResponse::PreferencesChanged { customer, is_change, address, result }
            }
            StoreRequest::ReadHistory { customer, view, page, address, .. } => {
                let result = self.history(customer, view, page);
                StoreResponse::HistoryRead { address, result }
            }
            StoreRequest::ChangeCatalogue { products, removed, origin, .. } => {
                let result = self.check_writable().map_err(CommandFailure::from);
                let result = result.map(|()| self.change_catalogue(&products, &removed));
                StoreResponse::CatalogueChanged { products, removed, origin, result }
            }
            StoreRequest::SetDeletionDue { customers, due, clients, .. } => {
                let result = self.check_writable().map(|()| {
                    for (id, account) in &mut self.accounts {
                        if customers.contains(id) {
                            account.customer.deletion_due = due;
                        }
                    }
                });
                StoreResponse::DeletionDueSet { customers, due, clients, result }
            }
            StoreRequest::ConfirmTimes { customers, at } => {
                let result = self.check_writable().map(|()| {
                    for id in &customers {
                        if let Some(account) = self.accounts.get_mut(id) {
                            account.customer.last_visit = Some(at);
                            account.customer.has_unconfirmed_time = false;
                        }
                    }
                });
                StoreResponse::TimesConfirmed { customers, at, result }
            }
            StoreRequest::ReadOutbox { after } => {
                let result = if std::mem::take(&mut self.fails_next_read) {
                    Err(StoreError::Failed("simulated failure of a read".to_owned()))
                } else {
                    Ok(self
                        .outbox
                        .range(after + 1..)
                        .map(|(_, (message, _))| message.clone())
                        .collect())
                };
                StoreResponse::OutboxRead { after, result }
            }
            StoreRequest::RemoveDelivered { number, .. } => {
                let result = self.check_writable().map(|()| drop(self.outbox.remove(&number)));
                StoreResponse::DeliveredRemoved { result }
            }
            StoreRequest::RemoveExpired { stored_until, .. } => {
                let result = self.check_writable().map(|()| {
                    let before = self.outbox.len();
                    self.outbox.retain(|_, (message, fact)| {
                        let is_kept = message.stored > stored_until;
                        if !is_kept {
                            self.expired.insert(*fact);
                        }
                        is_kept
                    });
                    before - self.outbox.len()
                });
                StoreResponse::ExpiredRemoved { result }
            }
        })
    }

    /// Fails if the disk is full.
    fn check_writable(&self) -> StoreResult<()> {
        if self.is_full { Err(StoreError::Failed("the disk is full".to_owned())) } else { Ok(()) }
    }

    fn queue(&mut self, stored: Timestamp, message: Vec<u8>, fact: Fact) {
        self.last_number += 1;
        let number = self.last_number;
        self.outbox.insert(number, (StoredMessage { number, stored, message }, fact));
    }

    fn encode(&self, event: &EnrolmentEvent) -> Result<Vec<u8>> {
        Ok(instored_mqtt::encode_enrolment(&self.box_id, event)?)
    }

    fn record_visit(
        &mut self,
        id: CustomerId,
        at: Timestamp,
        is_clock_confirmed: bool,
        orders_shown: usize,
    ) -> StoreResult<Option<Greeting>> {
        let now = self.now;
        if let Some(account) = self.accounts.get_mut(&id) {
            account.active = now;
        }
        self.check_writable()?;
        if let Some(account) = self.accounts.get_mut(&id) {
            let customer = &mut account.customer;
            customer.visits += 1;
            customer.last_visit = match customer.last_visit {
                Some(_) if is_clock_confirmed && customer.has_unconfirmed_time => Some(at),
                last => last.max(Some(at)),
            };
            customer.has_unconfirmed_time = !is_clock_confirmed;
            customer.deletion_due = None;
        }
        Ok(self.greeting(id, orders_shown))
    }

    fn greeting(&self, id: CustomerId, orders_shown: usize) -> Option<Greeting> {
        let account = self.accounts.get(&id)?;
        let can_show_history = account.customer.preferences.can_show_history;
        let shown = if can_show_history { orders_shown } else { 0 };
        let orders = account.orders.iter().rev().take(shown).cloned().collect();
        Some(Greeting { customer: account.customer.clone(), orders })
    }

    fn enrol(&mut self, new: &NewCustomer) -> Result<StoreResult<Customer>> {
        ensure!(self.permits.has_consent, "an enrolment is stored without an act of consent");
        ensure!(!new.embeddings.is_empty(), "an enrolment is stored without templates");
        if let Err(error) = self.check_writable() {
            return Ok(Err(error));
        }
        if self.accounts.values().any(|account| account.claim == new.claim) {
            return Ok(Err(StoreError::CodeTaken));
        }
        self.permits.has_consent = false;
        let id = new.consent.customer;
        let customer = Customer {
            id,
            name: None,
            enrolled: new.consent.given,
            visits: 0,
            last_visit: None,
            deletion_due: None,
            has_unconfirmed_time: !new.is_clock_confirmed,
            preferences: Preferences::default(),
        };
        let account = Account {
            customer: customer.clone(),
            person: person_of(&new.embeddings[0]),
            claim: new.claim,
            claim_expires: new.claim_expires,
            orders: Vec::new(),
            active: self.now,
        };
        ensure!(self.accounts.insert(id, account).is_none(), "{id} is enrolled twice");
        self.queue(new.consent.given, self.encode(&new.announcement)?, Fact::Enrolled(id));
        Ok(Ok(customer))
    }

    fn forget(
        &mut self,
        id: CustomerId,
        at: Timestamp,
        announcement: &EnrolmentEvent,
        origin: &Origin,
    ) -> Result<StoreResult<Option<ForgetSummary>>> {
        let Some(account) = self.accounts.get(&id) else { return Ok(Ok(None)) };
        let is_permitted = match origin {
            Origin::Command(_) | Origin::Operator(_) => self.permits.requested.contains(&id),
            Origin::Button => self.permits.held.contains(&id),
            Origin::Retention => self.now.duration_since(account.active) >= RETENTION,
        };
        ensure!(is_permitted, "{id} is deleted without a reason: {origin:?}");
        let orders = account.orders.len() as u64;
        self.permits.requested.remove(&id);
        self.permits.held.remove(&id);
        self.accounts.remove(&id);
        self.order_ids.retain(|_, customer| *customer != id);
        self.deleted.insert(id);
        // All earlier messages about the customer are deleted too.
        self.outbox.retain(|_, (_, fact)| ![Fact::Enrolled(id), Fact::Ordered(id)].contains(fact));
        self.queue(at, self.encode(announcement)?, Fact::Deleted(id));
        Ok(Ok(Some(ForgetSummary { templates: 1, orders })))
    }

    fn find_buyer(&self, buyer: &BuyerRef, at: Timestamp) -> Result<CustomerId, CommandFailure> {
        let account = match buyer {
            BuyerRef::Customer(id) => self.accounts.get(id),
            BuyerRef::ClaimCode(code) => {
                let has_code =
                    |account: &&Account| account.claim == *code && account.claim_expires > at;
                self.accounts.values().find(has_code)
            }
            BuyerRef::AtTill(_) => None,
        };
        let account = account.ok_or_else(|| CommandFailure::not_found("the buyer is unknown"))?;
        Ok(account.customer.id)
    }

    fn add_order(&mut self, order: &Order) -> AddOrderOutcome {
        let Some(account) = self.accounts.get_mut(&order.customer) else {
            return AddOrderOutcome::NoSuchCustomer;
        };
        match self.order_ids.get(&order.id) {
            Some(customer) if *customer == order.customer => AddOrderOutcome::AlreadyKnown,
            Some(_) => AddOrderOutcome::Conflict,
            None => {
                self.order_ids.insert(order.id.clone(), order.customer);
                account.orders.push(order.clone());
                AddOrderOutcome::Added
            }
        }
    }

    fn add_order_and_confirm(
        &mut self,
        order: &Order,
        at: Timestamp,
        address: Option<&ResponseAddress>,
    ) -> StoreResult<AddOrderOutcome> {
        self.check_writable()?;
        let outcome = self.add_order(order);
        if let (AddOrderOutcome::Added, Some(address)) = (outcome, address) {
            let (id, customer) = (order.id.clone(), order.customer);
            let response = CommandResponse::Order { id, customer, is_new: true };
            let message = instored_mqtt::encode_response(address, response)
                .map_err(|error| StoreError::Failed(error.to_string()))?;
            self.queue(at, message, Fact::Ordered(order.customer));
        }
        Ok(outcome)
    }

    fn void(
        &mut self,
        customer: CustomerId,
        order: &OrderId,
    ) -> Result<(AddOrderOutcome, Vec<Order>), CommandFailure> {
        self.check_writable()?;
        let account = self.accounts.get_mut(&customer);
        let account = account.ok_or_else(|| CommandFailure::unknown_customer(customer))?;
        account.orders.retain(|stored| stored.id != *order);
        self.voided.insert(order.clone());
        Ok((AddOrderOutcome::Added, account.orders.clone()))
    }

    /// Deletes old orders. Fails if they are not old in true time.
    fn remove_orders(
        &mut self,
        customer: CustomerId,
        until: Timestamp,
    ) -> Result<StoreResult<(u64, Vec<Order>)>> {
        let age = self.now.duration_since(until);
        ensure!(age >= ORDER_RETENTION, "orders are deleted after {age:#}");
        if let Err(error) = self.check_writable() {
            return Ok(Err(error));
        }
        let Some(account) = self.accounts.get_mut(&customer) else {
            return Ok(Ok((0, Vec::new())));
        };
        let is_old = |order: &Order| order.placed.timestamp() <= until;
        let old: Vec<_> = account.orders.iter().filter(|order| is_old(order)).collect();
        let count = old.len() as u64;
        self.voided.extend(old.into_iter().map(|order| order.id.clone()));
        account.orders.retain(|order| !is_old(order));
        Ok(Ok((count, account.orders.clone())))
    }

    fn alter(
        &mut self,
        id: CustomerId,
        change: impl FnOnce(&mut Customer),
    ) -> StoreResult<Option<Customer>> {
        self.check_writable()?;
        let Some(account) = self.accounts.get_mut(&id) else { return Ok(None) };
        change(&mut account.customer);
        Ok(Some(account.customer.clone()))
    }

    fn history(
        &self,
        customer: CustomerId,
        view: HistoryView,
        page: Page,
    ) -> Result<History, CommandFailure> {
        let Some(account) = self.accounts.get(&customer) else {
            return Err(CommandFailure::unknown_customer(customer));
        };
        if !account.customer.preferences.can_show_history {
            return Err(CommandFailure::history_switched_off(customer));
        }
        Ok(instored_orders::history_page(customer, account.orders.clone(), view, page, self.now))
    }

    fn change_catalogue(&mut self, products: &[Product], removed: &[String]) -> CatalogueChange {
        self.products.retain(|stored| {
            !removed.contains(&stored.sku) && products.iter().all(|new| new.sku != stored.sku)
        });
        self.products.extend(products.iter().cloned());
        CatalogueChange::default()
    }

    /// Returns the customer with this number, or an unknown one.
    pub fn choose(&self, number: usize) -> CustomerId {
        let unknown = CustomerId(uuid::Uuid::from_u128(7));
        let count = self.accounts.len() + 1;
        self.accounts.keys().copied().nth(number % count).unwrap_or(unknown)
    }
}
