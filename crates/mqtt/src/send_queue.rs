//! Bounded queue of messages for the broker.
//!
//! The MQTT client holds only the message in flight. All other messages wait in this queue, which can
//! still drop them:
//! - Only the newest state is kept.
//! - An expired event or response is dropped.
//! - If there are more than [`EVENTS_MAX`] events or [`RESPONSES_MAX`] responses, the oldest message that
//!   is not in the box's outbox is dropped.
//!
//! A message whose acknowledgement was lost with the connection is sent again. An event may therefore
//! arrive twice; its id identifies the copy.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use instored_domain::{CustomerId, VisitKind};
use jiff::Timestamp;

/// Maximum number of queued events.
pub(super) const EVENTS_MAX: usize = 256;
/// Maximum number of queued responses.
pub(super) const RESPONSES_MAX: usize = 64;

/// Message to publish.
#[derive(Clone, PartialEq, Default)]
pub(super) struct OutgoingMessage {
    pub topic: String,
    pub payload: Vec<u8>,
    pub is_retained: bool,
    /// Time at which the message expires; `None` if it does not expire.
    pub expires: Option<Timestamp>,
    /// True if the box signs the message when it is sent, with the key that is announced at that time.
    pub is_signed: bool,
    pub user_properties: Vec<(String, String)>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Vec<u8>>,
    /// Number of the message in the box's outbox. A full queue does not drop such a message.
    pub outbox_number: Option<u64>,
    /// Customer and kind of a visit event.
    pub visit: Option<(CustomerId, VisitKind)>,
    /// True if the message was sent in an earlier session, and may have been delivered; set by the queue.
    pub was_sent: bool,
    /// Time at which the message was queued; set by the queue.
    pub queued_at: Option<Instant>,
}

impl OutgoingMessage {
    fn queued(self) -> Self {
        Self { queued_at: Some(Instant::now()), ..self }
    }
}

/// Prints the topic only, because payloads contain personal data.
impl fmt::Debug for OutgoingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessage").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Kinds of messages, from the highest to the lowest priority.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Announcement,
    State,
    Response,
    Event,
}

/// Queued messages and the message in flight.
#[derive(Default)]
pub(super) struct SendQueue {
    announcements: VecDeque<OutgoingMessage>,
    state: Option<OutgoingMessage>,
    /// Time since which the state waits to be sent; `None` if the state does not wait.
    state_due_since: Option<Instant>,
    responses: VecDeque<OutgoingMessage>,
    events: VecDeque<OutgoingMessage>,
    in_flight: Option<(Kind, OutgoingMessage)>,
    /// Messages dropped since the start.
    dropped: u64,
    /// Part of `dropped` that [`Self::take_dropped`] has returned.
    reported_dropped: u64,
    /// Rejections by the broker since the start.
    rejected: u64,
}

impl SendQueue {
    /// Queues the first messages of a session, before all others, and the state again. Of the visits,
    /// only the present situation is sent.
    pub fn announce(&mut self, messages: impl IntoIterator<Item = OutgoingMessage>) {
        self.drop_outdated_visits();
        self.announcements = messages.into_iter().map(OutgoingMessage::queued).collect();
        if self.state.is_some() {
            self.state_due_since.get_or_insert_with(Instant::now);
        }
    }

    /// Drops the queued visit events that a later one of the same customer makes outdated: all but the
    /// last one, and the arrival if the customer is still present. An arrival that was never sent is
    /// dropped together with its departure.
    fn drop_outdated_visits(&mut self) {
        let mut keep = vec![true; self.events.len()];
        let visits = || self.events.iter().enumerate().filter_map(|(at, m)| Some((at, m.visit?.0)));
        for customer in visits().map(|(_, customer)| customer).collect::<HashSet<_>>() {
            let of_customer: Vec<_> =
                visits().filter(|(_, other)| *other == customer).map(|(at, _)| at).collect();
            let kind = |at: usize| self.events[at].visit.map(|(_, kind)| kind);
            let last = of_customer[of_customer.len() - 1];
            let has_left = kind(last) == Some(VisitKind::Left);
            let arrival =
                of_customer.iter().copied().rfind(|at| kind(*at) == Some(VisitKind::Arrived));
            let is_known = of_customer.iter().any(|at| self.events[*at].was_sent)
                || kind(of_customer[0]) != Some(VisitKind::Arrived);
            for at in of_customer {
                let is_last = at == last && (is_known || !has_left);
                keep[at] = is_last || (Some(at) == arrival && !has_left);
            }
        }
        let mut keep = keep.into_iter();
        self.events.retain(|_| keep.next().unwrap_or(true));
    }

    /// Replaces the state and queues it.
    pub fn set_state(&mut self, message: OutgoingMessage) {
        self.state = Some(message);
        self.state_due_since.get_or_insert_with(Instant::now);
    }

    /// Queues an event or a command. Ignores a message of the outbox that is queued already.
    pub fn push_event(&mut self, message: OutgoingMessage) {
        if self.contains(message.outbox_number) {
            return;
        }
        self.dropped += push_bounded(&mut self.events, message, EVENTS_MAX);
    }

    /// Queues a response. Ignores a message of the outbox that is queued already.
    pub fn push_response(&mut self, message: OutgoingMessage) {
        if self.contains(message.outbox_number) {
            return;
        }
        self.dropped += push_bounded(&mut self.responses, message, RESPONSES_MAX);
    }

    fn contains(&self, outbox_number: Option<u64>) -> bool {
        let in_flight = self.in_flight.iter().map(|(_, message)| message);
        let queued = self.events.iter().chain(&self.responses).chain(in_flight);
        outbox_number.is_some() && queued.into_iter().any(|m| m.outbox_number == outbox_number)
    }

    /// Returns the next message to send, or `None` while a message is in flight.
    pub fn next(&mut self, now: Timestamp) -> Option<OutgoingMessage> {
        if self.in_flight.is_some() {
            return None;
        }
        self.drop_expired(now);
        let next = if let Some(message) = self.announcements.pop_front() {
            (Kind::Announcement, message)
        } else if let Some(message) = self.state.clone().filter(|_| self.state_due_since.is_some())
        {
            (Kind::State, OutgoingMessage { queued_at: self.state_due_since.take(), ..message })
        } else if let Some(message) = self.responses.pop_front() {
            (Kind::Response, message)
        } else {
            (Kind::Event, self.events.pop_front()?)
        };
        self.in_flight = Some(next.clone());
        Some(next.1)
    }

    /// Removes the message in flight after its acknowledgement. Returns its number in the outbox.
    pub fn acknowledge(&mut self) -> Option<u64> {
        self.in_flight.take()?.1.outbox_number
    }

    /// Counts a rejection of the message in flight. If `is_retried`, the message is queued again before
    /// the other messages of its kind. Otherwise it is dropped.
    pub fn reject(&mut self, is_retried: bool) {
        self.rejected += 1;
        if is_retried {
            self.requeue_in_flight();
        } else {
            self.dropped += u64::from(self.in_flight.take().is_some());
        }
    }

    /// Handles a lost connection: queues the message in flight again, and deletes the announcements,
    /// because each session starts with new ones.
    pub fn disconnect(&mut self) {
        self.requeue_in_flight();
        self.announcements.clear();
    }

    fn requeue_in_flight(&mut self) {
        match self.in_flight.take() {
            Some((Kind::Announcement, message)) => self.announcements.push_front(message),
            Some((Kind::State, message)) => self.state_due_since = message.queued_at,
            Some((Kind::Response, message)) => self.responses.push_front(message),
            Some((Kind::Event, message)) => {
                self.events.push_front(OutgoingMessage { was_sent: true, ..message });
            }
            None => {}
        }
    }

    /// Returns the age of the oldest unacknowledged message, or zero if there is none.
    pub fn oldest_age(&self) -> Duration {
        let in_flight = self.in_flight.as_ref().map(|(_, message)| message);
        let oldest_of_each =
            [&self.announcements, &self.responses, &self.events].map(VecDeque::front);
        let times = oldest_of_each
            .into_iter()
            .chain([in_flight])
            .flatten()
            .map(|message| message.queued_at);
        let oldest = times.chain([self.state_due_since]).flatten().min();
        oldest.map(|at| at.elapsed()).unwrap_or_default()
    }

    /// Returns the number of queued messages, including the one in flight.
    pub fn len(&self) -> u64 {
        let queued = self.announcements.len() + self.responses.len() + self.events.len();
        queued as u64
            + u64::from(self.state_due_since.is_some())
            + u64::from(self.in_flight.is_some())
    }

    /// Returns the number of messages dropped since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        self.dropped - std::mem::replace(&mut self.reported_dropped, self.dropped)
    }

    /// Returns the number of messages dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns the number of rejections by the broker since the start.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    fn drop_expired(&mut self, now: Timestamp) {
        let before = self.events.len() + self.responses.len();
        let is_valid = |message: &OutgoingMessage| message.expires.is_none_or(|at| at > now);
        self.events.retain(is_valid);
        self.responses.retain(is_valid);
        self.dropped += (before - self.events.len() - self.responses.len()) as u64;
    }
}

/// Appends a message, drops the oldest messages above `limit`, and returns the number of dropped
/// messages.
fn push_bounded(
    queue: &mut VecDeque<OutgoingMessage>,
    message: OutgoingMessage,
    limit: usize,
) -> u64 {
    queue.push_back(message.queued());
    let mut excess = queue.len().saturating_sub(limit);
    let before = queue.len();
    queue.retain(|message| {
        let is_dropped = excess > 0 && message.outbox_number.is_none();
        excess -= usize::from(is_dropped);
        !is_dropped
    });
    (before - queue.len()) as u64
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
        queue.push_event(message("a", 100));
        queue.push_event(message("b", 100));
        assert_eq!(queue.next(at(1)).unwrap().topic, "a");
        assert_eq!(queue.next(at(1)), None);
        queue.disconnect();
        assert_eq!(drain(&mut queue, 1), ["a", "b"]);
    }

    #[test]
    fn expired_event_is_dropped_even_if_it_was_in_flight() {
        let mut queue = SendQueue::default();
        queue.push_event(message("short", 10));
        queue.push_event(message("long", 20));
        assert_eq!(queue.next(at(1)).unwrap().topic, "short");
        queue.disconnect();
        assert_eq!(drain(&mut queue, 10), ["long"]);
        assert_eq!(queue.take_dropped(), 1);
        assert_eq!(queue.take_dropped(), 0);
    }

    #[test]
    fn full_queue_drops_oldest_events_and_keeps_responses() {
        let mut queue = SendQueue::default();
        queue.push_response(message("response", 100));
        for number in 0..EVENTS_MAX + 3 {
            queue.push_event(message(&number.to_string(), 100));
        }
        let sent = drain(&mut queue, 1);
        let first_two = (sent[0].as_str(), sent[1].as_str());
        assert_eq!((sent.len(), first_two), (EVENTS_MAX + 1, ("response", "3")));
        assert_eq!(queue.take_dropped(), 3);
    }

    #[test]
    fn outbox_message_is_queued_once() {
        let mut queue = SendQueue::default();
        let done = || OutgoingMessage { outbox_number: Some(7), ..message("done", 900) };
        queue.push_event(done());
        queue.push_event(done());
        assert_eq!(queue.next(at(1)).unwrap().topic, "done");
        queue.push_response(done());
        assert_eq!(queue.acknowledge(), Some(7));
        assert_eq!(queue.next(at(1)), None);
    }

    #[test]
    fn outbox_message_is_kept_in_full_queue_until_acknowledged() {
        let mut queue = SendQueue::default();
        queue.push_event(message("captured", 100));
        queue.push_event(OutgoingMessage { outbox_number: Some(7), ..message("done", 900) });
        for number in 0..EVENTS_MAX {
            queue.push_event(message(&number.to_string(), 100));
        }
        assert_eq!(queue.next(at(200)).unwrap().topic, "done");
        queue.disconnect();
        assert_eq!(queue.next(at(200)).unwrap().topic, "done");
        assert_eq!(queue.acknowledge(), Some(7));
        assert_eq!(queue.acknowledge(), None);
    }

    /// Queues visits by customer and kind (`a`, `c`, `l`), and returns those that a new session sends.
    fn visits_after_outage(sent: Option<(u128, char)>, queued: &[(u128, char)]) -> Vec<String> {
        let mut queue = SendQueue::default();
        for (customer, letter) in sent.iter().chain(queued) {
            let kind = match letter {
                'a' => VisitKind::Arrived,
                'c' => VisitKind::Changed,
                _ => VisitKind::Left,
            };
            let visit = Some((CustomerId(uuid::Uuid::from_u128(*customer)), kind));
            let name = format!("{customer}{letter}");
            queue.push_event(OutgoingMessage { visit, ..message(&name, 100) });
            if sent.is_some() {
                // The acknowledgement of the first one is lost.
                queue.next(at(0));
            }
        }
        queue.disconnect();
        queue.announce([]);
        drain(&mut queue, 1)
    }

    #[test]
    fn only_present_situation_is_sent_after_outage() {
        let none = Vec::<String>::new();
        assert_eq!(visits_after_outage(None, &[(1, 'a'), (1, 'l')]), none);
        assert_eq!(visits_after_outage(None, &[(1, 'a'), (2, 'a'), (1, 'l')]), ["2a"]);
        assert_eq!(visits_after_outage(None, &[(1, 'c'), (1, 'l')]), ["1l"]);
        assert_eq!(visits_after_outage(Some((1, 'a')), &[(1, 'l')]), ["1l"]);
        assert_eq!(visits_after_outage(None, &[(1, 'l'), (1, 'a')]), ["1a"]);
        assert_eq!(visits_after_outage(None, &[(1, 'a'), (1, 'c'), (1, 'c')]), ["1a", "1c"]);
        assert_eq!(visits_after_outage(None, &[(1, 'a'), (1, 'l'), (1, 'a')]), ["1a"]);
    }

    #[test]
    fn newest_state_is_sent_once_per_connection() {
        let mut queue = SendQueue::default();
        queue.set_state(message("old", 100));
        queue.set_state(message("new", 100));
        queue.push_event(message("event", 100));
        assert_eq!(drain(&mut queue, 1), ["new", "event"]);
        queue.disconnect();
        queue.announce([message("online", 100)]);
        assert_eq!(drain(&mut queue, 1), ["online", "new"]);
    }

    #[test]
    fn state_in_flight_does_not_replace_newer_state() {
        let mut queue = SendQueue::default();
        queue.set_state(message("old", 100));
        assert_eq!(queue.next(at(1)).unwrap().topic, "old");
        queue.set_state(message("new", 100));
        queue.disconnect();
        queue.announce([]);
        assert_eq!(drain(&mut queue, 1), ["new"]);
    }
}
