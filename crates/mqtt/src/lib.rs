//! MQTT 5 interface between a box and the displays, tills and home automation at its broker.
//!
//! A box calls [`connect`]: it sends events through a [`Publisher`] and receives
//! [`ReceivedCommand`]s. A display calls [`subscribe`]: it receives [`BoxEvent`]s and sends commands
//! through a [`CommandClient`]. The demo and the tests start a [`Broker`] of their own.
//!
//! | module | contents |
//! |---|---|
//! | `topics` | topic names, retention and payload types |
//! | `commands` | JSON of commands and responses |
//! | `signature` | event signatures and public keys |
//! | `connection` | loop over sessions |
//! | `session`, `session_config` | one session: connect, subscribe, send, receive |
//! | `reconnection` | delays between sessions, log of an outage |
//! | `send_queue` | messages that wait for the broker, and their limits |
//! | `publisher` | the box's side of the connection |
//! | `simulated_connection` | the box's side without a network, for simulations |
//! | `outbox` | messages that the box stores until the broker has acknowledged them |
//! | `subscriber` | the display's side of the connection |
//! | `trust` | trusted keys and sequence numbers of a subscriber |
//! | `rate_limit` | rate limiter for commands |
//! | `home_assistant` | discovery message for Home Assistant |
//! | `asyncapi` | AsyncAPI document of the interface |
//! | `broker` | mosquitto process for the demo and the tests |
//! | `settings`, `tls`, `error` | configuration, TLS, errors |
//!
//! Rules:
//! 1. Publishing does not block and does not fail. A message that cannot be sent waits in the send queue,
//!    which is bounded.
//! 2. Events are signed, and a subscriber delivers only events with a valid signature that have not
//!    expired and were not delivered before, also before its restart.
//! 3. A payload is never logged.
//! 4. Only this crate depends on the MQTT client `rumqttc`. Only its modules `session`,
//!    `session_config`, `tls` and `error` use the client.

#![forbid(unsafe_code)]

mod asyncapi;
mod broker;
mod commands;
mod connection;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod home_assistant;
mod outbox;
mod publisher;
mod rate_limit;
mod reconnection;
mod send_queue;
mod session;
mod session_config;
mod settings;
mod signature;
mod simulated_connection;
mod subscriber;
mod tls;
mod topics;
mod trust;

#[cfg(test)]
mod tests;

pub use asyncapi::asyncapi;
pub use broker::Broker;
pub use connection::Connection;
pub use error::MqttError;
pub use outbox::{encode_enrolment, encode_response};
pub use publisher::{BoxConnection, Publisher, ReceivedCommand, Statistics, connect};
pub use settings::Settings;
pub use signature::{KeyEndorsement, PublicKey, PublicKeyAnnouncement, SignatureError, Signer};
pub use simulated_connection::{SentMessage, SimulatedConnection};
pub use subscriber::{BoxEvent, CommandClient, CommandError, subscribe};
pub use trust::{Trust, TrustStore};

/// Version of the event format. It is raised when the meaning of a field changes, not when a field is
/// added.
const VERSION: u32 = 1;

/// Event with the version of its format, `v`.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[schemars(rename = "{T}Payload")]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    event: T,
}

/// Adds the field `v`, the format version, to an event.
pub fn versioned<T: serde::Serialize>(event: T) -> impl serde::Serialize {
    Versioned { v: VERSION, event }
}
