//! The nouns of the shop: customers, consents, templates, orders, visits, and what is said of them.
//!
//! No I/O, no clock, no randomness: time and ids come in from above.

#![forbid(unsafe_code)]

mod catalogue;
mod command;
mod consent;
mod customer;
mod event;
mod history;
mod ids;
mod list;
mod order;
mod recommendation;
mod template;
mod tills;

pub use catalogue::{Allergen, CatalogueChange, Product};
pub use command::{Answer, Buyer, Command, Refusal, RefusalCode};
pub use consent::{Consent, ConsentMethod, Receipt};
pub use customer::{Customer, CustomerName, CustomerNameError, Preferences};
pub use event::{
    BoxState, CameraState, CustomerRef, EmbeddingCount, EnrolmentEvent, EnrolmentFailure,
    EnrolmentStep, ListEvent, Mode, OrderSummary, VisitEvent, VisitKind,
};
pub use history::{AgainProduct, BoughtProduct, History, HistoryBy, HistoryList, Page, PageError};
pub use ids::{
    BoxId, BoxIdError, ClaimCode, ClaimCodeError, CustomerId, EventId, ModelId, OrderId, UuidError,
};
pub use list::{ListItem, Lists, ShoppingList};
pub use order::order_time::parse as parse_order_time;
pub use order::quoted;
pub use order::{
    Currency, MAX_ORDER_LINES, Order, OrderError, OrderLine, Quantity, TillOrder, Unit, Unnamed,
};
pub use recommendation::{Reason, Recommendation};
pub use template::{Embedding, EmbeddingError, Template};
pub use tills::Tills;
