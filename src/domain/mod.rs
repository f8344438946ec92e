//! The nouns of the shop: customers, consents, templates, orders, visits, and what is said of them.
//!
//! No I/O, no clock, no randomness: time and ids come in from above.

mod command;
mod consent;
mod customer;
mod event;
mod ids;
mod order;
mod recommendation;
mod template;

pub use command::{Answer, Buyer, Command, Refusal, RefusalCode, TillOrder};
pub use consent::{Consent, ConsentMethod};
pub use customer::{Customer, CustomerName, CustomerNameError};
pub use event::{
    BoxState, CameraState, CustomerRef, EnrolmentEvent, EnrolmentFailure, EnrolmentStep, Mode,
    OrderSummary, VisitEvent, VisitKind,
};
pub use ids::{
    BoxId, BoxIdError, ClaimCode, ClaimCodeError, CustomerId, EventId, ModelId, OrderId,
};
pub use order::order_time::parse as parse_order_time;
pub use order::{Currency, Order, OrderError, OrderLine, Quantity};
pub use recommendation::Recommendation;
pub use template::{Embedding, EmbeddingError, Template};
