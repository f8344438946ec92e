//! Connection of a box without a network, for simulations: the same queue, announcements and signatures,
//! but the caller is the network and the clock.

use jiff::Timestamp;

use super::connection::Connection;
use super::send_queue::OutgoingMessage;
use super::session::SessionHandler;

/// Connection of a box that the caller drives.
pub struct SimulatedConnection {
    handler: Box<dyn SessionHandler>,
}

/// Message that a box sends to its broker.
#[derive(Clone, PartialEq, Debug)]
pub struct SentMessage {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// True if the broker keeps the message.
    pub is_retained: bool,
    /// User properties, with the signature of an event.
    pub user_properties: Vec<(String, String)>,
    /// Correlation data of a response.
    pub correlation_data: Option<Vec<u8>>,
}

impl Connection {
    /// Returns the connection for a simulation.
    pub fn simulate(self) -> SimulatedConnection {
        SimulatedConnection { handler: self.into_handler() }
    }
}

impl SimulatedConnection {
    /// Starts a session.
    pub fn connect(&mut self) {
        self.handler.on_connected();
    }

    /// Ends a session. A message without an acknowledgement is sent again in the next session.
    pub fn disconnect(&mut self) {
        self.handler.on_disconnected(false);
    }

    /// Returns the next message to send, or `None` while a message has no acknowledgement. May be called
    /// during a session only.
    pub fn send(&mut self, now: Timestamp) -> Option<SentMessage> {
        let message = self.handler.next_message(now)?;
        let OutgoingMessage {
            topic, payload, is_retained, user_properties, correlation_data, ..
        } = message;
        Some(SentMessage { topic, payload, is_retained, user_properties, correlation_data })
    }

    /// Passes the acknowledgement of the message that was sent last.
    pub fn acknowledge(&mut self) {
        self.handler.on_acknowledged();
    }

    /// Passes a rejection of the message that was sent last, which is sent again if `is_retried`.
    pub fn reject(&mut self, is_retried: bool) {
        self.handler.on_rejected(is_retried);
    }
}
