//! Messages that wait in the vault until the broker has them.

use instored_domain::OUTBOX_LIFETIME;

use crate::controller::Controller;
use crate::effect::{Effect, Message};
use crate::store::{StoreRequest, StoreResult, StoredMessage};

/// Position in the outbox.
#[derive(Default)]
pub(super) struct OutboxReader {
    /// Highest number of a message that was published.
    position: u64,
    /// True if messages may be unread because the vault could not be read.
    is_behind: bool,
}

impl Controller {
    /// Requests the messages of the outbox that were not published yet.
    pub(super) fn read_outbox(&mut self) {
        self.outbox.is_behind = true;
        self.store(StoreRequest::ReadOutbox { after: self.outbox.position });
    }

    /// Requests the messages again that could not be read.
    pub(super) fn retry_outbox(&mut self) {
        if self.outbox.is_behind {
            self.read_outbox();
        }
    }

    /// Requests all messages again, since a wrong clock or a rejection of the broker may have removed
    /// some of them from the queue of the connection.
    pub(super) fn resend_outbox(&mut self) {
        self.outbox.is_behind = true;
        self.store(StoreRequest::ReadOutbox { after: 0 });
    }

    /// Publishes messages of the outbox. The connection ignores those that still wait.
    pub(super) fn send_outbox(&mut self, after: u64, result: StoreResult<Vec<StoredMessage>>) {
        let messages = match result {
            Ok(messages) => messages,
            Err(error) => return tracing::error!("cannot read the outbox: {error}"),
        };
        self.outbox.is_behind = false;
        for message in messages {
            // Two requests at the same time read the same messages.
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

    /// Removes the messages that are not sent any more.
    pub(super) fn remove_expired_messages(&mut self) {
        let at = self.now();
        if let Ok(stored_until) = at.checked_sub(OUTBOX_LIFETIME) {
            self.store(StoreRequest::RemoveExpired { stored_until, at });
        }
    }
}

/// Logs a message that stays in the outbox.
pub(super) fn log_removal(result: StoreResult<()>) {
    if let Err(error) = result {
        tracing::warn!("a message will be sent again, because it stays in the outbox: {error}");
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
