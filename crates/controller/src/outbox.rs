//! Messages that wait in the vault until the broker acknowledges them.

use instored_domain::OUTBOX_LIFETIME;

use crate::controller::Controller;
use crate::effect::{Effect, Message};
use crate::store::{StoreRequest, StoreResult, StoredMessage};

/// Position in the outbox.
#[derive(Default)]
pub(super) struct OutboxReader {
    /// Highest number of a message that was published.
    position: u64,
    /// Lowest start position of the failed reads. The next tick reads from it.
    failed_after: Option<u64>,
}

impl Controller {
    /// Requests the messages of the outbox that were not published yet.
    pub(super) fn read_outbox(&mut self) {
        self.store(StoreRequest::ReadOutbox { after: self.outbox.position });
    }

    /// Repeats a failed read of the outbox.
    pub(super) fn retry_outbox(&mut self) {
        if let Some(after) = self.outbox.failed_after.take() {
            self.store(StoreRequest::ReadOutbox { after });
        }
    }

    /// Requests all messages again. The connection may have dropped some of them, because they seemed
    /// expired under a wrong clock, or the broker rejected them.
    pub(super) fn resend_outbox(&mut self) {
        self.store(StoreRequest::ReadOutbox { after: 0 });
    }

    /// Publishes messages of the outbox. The connection ignores a message that is already in its queue.
    pub(super) fn send_outbox(&mut self, after: u64, result: StoreResult<Vec<StoredMessage>>) {
        let messages = match result {
            Ok(messages) => messages,
            Err(error) => {
                let failed_after = self.outbox.failed_after.unwrap_or(after).min(after);
                self.outbox.failed_after = Some(failed_after);
                return tracing::error!("cannot read the outbox, retrying: {error}");
            }
        };
        for message in messages {
            // Two pending reads can return the same message.
            if after == 0 || message.number > self.outbox.position {
                self.outbox.position = self.outbox.position.max(message.number);
                self.effects.push(Effect::Publish(Message::Stored(message)));
            }
        }
    }

    /// Removes a message that the broker has acknowledged.
    pub(super) fn remove_delivered(&mut self, number: u64) {
        let at = self.now();
        self.store(StoreRequest::RemoveDelivered { number, at });
    }

    /// Removes the messages that are older than [`OUTBOX_LIFETIME`].
    pub(super) fn remove_expired_messages(&mut self) {
        let at = self.now();
        if let Ok(stored_until) = at.checked_sub(OUTBOX_LIFETIME) {
            self.store(StoreRequest::RemoveExpired { stored_until, at });
        }
    }
}

/// Logs a failure to remove a delivered message.
pub(super) fn log_removal(result: StoreResult<()>) {
    if let Err(error) = result {
        tracing::warn!("a delivered message stays in the outbox and will be sent again: {error}");
    }
}

/// Logs the number of messages that were not delivered in time.
pub(super) fn log_expiry(result: StoreResult<usize>) {
    match result {
        Ok(0) => {}
        Ok(count) => tracing::warn!(
            "{count} messages were not delivered within {} hours and are dropped; check the \
             connection to the broker",
            OUTBOX_LIFETIME.as_hours()
        ),
        Err(error) => tracing::warn!("cannot remove expired messages from the outbox: {error}"),
    }
}
