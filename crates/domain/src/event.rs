//! What is told to the world: the payloads of the topics, free of scores, templates and pictures.

use jiff::{Timestamp, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ClaimCode, Currency, CustomerId, CustomerName, EventId, ModelId, OrderId, OrderLine, Receipt,
    Recommendation, ShoppingList,
};

/// A customer came or went. Topic `visit`.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct VisitEvent {
    /// Same id, same event.
    pub id: EventId,
    /// Came or went.
    pub event: VisitKind,
    /// Who.
    pub customer: CustomerRef,
    /// Visits so far, this one included.
    pub visits: u64,
    /// The latest orders, newest first; empty when they left.
    pub orders: Vec<OrderSummary>,
    /// What they may want today; empty when they left.
    pub recommendations: Vec<Recommendation>,
    /// When this was said.
    pub issued: Timestamp,
    /// When a display has to forget it.
    pub expires: Timestamp,
}

/// What happened to a visit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitKind {
    /// The customer was recognised.
    Arrived,
    /// A customer who is here changed what is shown of them: this takes the place of what was said
    /// when they arrived.
    Changed,
    /// The customer is out of sight.
    Left,
}

/// A customer as displays know them.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct CustomerRef {
    /// The pseudonym.
    pub id: CustomerId,
    /// What they want to be called.
    pub name: Option<CustomerName>,
}

/// An order as a display shows it.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct OrderSummary {
    /// The till's name of it.
    pub id: OrderId,
    /// When, with the zone of the till.
    #[serde(with = "super::order::order_time")]
    #[schemars(with = "String")]
    pub placed: Zoned,
    /// Currency of every amount.
    pub currency: Currency,
    /// Total in minor units.
    pub total: i64,
    /// What was bought.
    pub lines: Vec<OrderLine>,
}

/// A customer put something on their list, or took something off it. Topic `list`.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct ListEvent {
    /// Same id, same event.
    pub id: EventId,
    /// All that is on it now.
    #[serde(flatten)]
    pub list: ShoppingList,
    /// When this was said.
    pub issued: Timestamp,
    /// When a display has to forget it.
    pub expires: Timestamp,
}

/// A step of an enrolment or a withdrawal. Topic `enrolment`.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct EnrolmentEvent {
    /// Same id, same event.
    pub id: EventId,
    /// The step.
    #[serde(flatten)]
    pub step: EnrolmentStep,
    /// When this was said.
    pub issued: Timestamp,
    /// When a display has to forget it.
    pub expires: Timestamp,
}

/// The steps from a press to a customer, and back.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EnrolmentStep {
    /// Somebody asked to be recognised and is not known: pressing again opts in.
    Offered,
    /// The button was pressed: the opted-in moment begins.
    Started,
    /// Nobody, or nobody well enough, is seen: please look at the camera.
    LookHere,
    /// One more good view.
    Captured {
        /// Good views so far.
        count: u32,
        /// Good views needed.
        of: u32,
    },
    /// The customer is enrolled.
    Done {
        /// The new customer.
        customer: CustomerRef,
        /// With it, a till links the first order.
        claim_code: ClaimCode,
        /// What they keep of their consent.
        receipt: Receipt,
        /// They look much like another customer: either is greeted only where there is no doubt,
        /// so that it may take longer, or not happen. Withdrawing is the way out.
        #[serde(default, skip_serializing_if = "is_false")]
        resembles_another: bool,
    },
    /// Nothing was kept.
    Failed {
        /// Why.
        reason: EnrolmentFailure,
    },
    /// A customer withdrew, and is forgotten.
    Withdrawn {
        /// The pseudonym that no longer means anyone.
        customer: CustomerId,
    },
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Why an enrolment kept nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolmentFailure {
    /// Not enough good views in time.
    TimedOut,
    /// More than one face in view: whose press was it?
    SeveralFaces,
    /// This face is a customer already.
    AlreadyEnrolled,
    /// Another face took the place of the first.
    FaceChanged,
    /// The vault could not store it.
    NotStored,
    /// There is no camera picture.
    NoCamera,
    /// It may be a picture of a face.
    NotLive,
}

/// What the box is doing. Topic `state`, retained; nothing personal.
#[derive(Clone, PartialEq, Debug, JsonSchema, Serialize, Deserialize)]
pub struct BoxState {
    /// What it does now.
    pub mode: Mode,
    /// How the camera is.
    pub camera: CameraState,
    /// The embedder in use.
    pub model: ModelId,
    /// How many customers are enrolled.
    pub customers: u64,
    /// Templates and other parts of the vault that did not hold, and are not used.
    pub refused_templates: u64,
    /// Embeddings made since the start, by purpose.
    #[serde(default)]
    pub embeddings: EmbeddingCount,
    /// Faces since the start that may have been pictures held to the camera.
    #[serde(default)]
    pub suspected_pictures: u64,
    /// Customers who came in today, by the box's clock and zone; each counts once.
    #[serde(default)]
    pub visits_today: u64,
    /// Greetings since the start that went to somebody else, as that person said.
    #[serde(default)]
    pub not_me: u64,
    /// Commands refused since the start.
    #[serde(default)]
    pub refused_commands: u64,
    /// Version of the program.
    pub version: String,
    /// When this was said; later in each state than in the one before. A display ignores one that
    /// is older than what it knows.
    #[serde(default)]
    pub issued: Timestamp,
}

/// How many embeddings were made, by purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, JsonSchema, Serialize, Deserialize)]
pub struct EmbeddingCount {
    /// For people who pressed the button to enrol.
    pub enrolment: u64,
    /// To find out whether someone is a customer.
    pub recognition: u64,
}

/// What the box does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Watching for customers.
    Watching,
    /// Looking at nobody until the button is pressed.
    Waiting,
    /// Enrolling one.
    Enrolling,
}

/// How the camera is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    /// Not opened yet.
    Starting,
    /// Delivering frames.
    Streaming,
    /// Gone, busy or silent; the box keeps trying.
    Trouble,
}
