//! Till: sends commands to the box through the broker, and receives the responses.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::journal::BOX_NAME;
use crate::subscriber::client;

/// Till of the shop.
pub struct Till {
    port: u16,
    sent: u64,
}

/// Order that was sent and has no response yet.
#[derive(Clone, Debug)]
pub struct PendingOrder {
    pub id: String,
    pub customer: String,
    pub payload: String,
}

impl Till {
    /// Creates a till at the broker on this port.
    pub fn new(port: u16) -> Self {
        Self { port, sent: 0 }
    }

    /// Sends a command, and returns the response, or `None` if there is none within `timeout`.
    pub fn send(&mut self, verb: &str, payload: &str, timeout: Duration) -> Result<Option<Value>> {
        self.sent += 1;
        let mut command = client("mosquitto_rr", self.port);
        command.args(["-t", &format!("instored/{BOX_NAME}/cmd/{verb}")]);
        command.args(["-e", &format!("instored/{BOX_NAME}/reply/till-{}", self.sent)]);
        command.args(["-W", &timeout.as_secs().max(1).to_string(), "-m", payload]);
        let output = command.output().context("install mosquitto-clients")?;
        // Without a broker or a response, the client fails.
        let response = output.status.success().then(|| serde_json::from_slice(&output.stdout));
        response.transpose().with_context(|| format!("the response to cmd/{verb} is not JSON"))
    }
}

/// Creates an order. `buyer` is the JSON object that identifies the customer in the command.
pub fn order(id: &str, customer: &str, buyer: &Value) -> PendingOrder {
    let mut payload = buyer.clone();
    payload["order"] = json!({
        "id": id, "placed": "2026-03-29T09:15:00+02:00", "currency": "EUR",
        "lines": [{ "sku": "4002", "name": "Oat milk 1 l", "quantity": 2, "unit_price": 199 }],
        "total": 398,
    });
    PendingOrder { id: id.to_owned(), customer: customer.to_owned(), payload: payload.to_string() }
}
