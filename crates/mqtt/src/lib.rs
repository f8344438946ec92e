//! The bus: MQTT 5 between a box and the displays, tills and home automation around it.
//!
//! A box [`connect`]s: what it says goes through a [`Publisher`], which neither blocks nor fails,
//! and what it is asked arrives as [`Inbound`] commands. A display [`listen`]s: it hears only
//! events that are signed and not expired, and asks through a [`Caller`]. The demonstration starts a
//! [`Broker`] of its own.
//!
//! The topics, their retention and their payloads are in `topics.rs`; what is signed and how, in
//! `signature.rs`; what is dropped when the broker is away, in `queue.rs`; how many
//! commands are taken, in `limits.rs`.

#![forbid(unsafe_code)]

mod asyncapi;
mod broker;
mod commands;
mod home_assistant;
mod limits;
mod link;
mod listener;
mod publisher;
mod queue;
mod settings;
mod signature;
mod tls;
mod topics;
mod trouble;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use asyncapi::asyncapi;
pub use broker::Broker;
pub use commands::parse as parse_command;
pub use link::Connection;
pub use listener::{CallError, Caller, Heard, Trust, listen};
pub use publisher::{Inbound, Publisher, Reply, Traffic, connect};
pub use settings::Settings;
pub use signature::{KeyNote, PublicKey, Sign, SignatureError, Signer, signed_bytes, verify};

/// The version of what events say. It rises when a field comes to mean something else, not when one
/// is added.
const VERSION: u32 = 1;

/// An event with its version, `v`.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[schemars(rename = "{T}Payload")]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    event: T,
}

/// An event as it stands in a payload.
pub fn payload<T: serde::Serialize>(event: T) -> impl serde::Serialize {
    Versioned { v: VERSION, event }
}

/// Why the bus cannot be set up. A broker that is away is not among them: the connection keeps
/// trying, and says so in the log.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// A setting that cannot be meant.
    #[error("[mqtt] {0}")]
    Setting(&'static str),
    /// A file that a setting names.
    #[error("[mqtt] {key}: {} cannot be read: {source}", path.display())]
    File {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Certificates or keys that make no TLS connection.
    #[error("[mqtt] TLS cannot be set up: {0}")]
    Tls(String),
    /// A broker of one's own does not start.
    #[error("mosquitto does not start, which `apt install mosquitto` installs: {0}")]
    Broker(String),
}
