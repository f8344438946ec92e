//! Messages of the vault's outbox: encoding, sending and removal.

use instored_domain::{BoxId, EnrolmentEvent, EnrolmentStep};
use instored_mqtt::OUTBOX_LIFETIME;
use instored_vault::{Actor, OutboxEntry};
use jiff::Timestamp;

use super::commands::audit_context;
use super::controller::{Controller, new_event_id};

impl Controller {
    /// Passes the new messages of the outbox to the publisher.
    pub fn send_outbox(&mut self) {
        let entries = match self.vault.outbox(self.outbox_position) {
            Ok(entries) => entries,
            Err(error) => return tracing::error!("cannot read the outbox: {error}"),
        };
        for rejected in entries.rejected {
            tracing::error!("{rejected}");
        }
        for OutboxEntry { number, stored, message } in entries.records {
            self.publisher.publish_stored(number, stored, &message);
            self.outbox_position = number;
        }
    }

    /// Removes a message of the outbox that the broker has acknowledged.
    pub fn remove_delivered(&self, number: u64) {
        let context = audit_context(Actor::Command);
        if let Err(error) = self.vault.remove_from_outbox(&[number], context) {
            tracing::warn!("a message will be sent again, because it stays in the outbox: {error}");
        }
    }

    /// Removes the messages of the outbox that are not sent any more.
    pub fn remove_expired_messages(&self) {
        let now = Timestamp::now();
        let entries = match self.vault.outbox(0) {
            Ok(entries) => entries.records,
            Err(error) => return tracing::error!("cannot read the outbox: {error}"),
        };
        let expired: Vec<_> = entries
            .iter()
            .filter(|entry| now.duration_since(entry.stored) >= OUTBOX_LIFETIME)
            .map(|entry| entry.number)
            .collect();
        if expired.is_empty() {
            return;
        }
        tracing::warn!(
            "{} messages were not delivered within {} hours and are dropped; check the connection to \
             the broker",
            expired.len(),
            OUTBOX_LIFETIME.as_hours()
        );
        if let Err(error) = self.vault.remove_from_outbox(&expired, audit_context(Actor::Command)) {
            tracing::warn!("cannot remove expired messages from the outbox: {error}");
        }
    }
}

/// Encodes the last step of an enrolment or a withdrawal for the vault's outbox.
pub(super) fn stored_step(box_id: &BoxId, step: EnrolmentStep) -> serde_json::Result<Vec<u8>> {
    let issued = Timestamp::now();
    let expires = issued.checked_add(OUTBOX_LIFETIME).unwrap_or(Timestamp::MAX);
    let event = EnrolmentEvent { id: new_event_id(), step, issued, expires };
    instored_mqtt::encode_enrolment(box_id, &event)
}
