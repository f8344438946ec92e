//! Operations on the vault and their results.

use instored_domain::{
    AddOrderOutcome, BuyerRef, CatalogueChange, ClaimCode, CommandFailure, Consent, Customer,
    CustomerId, CustomerName, CustomerRef, Embedding, EnrolmentEvent, ForgetSummary, History,
    HistoryView, ModelId, Order, OrderId, Page, Product, ResponseAddress, TrackId,
};
use jiff::Timestamp;

use crate::commands::PreferenceChanges;
use crate::operator::ClientId;
use crate::purchases::BuyerAction;

/// Error of the vault.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A code of a new customer is already in use.
    #[error("a code is already in use")]
    CodeTaken,
    /// The code that should confirm a deletion is not a code of the customer.
    #[error("the code is not the receipt or a valid claim code of this customer")]
    WrongCode,
    /// The vault failed.
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for CommandFailure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::WrongCode => Self::not_found(error.to_string()),
            error => Self::internal(error),
        }
    }
}

/// Result of an operation on the vault.
pub type StoreResult<T> = Result<T, StoreError>;

/// Origin of a change, with the address of the response.
#[derive(Debug)]
pub enum Origin {
    /// MQTT command.
    Command(Option<ResponseAddress>),
    /// Request of the command line.
    Operator(ClientId),
    /// Hold of the button.
    Button,
    /// End of the storage period.
    Retention,
}

/// Enrolment to store: consent, templates, codes and the message with the codes.
#[derive(Debug)]
pub struct NewCustomer {
    /// Consent, with the receipt.
    pub consent: Consent,
    /// Text that the person could read before, whose hash the consent contains.
    pub consent_text: String,
    /// Model of the templates.
    pub model: ModelId,
    /// Templates.
    pub embeddings: Vec<Embedding>,
    /// Claim code.
    pub claim: ClaimCode,
    /// Time at which the claim code expires.
    pub claim_expires: Timestamp,
    /// Message with the codes, for the outbox.
    pub announcement: EnrolmentEvent,
    /// True if the time of the consent is confirmed.
    pub is_clock_confirmed: bool,
    /// Number of this attempt, from 1. A further attempt has other codes.
    pub attempt: u32,
    /// Track that shows the customer.
    pub track: TrackId,
    /// Other customer with a similar face.
    pub resembles: Option<CustomerId>,
}

/// Data of a greeting.
#[derive(Debug)]
pub struct Greeting {
    /// The customer.
    pub customer: Customer,
    /// Latest orders, newest first; empty if the customer has switched the history off.
    pub orders: Vec<Order>,
}

/// Message of the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredMessage {
    /// Number in the outbox. Numbers increase.
    pub number: u64,
    /// Time at which the message was stored.
    pub stored: Timestamp,
    /// Encoded message.
    pub message: Vec<u8>,
}

/// Operation on the vault. `at` is the time of the operation; a change records it in the audit log.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are described where their types are")]
pub enum StoreRequest {
    /// Counts a visit, and reads the customer and at most `orders_shown` orders. The response contains
    /// `arrival`, the number of the arrival.
    RecordVisit {
        customer: CustomerId,
        at: Timestamp,
        is_clock_confirmed: bool,
        orders_shown: usize,
        arrival: u64,
    },
    /// Reads the customer and at most `orders_shown` orders. `arrival` is `None` for a refresh.
    ReadGreeting { customer: CustomerId, orders_shown: usize, arrival: Option<u64> },
    /// Stores an enrolment, and its message in the outbox.
    Enrol(Box<NewCustomer>),
    /// Deletes a customer, and stores the message about it in the outbox. If `code` is set, it must be the
    /// receipt or a valid claim code of the customer.
    Forget {
        customer: CustomerId,
        code: Option<ClaimCode>,
        at: Timestamp,
        announcement: EnrolmentEvent,
        origin: Origin,
    },
    /// Finds a customer by id or claim code.
    FindBuyer {
        buyer: BuyerRef,
        at: Timestamp,
        action: BuyerAction,
        address: Option<ResponseAddress>,
    },
    /// Stores an order of a till, and its confirmation in the outbox if `address` is set.
    AddOrder { order: Order, at: Timestamp, till: Option<String>, address: Option<ResponseAddress> },
    /// Stores orders of the command line.
    AddOrders { orders: Vec<Order>, at: Timestamp, client: ClientId },
    /// Replaces an order with an empty one, and reads the remaining orders.
    VoidOrder { customer: CustomerId, order: OrderId, at: Timestamp, client: ClientId },
    /// Deletes the customer's orders that were placed at `until` or before, and reads the remaining ones.
    RemoveOrders { customer: CustomerId, until: Timestamp, at: Timestamp },
    /// Reads the names of customers. A customer who was deleted is left out.
    ReadNames { customers: Vec<CustomerId>, address: Option<ResponseAddress> },
    /// Sets or deletes a customer's name.
    Rename { customer: CustomerId, name: Option<CustomerName>, at: Timestamp, origin: Origin },
    /// Changes preferences, or only reads them if there is no change.
    ChangePreferences {
        customer: CustomerId,
        changes: PreferenceChanges,
        at: Timestamp,
        address: Option<ResponseAddress>,
    },
    /// Reads a page of the history, unless the customer has switched it off.
    ReadHistory {
        customer: CustomerId,
        view: HistoryView,
        page: Page,
        at: Timestamp,
        address: Option<ResponseAddress>,
    },
    /// Adds or changes products, and removes others.
    ChangeCatalogue { products: Vec<Product>, removed: Vec<String>, at: Timestamp, origin: Origin },
    /// Marks customers for deletion, or removes their marks. The response contains `clients`.
    SetDeletionDue {
        customers: Vec<CustomerId>,
        due: Option<Timestamp>,
        at: Timestamp,
        clients: Vec<ClientId>,
    },
    /// Sets the last visit of customers whose last visit has an unconfirmed time.
    ConfirmTimes { customers: Vec<CustomerId>, at: Timestamp },
    /// Reads the messages of the outbox with a higher number.
    ReadOutbox { after: u64 },
    /// Removes a message that the broker has acknowledged.
    RemoveDelivered { number: u64, at: Timestamp },
    /// Removes the messages that were stored at this time or before.
    RemoveExpired { stored_until: Timestamp, at: Timestamp },
}

/// Results. Each variant belongs to one [`StoreRequest`], such as `Enrolled` to `Enrol`.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are those of the request, and its result")]
pub enum StoreResponse {
    VisitRecorded {
        customer: CustomerId,
        arrival: u64,
        result: StoreResult<Option<Greeting>>,
    },
    GreetingRead {
        customer: CustomerId,
        arrival: Option<u64>,
        result: StoreResult<Option<Greeting>>,
    },
    Enrolled {
        new: Box<NewCustomer>,
        result: StoreResult<Customer>,
    },
    Forgotten {
        customer: CustomerId,
        origin: Origin,
        result: StoreResult<Option<ForgetSummary>>,
    },
    BuyerFound {
        action: BuyerAction,
        address: Option<ResponseAddress>,
        result: Result<CustomerId, CommandFailure>,
    },
    OrderAdded {
        order: Order,
        till: Option<String>,
        address: Option<ResponseAddress>,
        result: StoreResult<AddOrderOutcome>,
    },
    OrdersAdded {
        orders: Vec<Order>,
        client: ClientId,
        result: Result<Vec<AddOrderOutcome>, CommandFailure>,
    },
    /// Outcome, and all orders of the customer.
    OrderVoided {
        customer: CustomerId,
        client: ClientId,
        result: Result<(AddOrderOutcome, Vec<Order>), CommandFailure>,
    },
    /// Number of deleted orders, and the remaining orders of the customer.
    OrdersRemoved {
        customer: CustomerId,
        result: StoreResult<(u64, Vec<Order>)>,
    },
    NamesRead {
        address: Option<ResponseAddress>,
        result: StoreResult<Vec<CustomerRef>>,
    },
    Renamed {
        customer: CustomerId,
        origin: Origin,
        result: StoreResult<Option<Customer>>,
    },
    PreferencesChanged {
        customer: CustomerId,
        is_change: bool,
        address: Option<ResponseAddress>,
        result: StoreResult<Option<Customer>>,
    },
    HistoryRead {
        address: Option<ResponseAddress>,
        result: Result<History, CommandFailure>,
    },
    CatalogueChanged {
        products: Vec<Product>,
        removed: Vec<String>,
        origin: Origin,
        result: Result<CatalogueChange, CommandFailure>,
    },
    DeletionDueSet {
        customers: Vec<CustomerId>,
        due: Option<Timestamp>,
        clients: Vec<ClientId>,
        result: StoreResult<()>,
    },
    TimesConfirmed {
        customers: Vec<CustomerId>,
        at: Timestamp,
        result: StoreResult<()>,
    },
    OutboxRead {
        after: u64,
        result: StoreResult<Vec<StoredMessage>>,
    },
    DeliveredRemoved {
        result: StoreResult<()>,
    },
    /// Number of removed messages.
    ExpiredRemoved {
        result: StoreResult<usize>,
    },
}
