//! What waits for the broker, and what is given up while it is away.
//!
//! The MQTT client below never holds more than the one message that it is sending: everything else
//! waits here, where it can still be dropped. Of the state only the newest counts; an event that
//! has expired is not worth saying; beyond [`EVENTS`] the oldest events go, beyond [`REPLIES`] the
//! oldest answers. A message whose acknowledgement was lost with the connection is sent again, so
//! an event may arrive twice: its id says so.

use std::collections::VecDeque;
use std::fmt;

use jiff::Timestamp;

/// How many events wait at most.
pub(super) const EVENTS: usize = 256;
/// How many answers wait at most.
pub(super) const REPLIES: usize = 64;

/// A message on its way out.
#[derive(Clone, PartialEq, Default)]
pub(super) struct Outgoing {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
    /// When nobody needs it any more.
    pub expires: Option<Timestamp>,
    pub user_properties: Vec<(String, String)>,
    pub response_topic: Option<String>,
    pub correlation: Option<Vec<u8>>,
}

/// Payloads name people: they do not print.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("topic", &self.topic).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Lane {
    Announcement,
    State,
    Reply,
    Event,
}

/// The messages that wait, and the one that is being sent.
#[derive(Default)]
pub(super) struct Queue {
    announcements: VecDeque<Outgoing>,
    state: Option<Outgoing>,
    state_due: bool,
    replies: VecDeque<Outgoing>,
    events: VecDeque<Outgoing>,
    in_flight: Option<(Lane, Outgoing)>,
    /// Given up since the start, and how much of that was told.
    dropped: u64,
    told: u64,
}

impl Queue {
    /// Says `messages` before anything else, and the state once more: the connection is new.
    pub fn announce(&mut self, messages: impl IntoIterator<Item = Outgoing>) {
        self.announcements = messages.into_iter().collect();
        self.state_due = self.state.is_some();
    }

    /// Replaces the state.
    pub fn state(&mut self, message: Outgoing) {
        self.state = Some(message);
        self.state_due = true;
    }

    /// Queues an event behind the others.
    pub fn event(&mut self, message: Outgoing, now: Timestamp) {
        self.forget_expired(now);
        self.dropped += push_bounded(&mut self.events, message, EVENTS);
    }

    /// Queues an answer behind the others.
    pub fn reply(&mut self, message: Outgoing, now: Timestamp) {
        self.forget_expired(now);
        self.dropped += push_bounded(&mut self.replies, message, REPLIES);
    }

    /// The next message to send. Nothing, while the one before is not [`Self::acked`].
    pub fn next(&mut self, now: Timestamp) -> Option<Outgoing> {
        if self.in_flight.is_some() {
            return None;
        }
        self.forget_expired(now);
        let next = if let Some(message) = self.announcements.pop_front() {
            (Lane::Announcement, message)
        } else if let Some(message) = self.state.clone().filter(|_| self.state_due) {
            self.state_due = false;
            (Lane::State, message)
        } else if let Some(message) = self.replies.pop_front() {
            (Lane::Reply, message)
        } else {
            (Lane::Event, self.events.pop_front()?)
        };
        self.in_flight = Some(next.clone());
        Some(next.1)
    }

    /// The message in flight has arrived, or never will.
    pub fn acked(&mut self) {
        self.in_flight = None;
    }

    /// The connection was lost: the message in flight is the first to be sent on the next one.
    pub fn lost(&mut self) {
        self.announcements.clear();
        match self.in_flight.take() {
            Some((Lane::Reply, message)) => self.replies.push_front(message),
            Some((Lane::Event, message)) => self.events.push_front(message),
            // The next connection begins with these anyway.
            Some((Lane::Announcement | Lane::State, _)) | None => {}
        }
    }

    /// How many messages wait, the one in flight included.
    pub fn waiting(&self) -> u64 {
        let waiting = self.announcements.len() + self.replies.len() + self.events.len();
        waiting as u64 + u64::from(self.state_due) + u64::from(self.in_flight.is_some())
    }

    /// How many messages were given up since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        self.dropped - std::mem::replace(&mut self.told, self.dropped)
    }

    /// How many messages were given up since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn forget_expired(&mut self, now: Timestamp) {
        let before = self.events.len() + self.replies.len();
        let fresh = |message: &Outgoing| message.expires.is_none_or(|expires| expires > now);
        self.events.retain(fresh);
        self.replies.retain(fresh);
        self.dropped += (before - self.events.len() - self.replies.len()) as u64;
    }
}

fn push_bounded(queue: &mut VecDeque<Outgoing>, message: Outgoing, limit: usize) -> u64 {
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

    fn message(name: &str, expires: i64) -> Outgoing {
        Outgoing { topic: name.into(), expires: Some(at(expires)), ..Outgoing::default() }
    }

    fn rest(queue: &mut Queue, now: i64) -> Vec<String> {
        std::iter::from_fn(|| {
            let next = queue.next(at(now));
            queue.acked();
            next.map(|message| message.topic)
        })
        .collect()
    }

    #[test]
    fn one_message_is_in_flight_at_a_time_and_comes_first_after_a_loss() {
        let mut queue = Queue::default();
        queue.event(message("a", 100), at(0));
        queue.event(message("b", 100), at(0));
        assert_eq!(queue.next(at(1)).unwrap().topic, "a");
        assert_eq!(queue.next(at(1)), None);
        queue.lost();
        assert_eq!(rest(&mut queue, 1), ["a", "b"]);
    }

    #[test]
    fn an_expired_event_is_dropped_even_if_it_was_in_flight() {
        let mut queue = Queue::default();
        queue.event(message("short", 10), at(0));
        queue.event(message("long", 20), at(0));
        assert_eq!(queue.next(at(1)).unwrap().topic, "short");
        queue.lost();
        assert_eq!(rest(&mut queue, 10), ["long"]);
        assert_eq!(queue.take_dropped(), 1);
        assert_eq!(queue.take_dropped(), 0);
    }

    #[test]
    fn beyond_the_limit_the_oldest_events_go_and_answers_are_spared() {
        let mut queue = Queue::default();
        queue.reply(message("answer", 100), at(0));
        for n in 0..EVENTS + 3 {
            queue.event(message(&n.to_string(), 100), at(0));
        }
        let left = rest(&mut queue, 1);
        assert_eq!((left.len(), left[0].as_str(), left[1].as_str()), (EVENTS + 1, "answer", "3"));
        assert_eq!(queue.take_dropped(), 3);
    }

    #[test]
    fn only_the_newest_state_is_said_and_again_on_each_connection() {
        let mut queue = Queue::default();
        queue.state(message("old", 100));
        queue.state(message("new", 100));
        queue.event(message("event", 100), at(0));
        assert_eq!(rest(&mut queue, 1), ["new", "event"]);
        queue.lost();
        queue.announce([message("online", 100)]);
        assert_eq!(rest(&mut queue, 1), ["online", "new"]);
    }

    #[test]
    fn a_state_that_was_in_flight_does_not_displace_a_newer_one() {
        let mut queue = Queue::default();
        queue.state(message("old", 100));
        assert_eq!(queue.next(at(1)).unwrap().topic, "old");
        queue.state(message("new", 100));
        queue.lost();
        queue.announce([]);
        assert_eq!(rest(&mut queue, 1), ["new"]);
    }
}
