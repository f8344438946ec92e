//! Bounded queue of messages for the broker.
//!
//! The MQTT client holds only the message in flight. All others wait here, so that they can still be
//! dropped:
//! - Only the newest state is kept.
//! - An expired event or answer is dropped.
//! - Above [`EVENTS_MAX`] events or [`REPLIES_MAX`] answers, the oldest is dropped.
//!
//! A message whose acknowledgement was lost with the connection is sent again. An event may therefore
//! arrive twice; its id identifies the copy.

use std::collections::VecDeque;
use std::fmt;

use jiff::Timestamp;

/// Maximum number of queued events.
pub(super) const EVENTS_MAX: usize = 256;
/// Maximum number of queued answers.
pub(super) const REPLIES_MAX: usize = 64;

/// Message to publish.
#[derive(Clone, PartialEq, Default)]
pub(super) struct OutgoingMessage {
    pub topic: String,
    pub payload: Vec<u8>,
    pub is_retained: bool,
    /// Time after which no subscriber needs the message.
    pub expires: Option<Timestamp>,
    pub user_properties: Vec<(String, String)>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Vec<u8>>,
}

/// Prints the topic only, because payloads contain personal data.
impl fmt::Debug for OutgoingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessage").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Kind of a message, in the order of priority.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Announcement,
    State,
    Reply,
    Event,
}

/// Queued messages and the message in flight.
#[derive(Default)]
pub(super) struct SendQueue {
    announcements: VecDeque<OutgoingMessage>,
    state: Option<OutgoingMessage>,
    is_state_due: bool,
    replies: VecDeque<OutgoingMessage>,
    events: VecDeque<OutgoingMessage>,
    in_flight: Option<(Kind, OutgoingMessage)>,
    /// Messages dropped since the start.
    dropped: u64,
    /// Part of `dropped` that [`Self::take_dropped`] has returned.
    reported_dropped: u64,
}

impl SendQueue {
    /// Queues the first messages of a session, before all others, and the state again.
    pub fn announce(&mut self, messages: impl IntoIterator<Item = OutgoingMessage>) {
        self.announcements = messages.into_iter().collect();
        self.is_state_due = self.state.is_some();
    }

    /// Replaces the state and queues it.
    pub fn set_state(&mut self, message: OutgoingMessage) {
        self.state = Some(message);
        self.is_state_due = true;
    }

    /// Queues an event or a command.
    pub fn push_event(&mut self, message: OutgoingMessage, now: Timestamp) {
        self.drop_expired(now);
        self.dropped += push_bounded(&mut self.events, message, EVENTS_MAX);
    }

    /// Queues an answer.
    pub fn push_reply(&mut self, message: OutgoingMessage, now: Timestamp) {
        self.drop_expired(now);
        self.dropped += push_bounded(&mut self.replies, message, REPLIES_MAX);
    }

    /// Returns the next message to send, or `None` while a message is in flight.
    pub fn next(&mut self, now: Timestamp) -> Option<OutgoingMessage> {
        if self.in_flight.is_some() {
            return None;
        }
        self.drop_expired(now);
        let next = if let Some(message) = self.announcements.pop_front() {
            (Kind::Announcement, message)
        } else if let Some(message) = self.state.clone().filter(|_| self.is_state_due) {
            self.is_state_due = false;
            (Kind::State, message)
        } else if let Some(message) = self.replies.pop_front() {
            (Kind::Reply, message)
        } else {
            (Kind::Event, self.events.pop_front()?)
        };
        self.in_flight = Some(next.clone());
        Some(next.1)
    }

    /// Removes the message in flight: it was acknowledged or finally rejected.
    pub fn acknowledge(&mut self) {
        self.in_flight = None;
    }

    /// Handles a lost connection: the message in flight becomes the first of its kind again.
    pub fn requeue_in_flight(&mut self) {
        self.announcements.clear();
        match self.in_flight.take() {
            Some((Kind::Reply, message)) => self.replies.push_front(message),
            Some((Kind::Event, message)) => self.events.push_front(message),
            // Each session starts with new announcements and the newest state.
            Some((Kind::Announcement | Kind::State, _)) | None => {}
        }
    }

    /// Returns the number of queued messages, including the one in flight.
    pub fn len(&self) -> u64 {
        let queued = self.announcements.len() + self.replies.len() + self.events.len();
        queued as u64 + u64::from(self.is_state_due) + u64::from(self.in_flight.is_some())
    }

    /// Returns the number of messages dropped since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        self.dropped - std::mem::replace(&mut self.reported_dropped, self.dropped)
    }

    /// Returns the number of messages dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn drop_expired(&mut self, now: Timestamp) {
        let before = self.events.len() + self.replies.len();
        let is_valid = |message: &OutgoingMessage| message.expires.is_none_or(|at| at > now);
        self.events.retain(is_valid);
        self.replies.retain(is_valid);
        self.dropped += (before - self.events.len() - self.replies.len()) as u64;
    }
}

/// Appends a message and returns the number of messages dropped for it.
fn push_bounded(
    queue: &mut VecDeque<OutgoingMessage>,
    message: OutgoingMessage,
    limit: usize,
) -> u64 {
    queue.push_back(message);
    let excess = queue.len().saturating_sub(limit);
    queue.drain(..excess);
    excess as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn message(name: &str, expires: i64) -> OutgoingMessage {
        OutgoingMessage {
            topic: name.into(),
            expires: Some(at(expires)),
            ..OutgoingMessage::default()
        }
    }

    /// Sends and acknowledges all messages, and returns their topics.
    fn drain(queue: &mut SendQueue, now: i64) -> Vec<String> {
        std::iter::from_fn(|| {
            let next = queue.next(at(now));
            queue.acknowledge();
            next.map(|message| message.topic)
        })
        .collect()
    }

    #[test]
    fn message_in_flight_is_sent_first_after_connection_loss() {
        let mut queue = SendQueue::default();
        queue.push_event(message("a", 100), at(0));
        queue.push_event(message("b", 100), at(0));
        assert_eq!(queue.next(at(1)).unwrap().topic, "a");
        assert_eq!(queue.next(at(1)), None);
        queue.requeue_in_flight();
        assert_eq!(drain(&mut queue, 1), ["a", "b"]);
    }

    #[test]
    fn expired_event_is_dropped_even_if_it_was_in_flight() {
        let mut queue = SendQueue::default();
        queue.push_event(message("short", 10), at(0));
        queue.push_event(message("long", 20), at(0));
        assert_eq!(queue.next(at(1)).unwrap().topic, "short");
        queue.requeue_in_flight();
        assert_eq!(drain(&mut queue, 10), ["long"]);
        assert_eq!(queue.take_dropped(), 1);
        assert_eq!(queue.take_dropped(), 0);
    }

    #[test]
    fn full_queue_drops_oldest_events_and_keeps_replies() {
        let mut queue = SendQueue::default();
        queue.push_reply(message("reply", 100), at(0));
        for n in 0..EVENTS_MAX + 3 {
            queue.push_event(message(&n.to_string(), 100), at(0));
        }
        let sent = drain(&mut queue, 1);
        let first_two = (sent[0].as_str(), sent[1].as_str());
        assert_eq!((sent.len(), first_two), (EVENTS_MAX + 1, ("reply", "3")));
        assert_eq!(queue.take_dropped(), 3);
    }

    #[test]
    fn newest_state_is_sent_once_per_connection() {
        let mut queue = SendQueue::default();
        queue.set_state(message("old", 100));
        queue.set_state(message("new", 100));
        queue.push_event(message("event", 100), at(0));
        assert_eq!(drain(&mut queue, 1), ["new", "event"]);
        queue.requeue_in_flight();
        queue.announce([message("online", 100)]);
        assert_eq!(drain(&mut queue, 1), ["online", "new"]);
    }

    #[test]
    fn state_in_flight_does_not_replace_newer_state() {
        let mut queue = SendQueue::default();
        queue.set_state(message("old", 100));
        assert_eq!(queue.next(at(1)).unwrap().topic, "old");
        queue.set_state(message("new", 100));
        queue.requeue_in_flight();
        queue.announce([]);
        assert_eq!(drain(&mut queue, 1), ["new"]);
    }
}
