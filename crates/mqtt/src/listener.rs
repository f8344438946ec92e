//! A display's end of the bus: it hears what boxes say, and may ask them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use instored_domain::{
    Answer, BoxId, BoxState, Command, EnrolmentEvent, EventId, ListEvent, Refusal, VisitEvent,
};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

use super::commands;
use super::link::{Connection, Link, Peer, Received, Subscription};
use super::queue::{Outgoing, Queue};
use super::signature::SIGNATURE_PROPERTY;
use super::{BusError, KeyNote, PublicKey, Settings, VERSION, Versioned, topics, verify};

/// What waits for the display at most.
const HEARD: usize = 256;
/// More boxes than any shop has; beyond, their keys are not learned.
const BOXES: usize = 64;

/// Something that a box said. Events are signed by it, not expired, and told once; a state is not
/// older than the one told before.
#[derive(Clone, PartialEq, Debug)]
pub enum Heard {
    /// A customer came or went.
    Visit(BoxId, VisitEvent),
    /// An enrolment goes on.
    Enrolment(BoxId, EnrolmentEvent),
    /// Somebody's list is another than before.
    List(BoxId, ListEvent),
    /// What the box is doing.
    State(BoxId, BoxState),
    /// Whether the box is at the broker, and shows the key that is believed.
    Online(BoxId, bool),
    /// Whether this display is.
    Link(bool),
}

/// Which key a display believes.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The one it was told.
    Pinned(PublicKey),
    /// The first one that each box shows, for as long as the display runs.
    FirstUse,
}

/// Asks boxes.
#[derive(Clone)]
pub struct Caller(Arc<Calls>);

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The box refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No answer in time.
    #[error("the box did not answer in time; is it online?")]
    NoAnswer,
    /// The answer is none that this version knows.
    #[error("the box answered in words that this version does not know")]
    Unreadable,
}

struct Calls {
    client_id: String,
    queue: Mutex<Queue>,
    wake: Arc<Notify>,
    waiting: Mutex<HashMap<Vec<u8>, oneshot::Sender<Vec<u8>>>>,
}

struct Ear {
    trust: Trust,
    keys: HashMap<BoxId, PublicKey>,
    /// Boxes that show a key which is not believed: nothing is heard of them.
    strangers: HashSet<BoxId>,
    /// A state that came before its box's key.
    unverified: HashMap<BoxId, Received>,
    /// Events already told, with their expiry.
    told: HashMap<EventId, Timestamp>,
    /// When the newest state of each box was said.
    newest: HashMap<BoxId, Timestamp>,
    linked: Option<bool>,
    heard: mpsc::Sender<Heard>,
    calls: Arc<Calls>,
}

/// Prepares to hear `box_id`, or all boxes. The connection begins when it is run.
///
/// # Errors
/// When a setting cannot be meant or a file it names cannot be read.
pub fn listen(
    settings: &Settings,
    box_id: Option<&BoxId>,
    trust: Trust,
) -> Result<(mpsc::Receiver<Heard>, Caller, Connection), BusError> {
    let wake = Arc::new(Notify::new());
    let client_id = format!("instored-display-{}", &Uuid::new_v4().simple().to_string()[..12]);
    let reply = format!("reply/{client_id}");
    // The key first: what is kept under the others is checked with it. State and availability
    // last: who has heard them misses no event any more.
    let leaves = [
        topics::KEY,
        &reply,
        topics::VISIT,
        topics::ENROLMENT,
        topics::LIST,
        topics::STATE,
        topics::AVAILABILITY,
    ];
    let subscriptions = leaves
        .into_iter()
        .map(|leaf| Subscription { filter: topics::filter(box_id, leaf), retained: true })
        .collect();
    let link = Link::new(settings, client_id.clone(), None, subscriptions, Arc::clone(&wake))?;
    let (sender, heard) = mpsc::channel(HEARD);
    let calls = Arc::new(Calls {
        client_id,
        queue: Mutex::new(Queue::default()),
        wake,
        waiting: Mutex::new(HashMap::new()),
    });
    let ear = Ear {
        trust,
        keys: HashMap::new(),
        strangers: HashSet::new(),
        unverified: HashMap::new(),
        told: HashMap::new(),
        newest: HashMap::new(),
        linked: None,
        heard: sender,
        calls: Arc::clone(&calls),
    };
    Ok((heard, Caller(calls), Connection::new(link, ear)))
}

impl Caller {
    /// Asks a box, and waits at most `patience` for its answer.
    ///
    /// # Errors
    /// When the box refuses, or does not answer in time.
    pub async fn call(
        &self,
        box_id: &BoxId,
        command: &Command,
        patience: Duration,
    ) -> Result<Answer, CallError> {
        let (verb, payload) = commands::encode(command).map_err(|_| CallError::Unreadable)?;
        let correlation = Uuid::new_v4().into_bytes().to_vec();
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting { calls: &self.0, correlation: correlation.clone() };
        self.0.waiting().insert(correlation.clone(), sender);

        let now = Timestamp::now();
        let expires = SignedDuration::try_from(patience).ok().and_then(|p| now.checked_add(p).ok());
        let message = Outgoing {
            topic: topics::of(box_id, &format!("cmd/{verb}")),
            payload,
            expires,
            response_topic: Some(topics::of(box_id, &format!("reply/{}", self.0.client_id))),
            correlation: Some(correlation),
            ..Outgoing::default()
        };
        self.0.queue().event(message, now);
        self.0.wake.notify_one();
        let answer = tokio::time::timeout(patience, answer).await;
        drop(waiting);
        let payload = answer.ok().and_then(Result::ok).ok_or(CallError::NoAnswer)?;
        let answer = commands::decode_answer(&payload).map_err(|_| CallError::Unreadable)?;
        Ok(answer?)
    }
}

/// Takes a call off the list, also when its future is dropped.
struct Waiting<'a> {
    calls: &'a Calls,
    correlation: Vec<u8>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.calls.waiting().remove(&self.correlation);
    }
}

impl Calls {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Vec<u8>, oneshot::Sender<Vec<u8>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear {
    fn tell(&self, heard: Heard) {
        if self.heard.try_send(heard).is_err() {
            tracing::warn!("the display does not keep up: an event is lost");
        }
    }

    /// Tells each change once, not each attempt.
    fn linked(&mut self, linked: bool) {
        if self.linked.replace(linked) != Some(linked) {
            self.tell(Heard::Link(linked));
        }
    }

    fn learn(&mut self, box_id: BoxId, message: &Received) {
        if matches!(self.trust, Trust::Pinned(_)) {
            return;
        }
        let Ok(note) = serde_json::from_slice::<KeyNote>(&message.payload) else {
            return tracing::warn!("the key that {box_id} shows cannot be read");
        };
        match self.keys.get(&box_id) {
            Some(known) if *known != note.ed25519 && Self::is_signed(known, message) => {
                tracing::info!("{box_id} signs with the key {} from now on", note.ed25519);
                self.strangers.remove(&box_id);
                self.keys.insert(box_id, note.ed25519);
            }
            Some(known) if *known != note.ed25519 => {
                tracing::warn!(
                    "{box_id} shows another key than before; it is not believed. If the key was \
                     changed on purpose, start the display again"
                );
                self.strangers.insert(box_id.clone());
                self.tell(Heard::Online(box_id, false));
            }
            Some(_) => {
                self.strangers.remove(&box_id);
            }
            None if self.keys.len() >= BOXES => {
                tracing::warn!("more than {BOXES} boxes: {box_id} is not heard");
            }
            None => {
                tracing::info!("{box_id} signs with the key {}", note.ed25519);
                self.keys.insert(box_id.clone(), note.ed25519);
                if let Some(state) = self.unverified.remove(&box_id) {
                    self.event(box_id, state, Timestamp::now());
                }
            }
        }
    }

    /// Whether the holder of the key has signed a message.
    fn is_signed(key: &PublicKey, message: &Received) -> bool {
        let topic = &message.topic;
        let signature = message
            .user_properties
            .iter()
            .find(|(name, _)| name == SIGNATURE_PROPERTY)
            .ok_or(super::SignatureError::Missing);
        let verdict = signature.and_then(|(_, sig)| verify(key, topic, &message.payload, sig));
        verdict
            .inspect_err(|error| tracing::warn!("an event on {topic} is ignored: {error}"))
            .is_ok()
    }

    /// Reads an event, if its box has signed it.
    fn verified<T: DeserializeOwned>(key: &PublicKey, message: &Received) -> Option<T> {
        if !Self::is_signed(key, message) {
            return None;
        }
        let read = serde_json::from_slice::<Versioned<T>>(&message.payload).ok();
        let event = read.filter(|read| read.v == VERSION).map(|read| read.event);
        if event.is_none() {
            tracing::warn!("an event on {} is of another version", message.topic);
        }
        event
    }

    /// Whether an event is news: not expired, and not told before.
    fn news(&mut self, id: EventId, expires: Timestamp, now: Timestamp) -> bool {
        self.told.retain(|_, expires| *expires > now);
        expires > now && self.told.insert(id, expires).is_none()
    }

    /// Whether a state is none from before one that was told: somebody may play an old one again.
    fn is_newest(&mut self, box_id: &BoxId, issued: Timestamp, now: Timestamp) -> bool {
        let newest = self.newest.entry(box_id.clone()).or_insert(issued);
        if issued < *newest {
            tracing::warn!("{box_id} is said to be in a state that it left at or before {newest}");
            return false;
        }
        // A box whose clock was ahead is heard again once it is set right.
        *newest = issued.min(now);
        true
    }

    fn event(&mut self, box_id: BoxId, message: Received, now: Timestamp) {
        let key = match self.trust {
            Trust::Pinned(key) => key,
            Trust::FirstUse => match self.keys.get(&box_id) {
                Some(key) => *key,
                None => {
                    let room =
                        self.unverified.len() < BOXES || self.unverified.contains_key(&box_id);
                    if room && message.topic.ends_with(topics::STATE) {
                        self.unverified.insert(box_id, message);
                    }
                    return;
                }
            },
        };
        match topics::split(&message.topic).map(|(_, leaf)| leaf) {
            Some(topics::VISIT) => {
                if let Some(event) = Self::verified::<VisitEvent>(&key, &message)
                    && self.news(event.id, event.expires, now)
                {
                    self.tell(Heard::Visit(box_id, event));
                }
            }
            Some(topics::ENROLMENT) => {
                if let Some(event) = Self::verified::<EnrolmentEvent>(&key, &message)
                    && self.news(event.id, event.expires, now)
                {
                    self.tell(Heard::Enrolment(box_id, event));
                }
            }
            Some(topics::LIST) => {
                if let Some(event) = Self::verified::<ListEvent>(&key, &message)
                    && self.news(event.id, event.expires, now)
                {
                    self.tell(Heard::List(box_id, event));
                }
            }
            Some(topics::STATE) => {
                if let Some(state) = Self::verified::<BoxState>(&key, &message)
                    && self.is_newest(&box_id, state.issued, now)
                {
                    self.tell(Heard::State(box_id, state));
                }
            }
            _ => {}
        }
    }
}

impl Peer for Ear {
    fn up(&mut self) {
        self.linked(true);
    }

    fn down(&mut self) {
        self.calls.queue().lost();
        self.linked(false);
    }

    fn next(&mut self, now: Timestamp) -> Option<Outgoing> {
        self.calls.queue().next(now)
    }

    fn acked(&mut self) {
        self.calls.queue().acked();
    }

    fn received(&mut self, message: Received, now: Timestamp) {
        let Some((box_id, leaf)) = topics::split(&message.topic) else {
            return;
        };
        // What the broker kept may come before the last subscription is acknowledged.
        self.linked(true);
        match leaf {
            topics::KEY => self.learn(box_id, &message),
            topics::AVAILABILITY => {
                let known = !self.strangers.contains(&box_id);
                let online = known && message.payload == topics::ONLINE.as_bytes();
                self.tell(Heard::Online(box_id, online));
            }
            _ if leaf.starts_with("reply/") => {
                let call = message.correlation.and_then(|c| self.calls.waiting().remove(&c));
                if let Some(call) = call {
                    // The caller may have lost patience at this very moment.
                    let _ = call.send(message.payload);
                }
            }
            _ => self.event(box_id, message, now),
        }
    }

    fn farewell(&mut self) -> Option<Outgoing> {
        None
    }
}
