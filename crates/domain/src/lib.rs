//! Shared types of the shop, its customers and its orders.
//!
//! | module | contents |
//! |---|---|
//! | `ids` | ids of customers, events, models, orders, boxes and tracks; claim codes |
//! | `customer`, `consent`, `consent_text`, `template` | an enrolled customer, their consent, its text, their face templates |
//! | `catalogue`, `order`, `order_time`, `currency`, `unit` | products and orders, with their validation rules |
//! | `history`, `recommendation`, `shopping_lists` | data that a customer sees |
//! | `till_assignments` | assignments of customers to tills |
//! | `event`, `command` | MQTT payloads |
//! | `recognition_event` | events of face recognition |
//! | `change_result` | results of changes of the stored data |
//! | `key_endorsement` | signed message for a key replacement |
//! | `text`, `statistics` | helpers: text validation, medians |
//!
//! Rules:
//! 1. The crate depends on no other crate of the workspace.
//! 2. It performs no I/O and reads neither clock nor random numbers: callers pass times and ids.
//! 3. JSON and CBOR formats are stable; `tests/wire_format.rs` compares them with golden values.
//!    `#[serde(rename)]` and `#[schemars(rename)]` keep a published name where the Rust name differs.
//! 4. Logs contain no personal data: `Debug` redacts names, preferences, claim codes and embeddings.

#![forbid(unsafe_code)]

mod catalogue;
mod change_result;
mod command;
mod consent;
mod consent_text;
mod currency;
mod customer;
mod event;
#[cfg(fuzzing)]
pub mod fuzzing;
mod history;
mod ids;
mod key_endorsement;
mod order;
mod order_time;
mod recognition_event;
mod recommendation;
mod shopping_lists;
mod statistics;
mod template;
mod text;
mod till_assignments;
mod unit;

pub use catalogue::{Allergen, CatalogueChange, Product};
pub use change_result::{AddOrderOutcome, ForgetSummary};
pub use command::{
    BuyerRef, Command, CommandFailure, CommandFailureCode, CommandResponse, ResponseAddress,
};
pub use consent::{Consent, ConsentMethod, ConsentReceipt};
pub use consent_text::{
    AgreementCode, ConsentText, ConsentTextHash, ConsentTextHashError, EnrolmentOffer,
};
pub use currency::Currency;
pub use customer::{Customer, CustomerName, CustomerNameError, Preferences};
pub use event::{
    BoxState, CameraState, CustomerRef, EmbeddingCount, EnrolmentEvent, EnrolmentFailure,
    EnrolmentStep, FaceCount, ListEvent, Mode, OUTBOX_LIFETIME, OrderSummary, PresenceEvent,
    RetentionStatus, VisitEvent, VisitKind,
};
pub use history::{
    History, HistoryEntries, HistoryView, Page, PageError, PurchasedProduct, RepeatedProduct,
};
pub use ids::{
    BoxId, BoxIdError, ClaimCode, ClaimCodeError, CustomerId, EventId, ModelId, OrderId, TrackId,
    UuidError,
};
pub use key_endorsement::key_endorsement_message;
pub use order::{LineItem, MAX_ORDER_LINES, NoCustomer, Order, OrderError, Quantity, TillOrder};
pub use order_time::parse as parse_order_time;
pub use recognition_event::RecognitionEvent;
pub use recommendation::{Reason, Recommendation};
pub use shopping_lists::{ListItem, ShoppingList, ShoppingLists};
pub use statistics::medians;
pub use template::{Embedding, EmbeddingError, Template};
pub use text::excerpt;
pub use till_assignments::TillAssignments;
pub use unit::Unit;
