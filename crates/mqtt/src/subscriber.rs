//! Connection of a display, which receives verified events and sends commands.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use instored_domain::{
    BoxId, BoxState, Command, CommandFailure, CommandResponse, EnrolmentEvent, EnrolmentStep,
    EventId, ListEvent, VisitEvent,
};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::commands;
use super::connection::Connection;
use super::send_queue::{OutgoingMessage, SendQueue};
use super::session::{IncomingMessage, RENEWAL_DELAY, SessionHandler};
use super::session_config::{SessionConfig, Subscription};
use super::signature::{SEQUENCE_PROPERTY, SIGNATURE_PROPERTY, verify};
use super::topics::{self, box_topic};
use super::trust::{BOXES_MAX, TrustStore};
use super::{
    MqttError, PublicKey, PublicKeyAnnouncement, Settings, SignatureError, VERSION, Versioned,
};

/// Maximum number of events that wait for the display.
const EVENT_QUEUE_LENGTH: usize = 256;

/// Leaves of the signed topics that a subscriber receives.
const SIGNED_LEAVES: [&str; 4] = [topics::VISIT, topics::ENROLMENT, topics::LIST, topics::STATE];

/// Verified message from a box, or a change of the connection.
///
/// An event or state has a valid signature and was sent after the previously delivered one of the same box
/// and topic. An event has not expired, and is delivered once.
#[derive(Clone, PartialEq, Debug)]
pub enum BoxEvent {
    /// A visit started, changed or ended.
    Visit(BoxId, VisitEvent),
    /// An enrolment reached its next step.
    Enrolment(BoxId, EnrolmentEvent),
    /// A shopping list changed.
    List(BoxId, ListEvent),
    /// The state of the box changed.
    State(BoxId, BoxState),
    /// True if the box is connected to the broker and announces the trusted key.
    Availability(BoxId, bool),
    /// True if this subscriber is connected to the broker.
    BrokerConnection(bool),
    /// The broker has been silent for up to 1.5 keep-alive intervals. Events may have been missed.
    BrokerSilent,
}

/// Client that sends commands to boxes and waits for the responses.
#[derive(Clone)]
pub struct CommandClient(Arc<Requests>);

/// Error of [`CommandClient::send`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The box rejected the command.
    #[error(transparent)]
    Rejected(#[from] CommandFailure),
    /// The box did not respond in time.
    #[error("the box did not respond in time; check that the box is online")]
    NoResponse,
    /// The response has an unknown format.
    #[error("cannot read the response of the box: install the same version on box and display")]
    MalformedResponse,
}

/// Commands that are queued, and commands that wait for a response.
pub(super) struct Requests {
    /// Leaf of the topic for responses.
    pub response_leaf: String,
    pub queue: Mutex<SendQueue>,
    pub queue_notify: Arc<Notify>,
    /// Channels for the response payloads, by correlation data.
    pub pending: Mutex<HashMap<Vec<u8>, oneshot::Sender<Vec<u8>>>>,
}

pub(super) struct Subscriber {
    trust: TrustStore,
    /// Boxes whose announced key is not trusted. They count as offline.
    untrusted_boxes: HashSet<BoxId>,
    /// States that arrived before the key of their box.
    unverified_states: HashMap<BoxId, IncomingMessage>,
    /// Ids of delivered events until they expire.
    recent_event_ids: HashMap<EventId, Timestamp>,
    is_connected: Option<bool>,
    /// Time from which a new session has to replace the present one; see [`SessionHandler::renewal_due`].
    renewal_due: Option<Instant>,
    events: mpsc::Sender<BoxEvent>,
    requests: Arc<Requests>,
}

/// Prepares a subscription to one box, or to all boxes if `box_id` is `None`. [`Connection::run`]
/// connects to the broker.
///
/// # Errors
/// A setting is invalid, or a file named by a setting cannot be read.
pub fn subscribe(
    settings: &Settings,
    box_id: Option<&BoxId>,
    trust: impl Into<TrustStore>,
) -> Result<(mpsc::Receiver<BoxEvent>, CommandClient, Connection), MqttError> {
    let queue_notify = Arc::new(Notify::new());
    let client_id = format!("instored-display-{}", &Uuid::new_v4().simple().to_string()[..12]);
    let response_leaf = response_leaf(settings.username.as_deref(), &client_id);
    // The key comes first, because it verifies the retained state. State and availability come last:
    // when they arrive, the box's events are already subscribed.
    let leaves = [
        topics::KEY,
        &response_leaf,
        topics::VISIT,
        topics::ENROLMENT,
        topics::LIST,
        topics::STATE,
        topics::AVAILABILITY,
    ];
    let subscriptions = leaves
        .into_iter()
        .map(|leaf| Subscription {
            topic_filter: topics::filter(box_id, leaf),
            includes_retained: true,
        })
        .collect();
    let config =
        SessionConfig::new(settings, client_id, None, subscriptions, Arc::clone(&queue_notify))?;
    let (sender, events) = mpsc::channel(EVENT_QUEUE_LENGTH);
    let requests = Arc::new(Requests {
        response_leaf,
        queue: Mutex::default(),
        queue_notify,
        pending: Mutex::default(),
    });
    let subscriber = Subscriber::new(trust.into(), sender, Arc::clone(&requests));
    Ok((events, CommandClient(requests), Connection::new(config, subscriber)))
}

/// Returns the leaf of the topic for responses. It begins with the name of the account, so that the broker's
/// access rules can give it to this account only.
fn response_leaf(username: Option<&str>, client_id: &str) -> String {
    let account = username.filter(|name| topics::is_publishable(name) && !name.contains('/'));
    let account = account.map(|name| format!("{name}/")).unwrap_or_default();
    format!("{}{account}{client_id}", topics::REPLY_PREFIX)
}

impl CommandClient {
    /// Sends a command to a box and waits for its response, at most for `timeout`.
    ///
    /// # Errors
    /// The box rejects the command, does not respond in time, or sends a malformed response.
    pub async fn send(
        &self,
        box_id: &BoxId,
        command: &Command,
        timeout: Duration,
    ) -> Result<CommandResponse, CommandError> {
        let (verb, payload) =
            commands::encode(command).map_err(|_| CommandError::MalformedResponse)?;
        let correlation_data = Uuid::new_v4().into_bytes().to_vec();
        let (sender, receiver) = oneshot::channel();
        let pending_request =
            PendingRequest { requests: &self.0, correlation_data: correlation_data.clone() };
        self.0.pending().insert(correlation_data.clone(), sender);

        let now = Timestamp::now();
        let expires = SignedDuration::try_from(timeout)
            .ok()
            .and_then(|timeout| now.checked_add(timeout).ok());
        let response_leaf = self.0.response_leaf.clone();
        let message = OutgoingMessage {
            topic: box_topic(box_id, &format!("{}{verb}", topics::COMMAND_PREFIX)),
            payload,
            expires,
            response_topic: Some(box_topic(box_id, &response_leaf)),
            correlation_data: Some(correlation_data),
            ..OutgoingMessage::default()
        };
        self.0.queue().push_event(message);
        self.0.queue_notify.notify_one();
        let result = tokio::time::timeout(timeout, receiver).await;
        drop(pending_request);
        let payload = result.ok().and_then(Result::ok).ok_or(CommandError::NoResponse)?;
        let response = commands::decode_response_payload(&payload)
            .map_err(|_| CommandError::MalformedResponse)?;
        Ok(response?)
    }
}

/// Guard that removes a request from [`Requests::pending`], even when its future is dropped.
struct PendingRequest<'a> {
    requests: &'a Requests,
    correlation_data: Vec<u8>,
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        self.requests.pending().remove(&self.correlation_data);
    }
}

impl Requests {
    fn queue(&self) -> MutexGuard<'_, SendQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<Vec<u8>, oneshot::Sender<Vec<u8>>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    /// Creates a subscriber without any key of a box.
    pub fn new(trust: TrustStore, events: mpsc::Sender<BoxEvent>, requests: Arc<Requests>) -> Self {
        Self {
            trust,
            untrusted_boxes: HashSet::new(),
            unverified_states: HashMap::new(),
            recent_event_ids: HashMap::new(),
            is_connected: None,
            renewal_due: None,
            events,
            requests,
        }
    }

    fn deliver(&self, event: BoxEvent) {
        if self.events.try_send(event).is_err() {
            tracing::warn!("an event is dropped: the event queue of the display is full");
        }
    }

    /// Delivers a change of the connection to the broker. A repeated failure is not delivered.
    fn set_connected(&mut self, is_connected: bool) {
        if self.is_connected.replace(is_connected) != Some(is_connected) {
            self.deliver(BoxEvent::BrokerConnection(is_connected));
        }
    }

    /// Stores the first key of a box. Accepts another key only if endorsements lead to it from the
    /// trusted key.
    fn handle_key(&mut self, box_id: BoxId, message: &IncomingMessage) {
        let Ok(announcement) = serde_json::from_slice::<PublicKeyAnnouncement>(&message.payload)
        else {
            return tracing::warn!("cannot read the key that {box_id} announces");
        };
        let announced = announcement.ed25519;
        match self.trust.key(&box_id) {
            Some(trusted) if trusted == announced => {
                self.untrusted_boxes.remove(&box_id);
            }
            Some(trusted) if announcement.is_trusted(&box_id, trusted) => {
                tracing::info!("{box_id} now signs with the key {announced}");
                self.untrusted_boxes.remove(&box_id);
                self.trust.set_key(&box_id, announced);
            }
            Some(_) => {
                tracing::warn!(
                    "{box_id} is ignored: it announces the key {announced}, \
                     which the trusted key does not endorse. If the box has a new vault, set \
                     display.box_key to this key, or delete the file display.trust_file, and restart the display"
                );
                self.untrusted_boxes.insert(box_id.clone());
                self.deliver(BoxEvent::Availability(box_id, false));
            }
            None if self.trust.is_full() => {
                tracing::warn!("{box_id} is ignored: there are more than {BOXES_MAX} boxes");
            }
            None => {
                tracing::info!("{box_id} signs with the key {announced}");
                self.trust.set_key(&box_id, announced);
                if let Some(state) = self.unverified_states.remove(&box_id) {
                    self.handle_event(box_id, state, Timestamp::now());
                }
            }
        }
    }

    /// Verifies and delivers an event or a state.
    fn handle_event(&mut self, box_id: BoxId, message: IncomingMessage, now: Timestamp) {
        let Some(key) = self.trust.key(&box_id) else {
            return self.store_unverified_state(box_id, message);
        };
        let Some((_, leaf)) = topics::split(&message.topic) else { return };
        if !SIGNED_LEAVES.contains(&leaf) {
            return;
        }
        let Some(sequence) = verified_sequence(&key, &message) else { return };
        if !self.trust.advance(&box_id, leaf, sequence) {
            return tracing::warn!(
                "a message on {} is ignored: its sequence number {sequence} was used already or is too \
                 low, so the message was repeated or the vault of the box was restored",
                message.topic
            );
        }
        let event = match leaf {
            topics::VISIT => parse::<VisitEvent>(&message)
                .filter(|event| self.is_new_event(event.id, event.expires, now))
                .map(|event| BoxEvent::Visit(box_id, event)),
            topics::ENROLMENT => parse::<EnrolmentEvent>(&message)
                .filter(|event| self.is_new_event(event.id, event.expires, now))
                .map(|event| BoxEvent::Enrolment(box_id, event)),
            topics::LIST => parse::<ListEvent>(&message)
                .filter(|event| self.is_new_event(event.id, event.expires, now))
                .map(|event| BoxEvent::List(box_id, event)),
            _ => parse::<BoxState>(&message).map(|state| BoxEvent::State(box_id, state)),
        };
        if let Some(event) = event {
            if let BoxEvent::Enrolment(_, EnrolmentEvent { step, .. }) = &event
                && matches!(step, EnrolmentStep::Withdrawn { .. })
            {
                self.renewal_due = Some(Instant::now() + RENEWAL_DELAY);
            }
            self.deliver(event);
        }
    }

    /// Stores a state until the key of its box arrives.
    fn store_unverified_state(&mut self, box_id: BoxId, message: IncomingMessage) {
        let has_room = self.unverified_states.len() < BOXES_MAX
            || self.unverified_states.contains_key(&box_id);
        if has_room && message.topic.ends_with(topics::STATE) {
            self.unverified_states.insert(box_id, message);
        }
    }

    /// Returns true if an event has not expired and was not delivered before, and records its id.
    fn is_new_event(&mut self, id: EventId, expires: Timestamp, now: Timestamp) -> bool {
        self.recent_event_ids.retain(|_, expires| *expires > now);
        expires > now && self.recent_event_ids.insert(id, expires).is_none()
    }
}

/// Returns the sequence number of a message, or `None` if the message has no valid signature of `key`.
fn verified_sequence(key: &PublicKey, message: &IncomingMessage) -> Option<u64> {
    let topic = &message.topic;
    let property = |name: &str| {
        let found = message.user_properties.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str()).ok_or(SignatureError::Missing)
    };
    let verify_signature = || {
        let sequence = property(SEQUENCE_PROPERTY)?.parse().map_err(|_| SignatureError::Missing)?;
        verify(key, topic, sequence, &message.payload, property(SIGNATURE_PROPERTY)?)?;
        Ok::<u64, SignatureError>(sequence)
    };
    verify_signature()
        .inspect_err(|error| tracing::warn!("a message on {topic} is ignored: {error}"))
        .ok()
}

/// Parses an event, or returns `None` if its version is unknown.
fn parse<T: DeserializeOwned>(message: &IncomingMessage) -> Option<T> {
    let parsed = serde_json::from_slice::<Versioned<T>>(&message.payload).ok();
    let event = parsed.filter(|event| event.v == VERSION).map(|parsed| parsed.event);
    if event.is_none() {
        tracing::warn!(
            "an event on {} is ignored: its format or version is unknown",
            message.topic
        );
    }
    event
}

impl SessionHandler for Subscriber {
    fn on_connected(&mut self) {
        self.renewal_due = None;
        self.set_connected(true);
    }

    fn on_disconnected(&mut self, was_silent: bool) {
        self.requests.queue().disconnect();
        if was_silent && self.is_connected == Some(true) {
            self.deliver(BoxEvent::BrokerSilent);
        }
        self.set_connected(false);
    }

    fn next_message(&mut self, now: Timestamp) -> Option<OutgoingMessage> {
        self.requests.queue().next(now)
    }

    fn on_acknowledged(&mut self) {
        self.requests.queue().acknowledge();
    }

    fn on_rejected(&mut self, is_retried: bool) {
        self.requests.queue().reject(is_retried);
    }

    fn on_message(&mut self, message: IncomingMessage, now: Timestamp) {
        let Some((box_id, leaf)) = topics::split(&message.topic) else {
            return;
        };
        // A retained message may arrive before the last subscription is acknowledged.
        self.set_connected(true);
        match leaf {
            topics::KEY => self.handle_key(box_id, &message),
            topics::AVAILABILITY => {
                let is_trusted = !self.untrusted_boxes.contains(&box_id);
                let is_online = is_trusted && message.payload == topics::ONLINE.as_bytes();
                self.deliver(BoxEvent::Availability(box_id, is_online));
            }
            _ if leaf.starts_with(topics::REPLY_PREFIX) => {
                let response_sender =
                    message.correlation_data.and_then(|data| self.requests.pending().remove(&data));
                if let Some(sender) = response_sender {
                    // Fails only if the request has just timed out.
                    let _ = sender.send(message.payload);
                }
            }
            _ => self.handle_event(box_id, message, now),
        }
    }

    fn final_message(&mut self) -> Option<OutgoingMessage> {
        None
    }

    fn renewal_due(&self) -> Option<Instant> {
        self.renewal_due
    }
}
