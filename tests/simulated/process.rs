//! Running daemon: controller, connection and queues. All of it is lost when the process is killed.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use confique::Config as _;
use ed25519_dalek::SigningKey;
use instored_controller::{Controller, StoreRequest, StoreResponse};
use instored_domain::{BoxId, Command, ResponseAddress};
use instored_mqtt::{PublicKey, PublicKeyAnnouncement, Publisher, Signer, SimulatedConnection};
use tokio::sync::mpsc::UnboundedReceiver;

/// Process with its queues.
pub struct Process {
    pub controller: Controller,
    pub publisher: Publisher,
    pub connection: SimulatedConnection,
    /// Numbers of the messages of the outbox that the broker has acknowledged.
    pub delivered: UnboundedReceiver<u64>,
    pub is_connected: bool,
    /// True while a message has no acknowledgement.
    pub is_in_flight: bool,
    /// Requests that the vault has not executed.
    pub requests: VecDeque<StoreRequest>,
    /// Responses that the main loop has not taken.
    pub responses: VecDeque<StoreResponse>,
    pub commands: VecDeque<(Command, Option<ResponseAddress>)>,
    pub is_command_in_progress: bool,
    pub clock_checks: usize,
    pub trainings: usize,
    /// Clients of the command line who wait for an answer.
    pub clients: BTreeSet<u64>,
}

/// Returns a signer whose key has this number. Its signatures are not valid; only the id of the key
/// is checked.
pub fn signer(number: u64) -> Signer {
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&number.to_be_bytes());
    let public = SigningKey::from_bytes(&secret).verifying_key();
    let ed25519 = PublicKey::from_bytes(public.as_bytes()).expect("a key is a point of the curve");
    let announcement = PublicKeyAnnouncement {
        key_id: format!("key-{number}"),
        ed25519,
        endorsements: Vec::new(),
    };
    Signer::new(announcement, Arc::new(|_| [0; 64]))
}

/// Prepares the connection of a box.
pub fn connection(
    box_id: &BoxId,
    key: u64,
) -> (Publisher, SimulatedConnection, UnboundedReceiver<u64>) {
    let settings = instored_mqtt::Settings::builder().load().expect("all settings have defaults");
    let prepared =
        instored_mqtt::connect(&settings, box_id, signer(key), 1).expect("valid settings");
    (prepared.publisher, prepared.connection.simulate(), prepared.delivered)
}
