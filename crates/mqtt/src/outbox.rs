//! Messages that the box stores until the broker has acknowledged them.
//!
//! The box stores the encoded message in the commit of the fact that it reports, and passes it to
//! [`Publisher::publish_stored`] then and after each start. The message is signed when it is sent, so
//! that its key is the announced one.

use instored_domain::{BoxId, CommandResponse, EnrolmentEvent};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::publisher::{Publisher, ReplyAddress};
use super::send_queue::OutgoingMessage;
use super::topics::{self, box_topic};
use super::{commands, versioned};

/// Time after which a stored message is not sent any more.
pub const OUTBOX_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Message as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredMessage {
    topic: String,
    /// JSON.
    payload: String,
    /// Correlation data of the command that this is the response to; absent in an event.
    response: Option<ResponseProperties>,
}

#[derive(Serialize, Deserialize)]
struct ResponseProperties {
    correlation_data: Option<Vec<u8>>,
}

/// Encodes an enrolment step for [`Publisher::publish_stored`].
///
/// # Errors
/// If the event cannot be encoded as JSON.
pub fn encode_enrolment(box_id: &BoxId, event: &EnrolmentEvent) -> serde_json::Result<Vec<u8>> {
    let payload = serde_json::to_string(&versioned(event))?;
    let topic = box_topic(box_id, topics::ENROLMENT);
    serde_json::to_vec(&StoredMessage { topic, payload, response: None })
}

/// Encodes the response to a command for [`Publisher::publish_stored`].
///
/// # Errors
/// If the response cannot be encoded as JSON.
pub fn encode_response(
    reply_to: &ReplyAddress,
    response: CommandResponse,
) -> serde_json::Result<Vec<u8>> {
    let payload = commands::encode_answer(&Ok(response))?;
    let correlation_data = reply_to.correlation_data.clone();
    serde_json::to_vec(&StoredMessage {
        topic: reply_to.topic.clone(),
        payload: String::from_utf8_lossy(&payload).into_owned(),
        response: Some(ResponseProperties { correlation_data }),
    })
}

impl Publisher {
    /// Queues a message that was stored under a number at `stored`. The number is reported when the
    /// broker has acknowledged the message. A message older than [`OUTBOX_LIFETIME`] is not sent.
    pub fn publish_stored(&self, number: u64, stored: Timestamp, message: &[u8]) {
        let StoredMessage { topic, payload, response } = match serde_json::from_slice(message) {
            Ok(message) => message,
            Err(error) => {
                return tracing::error!("a stored message is malformed and not sent: {error}");
            }
        };
        let message = OutgoingMessage {
            topic,
            payload: payload.into_bytes(),
            expires: stored.checked_add(OUTBOX_LIFETIME).ok(),
            is_signed: response.is_none(),
            outbox_number: Some(number),
            ..OutgoingMessage::default()
        };
        match response {
            Some(ResponseProperties { correlation_data }) => {
                self.push_reply(OutgoingMessage { correlation_data, ..message });
            }
            None => self.push_event(message),
        }
    }
}
