//! Events and the box's state, as published over MQTT. They contain no scores, templates or
//! pictures.

use jiff::{SignedDuration, Timestamp, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ClaimCode, ConsentReceipt, Currency, CustomerId, CustomerName, EventId, LineItem, ModelId,
    Order, OrderId, Recommendation, ShoppingList,
};

/// Event on topic `visit`: a customer arrived or left, or the customer's data changed.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct VisitEvent {
    /// Id of the event. Events with the same id are duplicates.
    pub id: EventId,
    /// The kind of event.
    pub event: VisitKind,
    /// The customer.
    pub customer: CustomerRef,
    /// Number of visits so far, including this one.
    pub visits: u64,
    /// The latest orders, newest first; empty if the customer left.
    pub orders: Vec<OrderSummary>,
    /// Recommended products; empty if the customer left.
    pub recommendations: Vec<Recommendation>,
    /// Time of the event.
    pub issued: Timestamp,
    /// Time at which a display has to delete the event.
    pub expires: Timestamp,
}

/// The kind of a visit event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitKind {
    /// The customer was recognised.
    Arrived,
    /// The data of a customer who is present changed. The event replaces the previous one.
    Changed,
    /// The customer is out of view.
    Left,
}

/// Event on topic `presence`: some customer arrived or left. It contains nothing about the customer, for home
/// automation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct PresenceEvent {
    /// `arrived` or `left`.
    pub event: VisitKind,
    /// Time of the event.
    pub issued: Timestamp,
    /// Time after which the event is of no use.
    pub expires: Timestamp,
}

/// A customer as shown on displays.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct CustomerRef {
    /// The pseudonym.
    pub id: CustomerId,
    /// The name by which displays greet the customer.
    pub name: Option<CustomerName>,
}

/// An order as shown on displays.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct OrderSummary {
    /// The till's id of the order.
    pub id: OrderId,
    /// Time of the purchase, with the time zone of the till.
    #[serde(with = "super::order_time")]
    #[schemars(with = "String")]
    pub placed: Zoned,
    /// Currency of every amount.
    pub currency: Currency,
    /// Number of decimals of an amount in major units (ISO 4217): 2 for EUR and HUF, 0 for JPY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exponent: Option<u8>,
    /// Total in minor units.
    pub total: i64,
    /// The lines.
    pub lines: Vec<LineItem>,
}

impl<C> From<Order<C>> for OrderSummary {
    fn from(order: Order<C>) -> Self {
        let Order { id, placed, currency, total, lines, .. } = order;
        Self { id, placed, currency, exponent: Some(currency.exponent()), total, lines }
    }
}

/// Event on topic `list`: a customer's shopping list changed.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct ListEvent {
    /// Id of the event. Events with the same id are duplicates.
    pub id: EventId,
    /// The whole list after the change.
    #[serde(flatten)]
    pub list: ShoppingList,
    /// Time of the event.
    pub issued: Timestamp,
    /// Time at which a display has to delete the event.
    pub expires: Timestamp,
}

/// Time after which a message of the outbox is no longer sent.
pub const OUTBOX_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Event on topic `enrolment`: a step of an enrolment or a withdrawal.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct EnrolmentEvent {
    /// Id of the event. Events with the same id are duplicates.
    pub id: EventId,
    /// The step.
    #[serde(flatten)]
    pub step: EnrolmentStep,
    /// Time of the event.
    pub issued: Timestamp,
    /// Time at which a display has to delete the event.
    pub expires: Timestamp,
}

impl EnrolmentEvent {
    /// Creates an event for the outbox, which is sent until [`OUTBOX_LIFETIME`] after `issued`.
    pub fn stored(id: EventId, step: EnrolmentStep, issued: Timestamp) -> Self {
        let expires = issued.checked_add(OUTBOX_LIFETIME).unwrap_or(Timestamp::MAX);
        Self { id, step, issued, expires }
    }
}

/// The steps of an enrolment or a withdrawal.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EnrolmentStep {
    /// An enrolment is offered: after a press of the button, after the command `enrol`, or to a person who
    /// requested recognition and is not enrolled. Another press of the button starts the enrolment.
    Offered,
    /// The person has agreed, and the enrolment starts.
    Started,
    /// No face is clearly visible. The person has to look at the camera.
    LookHere,
    /// A good view was captured.
    Captured {
        /// Number of good views so far.
        count: u32,
        /// Number of good views required.
        of: u32,
    },
    /// The customer is enrolled.
    Done {
        /// The new customer.
        customer: CustomerRef,
        /// Code by which a till links the first order to the customer.
        claim_code: ClaimCode,
        /// Receipt of the consent.
        receipt: ConsentReceipt,
        /// True if the face resembles the face of another customer. Recognition of both customers
        /// then takes longer or fails. The customer can withdraw.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        resembles_another: bool,
    },
    /// The enrolment failed; nothing is stored.
    Failed {
        /// The reason.
        reason: EnrolmentFailure,
    },
    /// A customer withdrew; their data is deleted.
    Withdrawn {
        /// The former pseudonym.
        customer: CustomerId,
    },
}

/// The reason of a failed enrolment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolmentFailure {
    /// The timeout passed before enough good views were captured.
    TimedOut,
    /// More than one face is in view, so that the person who pressed the button is unknown.
    SeveralFaces,
    /// The face belongs to a customer.
    AlreadyEnrolled,
    /// Another face replaced the first one.
    FaceChanged,
    /// The vault could not store the customer.
    NotStored,
    /// The camera delivers no picture.
    NoCamera,
    /// The face may be a picture held to the camera (ISO/IEC 30107-3: presentation attack).
    #[serde(rename = "not_live")]
    PresentationAttackSuspected,
}

/// Retained message on topic `state`: the state of the box, without personal data.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct BoxState {
    /// The current activity.
    pub mode: Mode,
    /// The state of the camera.
    pub camera: CameraState,
    /// The face embedding model in use.
    pub model: ModelId,
    /// Number of enrolled customers.
    pub customers: u64,
    /// Number of templates and other records of the vault that failed verification and are not
    /// used.
    #[serde(rename = "refused_templates")]
    pub rejected_records: u64,
    /// Number of embeddings computed since the start, by purpose.
    #[serde(default)]
    pub embeddings: EmbeddingCount,
    /// Number of faces since the start, by what was computed of them.
    #[serde(default)]
    pub faces: FaceCount,
    /// Number of suspected presentation attacks since the start: faces that may be pictures held
    /// to the camera.
    #[serde(rename = "suspected_pictures", default)]
    pub suspected_attacks: u64,
    /// Number of customers who visited today, by the box's clock and time zone. Each customer
    /// is counted once.
    #[serde(default)]
    pub visits_today: u64,
    /// Number of greetings since the start that the greeted person reported as wrong.
    #[serde(rename = "not_me", default)]
    pub not_me_reports: u64,
    /// Number of commands rejected since the start.
    #[serde(rename = "refused_commands", default)]
    pub rejected_commands: u64,
    /// State of the automatic deletion of inactive customers.
    #[serde(default)]
    pub retention: RetentionStatus,
    /// Number of inactive customers who will be deleted after the grace period.
    #[serde(rename = "due", default)]
    pub due_customers: u64,
    /// Version of the program.
    pub version: String,
    /// Time of the state, later than the time of the previous state. A display ignores a state that
    /// is older than the last received state.
    #[serde(default)]
    pub issued: Timestamp,
}

/// State of the automatic deletion of inactive customers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionStatus {
    /// Inactive customers are marked, and deleted after the grace period.
    #[default]
    Running,
    /// Customers are kept without limit, as configured.
    Off,
    /// Nobody is deleted: no time server has set the clock.
    ClockNotConfirmed,
    /// Nobody is deleted: the clock disagrees with the newest visit.
    ClockImplausible,
    /// Nobody is deleted: an implausibly large number of customers is due at once. The operator has
    /// to confirm the deletion.
    TooManyDue,
}

/// Number of computed embeddings by purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, JsonSchema, Serialize, Deserialize)]
pub struct EmbeddingCount {
    /// Embeddings of people who pressed the button to enrol.
    pub enrolment: u64,
    /// Embeddings that were compared with the customers' templates.
    pub recognition: u64,
}

/// Number of faces by what was computed of them. A face counts again after it was out of view.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, JsonSchema, Serialize, Deserialize)]
pub struct FaceCount {
    /// Faces whose position was detected.
    pub seen: u64,
    /// Faces that were near and turned to the camera for a while, in mode `entrance`.
    pub attended: u64,
    /// Faces that were compared with the customers' templates.
    pub embedded: u64,
}

/// The current activity of the box.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The box recognises every face in view.
    Watching,
    /// The box recognises nobody until the button is pressed.
    Waiting,
    /// An enrolment is in progress.
    Enrolling,
}

/// The state of the camera.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    /// The camera is not opened yet.
    Starting,
    /// The camera delivers frames.
    Streaming,
    /// The camera is absent, busy or delivers no frames. The box retries.
    #[serde(rename = "trouble")]
    Unavailable,
}
