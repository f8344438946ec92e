//! Messages that the box stores until the broker has acknowledged them.
//!
//! The box stores the encoded message in the same transaction as the data that the message reports. It
//! passes the message to [`Publisher::publish_stored`] after this transaction and after each start. An
//! event is signed when it is sent, with the key that is announced at that time.

use instored_domain::{BoxId, CommandResponse, EnrolmentEvent, OUTBOX_LIFETIME, ResponseAddress};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::publisher::Publisher;
use super::send_queue::OutgoingMessage;
use super::topics::{self, box_topic};
use super::{commands, versioned};

/// Stored form of a message.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredMessage {
    pub topic: String,
    /// Payload as JSON text.
    pub payload: String,
    /// Properties of a response; `None` for an event.
    pub response: Option<ResponseProperties>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ResponseProperties {
    /// Correlation data of the command.
    correlation_data: Option<Vec<u8>>,
}

/// Encodes an enrolment step for [`Publisher::publish_stored`].
///
/// # Errors
/// The event cannot be encoded as JSON.
pub fn encode_enrolment(box_id: &BoxId, event: &EnrolmentEvent) -> serde_json::Result<Vec<u8>> {
    let payload = serde_json::to_string(&versioned(event))?;
    let topic = box_topic(box_id, topics::ENROLMENT);
    serde_json::to_vec(&StoredMessage { topic, payload, response: None })
}

/// Encodes the response to a command for [`Publisher::publish_stored`].
///
/// # Errors
/// The response cannot be encoded as JSON.
pub fn encode_response(
    response_address: &ResponseAddress,
    response: CommandResponse,
) -> serde_json::Result<Vec<u8>> {
    let payload = commands::encode_response_payload(&Ok(response))?;
    let correlation_data = response_address.correlation_data.clone();
    serde_json::to_vec(&StoredMessage {
        topic: response_address.topic.clone(),
        payload: String::from_utf8_lossy(&payload).into_owned(),
        response: Some(ResponseProperties { correlation_data }),
    })
}

impl Publisher {
    /// Queues a stored message. `number` is its number in the outbox; the channel
    /// [`BoxConnection::delivered`](crate::BoxConnection::delivered) reports this number when the broker
    /// has acknowledged the message. A message that was stored more than [`OUTBOX_LIFETIME`] ago is not
    /// sent.
    pub fn publish_stored(&self, number: u64, stored_at: Timestamp, message: &[u8]) {
        let StoredMessage { topic, payload, response } = match serde_json::from_slice(message) {
            Ok(message) => message,
            Err(error) => {
                return tracing::error!("a stored message is malformed and is not sent: {error}");
            }
        };
        let message = OutgoingMessage {
            topic,
            payload: payload.into_bytes(),
            expires: stored_at.checked_add(OUTBOX_LIFETIME).ok(),
            is_signed: response.is_none(),
            outbox_number: Some(number),
            ..OutgoingMessage::default()
        };
        match response {
            Some(ResponseProperties { correlation_data }) => {
                self.push_response(OutgoingMessage { correlation_data, ..message });
            }
            None => self.push_event(message),
        }
    }
}
