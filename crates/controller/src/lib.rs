//! State machine of the box. It turns results of recognition, button presses, commands and
//! results of the vault into effects.
//!
//! The daemon passes each [`Event`] to [`Controller::handle`], and performs the returned [`Effect`]s in
//! their sequence. The result of an effect is a further event.
//!
//! | module | contents |
//! |---|---|
//! | `controller` | state, and dispatch of the events |
//! | `event`, `effect`, `store` | inputs, outputs, operations on the vault |
//! | `visits` | arrival, greeting, departure and deletion of customers |
//! | `offer` | offer of an enrolment, and the acts by which a person agrees |
//! | `enrolment` | button, and the steps from the agreement to a stored enrolment |
//! | `commands`, `purchases` | MQTT commands |
//! | `operator` | requests of the command line |
//! | `outbox` | messages that wait in the vault until the broker acknowledges them |
//! | `maintenance`, `retention` | periodic work, and the deletion of inactive customers |
//! | `daily_visits`, `recommendations` | number of today's visitors; recommendations and the schedule of training |
//! | `settings` | configuration section `[shop]` |
//!
//! Rules:
//! 1. The controller performs no I/O, takes no lock, and reads neither a clock nor random numbers. Time and
//!    counters come with each event; UUIDs come from the source that the caller supplies.
//! 2. The same events, readings and UUIDs cause the same effects.
//! 3. A change is first stored in the vault, then applied in memory and published. A customer is
//!    greeted even if the visit cannot be stored. Till assignments and shopping lists exist only in memory.
//! 4. The daemon passes one [`Event::Stored`] for each [`Effect::Store`], in the same sequence.
//! 5. Each command and each request of the operator is answered once.
//! 6. An enrolment starts only after an act of consent: a press of the button, or the code that a display
//!    received with the consent text. A command alone only offers it.
//! 7. No log line at the level info or above contains a customer's id, name or purchase.

#![forbid(unsafe_code)]

mod commands;
mod controller;
mod daily_visits;
mod effect;
mod enrolment;
mod event;
mod maintenance;
mod offer;
mod operator;
mod outbox;
mod purchases;
mod recommendations;
mod retention;
mod settings;
mod store;
mod visits;

#[cfg(test)]
mod tests;

pub use commands::PreferenceChanges;
pub use controller::{Controller, InitialData, Rules};
pub use effect::{Effect, Message, VisionCommand};
pub use event::{Counters, Event, Readings};
pub use operator::{ClientId, OperatorRequest, OperatorResponse};
pub use purchases::{BuyerAction, order_rejection};
pub use retention::{retention_cutoff, retention_status_text};
pub use settings::{FaceOpens, Settings};
pub use store::{
    Greeting, NewCustomer, Origin, StoreError, StoreRequest, StoreResponse, StoreResult,
    StoredMessage,
};
