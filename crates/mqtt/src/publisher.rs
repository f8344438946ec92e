//! Connection of a box, which publishes events and receives commands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use instored_domain::{
    BoxId, BoxState, Command, CommandFailure, CommandFailureCode, CommandResponse, EnrolmentEvent,
    ListEvent, PresenceEvent, ResponseAddress, VisitEvent,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use super::commands;
use super::connection::Connection;
use super::home_assistant::HomeAssistant;
use super::rate_limit::RateLimiter;
use super::send_queue::{OutgoingMessage, SendQueue};
use super::session::{IncomingMessage, RENEWAL_DELAY, SessionHandler};
use super::session_config::{SessionConfig, Subscription};
use super::topics::{self, box_topic};
use super::{MqttError, Settings, Signer, versioned};

/// Time until a response expires. Clients do not wait longer.
const RESPONSE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// Maximum number of commands that wait for the daemon.
const COMMAND_QUEUE_LENGTH: usize = 32;
/// Valid range of `commands_per_second`.
const COMMANDS_PER_SECOND: std::ops::RangeInclusive<u32> = 1..=1000;

/// Publisher of events and responses. Its methods do not block and do not fail: a message that cannot be
/// sent waits in the send queue.
#[derive(Clone)]
pub struct Publisher(Arc<Shared>);

/// Valid command from a client. An invalid command is not delivered; its response is an error.
#[derive(Debug)]
pub struct ReceivedCommand {
    /// Parsed command.
    pub command: Command,
    /// Address for the response; `None` if the command has no valid response topic.
    pub response_address: Option<ResponseAddress>,
}

/// Counters of the connection since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Statistics {
    /// Messages that are queued or in flight now.
    pub queued: u64,
    /// Age of the oldest message without an acknowledgement, in seconds; 0 if there is none.
    pub oldest_queued_seconds: u64,
    /// Messages dropped because they expired, the queue was full or the broker rejected them.
    pub dropped: u64,
    /// Rejections of messages by the broker.
    pub rejected: u64,
    /// Sessions with the broker.
    pub connections: u64,
    /// Commands rejected because they were invalid or too frequent, or the command queue was full.
    #[serde(rename = "refused_commands")]
    pub rejected_commands: u64,
}

struct Shared {
    box_id: BoxId,
    home_assistant: HomeAssistant,
    connections: AtomicU64,
    rejected_commands: AtomicU64,
    signer: RwLock<Signer>,
    /// Sequence number of the next signed message.
    sequence: AtomicU64,
    queue: Mutex<SendQueue>,
    /// Time from which a new session has to replace the present one; see [`SessionHandler::renewal_due`].
    renewal_due: Mutex<Option<tokio::time::Instant>>,
    queue_notify: Arc<Notify>,
}

struct BoxSession {
    shared: Arc<Shared>,
    commands: mpsc::Sender<ReceivedCommand>,
    delivered: mpsc::UnboundedSender<u64>,
    limiter: RateLimiter,
    final_message: Option<OutgoingMessage>,
}

/// Prepared connection of a box.
pub struct BoxConnection {
    /// Publisher of events and responses.
    pub publisher: Publisher,
    /// Valid commands of clients.
    pub commands: mpsc::Receiver<ReceivedCommand>,
    /// Outbox numbers of the messages that the broker has acknowledged.
    pub delivered: mpsc::UnboundedReceiver<u64>,
    /// Connection to the broker; [`Connection::run`] connects.
    pub connection: Connection,
}

/// Prepares the connection of a box. [`Connection::run`] connects to the broker. `start_number` rises with each
/// start of the box. It forms the upper half of the sequence numbers of signed messages.
///
/// # Errors
/// A setting is invalid, or a file named by a setting cannot be read.
pub fn connect(
    settings: &Settings,
    box_id: &BoxId,
    signer: Signer,
    start_number: u32,
) -> Result<BoxConnection, MqttError> {
    if !COMMANDS_PER_SECOND.contains(&settings.commands_per_second) {
        return Err(MqttError::InvalidSetting("commands_per_second must be 1 to 1000"));
    }
    let home_assistant = HomeAssistant {
        prefix: settings.home_assistant_prefix.clone(),
        is_enabled: settings.home_assistant,
        has_button: settings.home_assistant_button,
    };
    if !topics::is_publishable(&home_assistant.prefix) {
        let message = "home_assistant_prefix must be a topic without + and #";
        return Err(MqttError::InvalidSetting(message));
    }
    // A retained command would be executed again in each session.
    let without_retained = |topic_filter| Subscription { topic_filter, includes_retained: false };
    let mut subscriptions = vec![without_retained(box_topic(box_id, "cmd/+"))];
    if home_assistant.is_enabled {
        subscriptions.push(without_retained(home_assistant.birth_topic()));
    }
    let queue_notify = Arc::new(Notify::new());
    let offline = availability(box_id, topics::OFFLINE);
    let config = SessionConfig::new(
        settings,
        format!("instored-{box_id}"),
        Some(offline.clone()),
        subscriptions,
        Arc::clone(&queue_notify),
    )?;
    let shared = Arc::new(Shared {
        box_id: box_id.clone(),
        home_assistant,
        connections: AtomicU64::new(0),
        rejected_commands: AtomicU64::new(0),
        signer: RwLock::new(signer),
        sequence: AtomicU64::new(u64::from(start_number) << 32),
        queue: Mutex::default(),
        renewal_due: Mutex::default(),
        queue_notify,
    });
    let (commands, received) = mpsc::channel(COMMAND_QUEUE_LENGTH);
    let (delivered_sender, delivered) = mpsc::unbounded_channel();
    let session = BoxSession {
        shared: Arc::clone(&shared),
        commands,
        delivered: delivered_sender,
        limiter: RateLimiter::new(settings.commands_per_second, Instant::now()),
        final_message: Some(offline),
    };
    let publisher = Publisher(shared);
    let connection = Connection::new(config, session);
    Ok(BoxConnection { publisher, commands: received, delivered, connection })
}

fn availability(box_id: &BoxId, payload: &str) -> OutgoingMessage {
    OutgoingMessage {
        topic: box_topic(box_id, topics::AVAILABILITY),
        payload: payload.into(),
        is_retained: true,
        ..OutgoingMessage::default()
    }
}

impl Publisher {
    /// Publishes the state of the box, retained. A newer state replaces a queued one.
    pub fn publish_state(&self, state: &BoxState) {
        if let Some(message) = self.0.event_message(topics::STATE, state) {
            self.0.queue().set_state(OutgoingMessage { is_retained: true, ..message });
            self.0.queue_notify.notify_one();
        }
    }

    /// Publishes the arrival or departure of some customer.
    pub fn publish_presence(&self, event: &PresenceEvent) {
        self.publish_event(topics::PRESENCE, event, event.expires);
    }

    /// Publishes the arrival, change or end of a visit.
    pub fn publish_visit(&self, event: &VisitEvent) {
        if let Some(message) = self.0.event_message(topics::VISIT, event) {
            let visit = Some((event.customer.id, event.event));
            self.push_event(OutgoingMessage { expires: Some(event.expires), visit, ..message });
        }
    }

    /// Publishes a step of an enrolment.
    pub fn publish_enrolment(&self, event: &EnrolmentEvent) {
        self.publish_event(topics::ENROLMENT, event, event.expires);
    }

    /// Publishes a customer's shopping list.
    pub fn publish_list(&self, event: &ListEvent) {
        self.publish_event(topics::LIST, event, event.expires);
    }

    /// Publishes the response to a command, which is sent within a minute from `now` or not at all.
    pub fn respond(
        &self,
        response_address: ResponseAddress,
        response: &Result<CommandResponse, CommandFailure>,
        now: Timestamp,
    ) {
        let payload = match commands::encode_response_payload(response) {
            Ok(payload) => payload,
            Err(error) => return tracing::error!("cannot encode a response as JSON: {error}"),
        };
        let message = OutgoingMessage {
            topic: response_address.topic,
            correlation_data: response_address.correlation_data,
            payload,
            expires: now.checked_add(RESPONSE_LIFETIME).ok(),
            ..OutgoingMessage::default()
        };
        self.push_response(message);
    }

    pub(super) fn push_response(&self, message: OutgoingMessage) {
        self.0.queue().push_response(message);
        self.0.queue_notify.notify_one();
    }

    pub(super) fn push_event(&self, message: OutgoingMessage) {
        self.0.queue().push_event(message);
        self.0.queue_notify.notify_one();
    }

    /// Replaces the signing key and announces the new one. Messages that are sent after the
    /// announcement are signed with the new key, even if they were queued earlier.
    pub fn rotate_key(&self, signer: Signer) {
        // While the queue is locked, no message is signed.
        let mut queue = self.0.queue();
        *self.0.signer.write().unwrap_or_else(PoisonError::into_inner) = signer;
        queue.announce([self.0.key_message(), availability(&self.0.box_id, topics::ONLINE)]);
        drop(queue);
        self.0.queue_notify.notify_one();
    }

    /// Replaces the session with the broker soon, because a customer was deleted: the buffers of the present
    /// one contain messages about them. Messages that wait are sent before.
    pub fn renew_session(&self) {
        *self.0.renewal_due() = Some(tokio::time::Instant::now() + RENEWAL_DELAY);
        self.0.queue_notify.notify_one();
    }

    /// Returns the counters of the connection.
    pub fn statistics(&self) -> Statistics {
        let queue = self.0.queue();
        Statistics {
            queued: queue.len(),
            oldest_queued_seconds: queue.oldest_age().as_secs(),
            dropped: queue.dropped(),
            rejected: queue.rejected(),
            connections: self.0.connections.load(Ordering::Relaxed),
            rejected_commands: self.0.rejected_commands.load(Ordering::Relaxed),
        }
    }

    /// Returns the send queue.
    #[cfg(fuzzing)]
    pub(super) fn queue(&self) -> MutexGuard<'_, SendQueue> {
        self.0.queue()
    }

    fn publish_event(&self, leaf: &str, event: &impl Serialize, expires: Timestamp) {
        if let Some(message) = self.0.event_message(leaf, event) {
            self.push_event(OutgoingMessage { expires: Some(expires), ..message });
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, SendQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renewal_due(&self) -> MutexGuard<'_, Option<tokio::time::Instant>> {
        self.renewal_due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signer(&self) -> RwLockReadGuard<'_, Signer> {
        self.signer.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn key_message(&self) -> OutgoingMessage {
        OutgoingMessage {
            topic: box_topic(&self.box_id, topics::KEY),
            payload: serde_json::to_vec(self.signer().announcement()).unwrap_or_default(),
            is_retained: true,
            ..OutgoingMessage::default()
        }
    }

    fn event_message(&self, leaf: &str, event: &impl Serialize) -> Option<OutgoingMessage> {
        let topic = box_topic(&self.box_id, leaf);
        let payload = serde_json::to_vec(&versioned(event))
            .inspect_err(|error| {
                tracing::error!("cannot encode an event for {topic} as JSON: {error}");
            })
            .ok()?;
        Some(OutgoingMessage { topic, payload, is_signed: true, ..OutgoingMessage::default() })
    }
}

impl BoxSession {
    /// Queues the messages that are sent at the start of each session and after each start of Home
    /// Assistant.
    fn announce(&self) {
        let Shared { box_id, home_assistant, .. } = &*self.shared;
        // While the queue is locked, the key is not replaced.
        let mut queue = self.shared.queue();
        queue.announce([
            self.shared.key_message(),
            home_assistant.discovery(box_id),
            availability(box_id, topics::ONLINE),
        ]);
        drop(queue);
        self.shared.queue_notify.notify_one();
    }

    /// Parses a command and delivers it to the daemon.
    fn deliver_command(
        &mut self,
        verb: &str,
        payload: &[u8],
        response_address: Option<ResponseAddress>,
        now: Instant,
    ) -> Result<(), CommandFailure> {
        if !self.limiter.accept(verb, now) {
            let message = "too many commands of this verb per second; try again later";
            return Err(CommandFailure::new(CommandFailureCode::TooMany, message));
        }
        let command = commands::parse(verb, payload)?;
        self.commands.try_send(ReceivedCommand { command, response_address }).map_err(|_| {
            let message = "the command queue of the box is full; try again";
            CommandFailure::new(CommandFailureCode::TooMany, message)
        })
    }

    /// Counts and logs a rejected command, and publishes the failure as its response.
    fn reject_command(
        &mut self,
        failure: CommandFailure,
        response_address: Option<ResponseAddress>,
        now: Instant,
    ) {
        self.shared.rejected_commands.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = self.limiter.count_rejection(now) {
            tracing::warn!("commands refused: {count}, the last one as {:?}", failure.code);
        }
        if let Some(response_address) =
            response_address.filter(|_| self.limiter.accept_rejection_response(now))
        {
            Publisher(Arc::clone(&self.shared)).respond(
                response_address,
                &Err(failure),
                Timestamp::now(),
            );
        }
    }
}

impl SessionHandler for BoxSession {
    fn on_connected(&mut self) {
        *self.shared.renewal_due() = None;
        let dropped = self.shared.queue().take_dropped();
        if dropped > 0 {
            tracing::warn!("messages dropped since the last connection to the broker: {dropped}");
        }
        self.announce();
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
    }

    fn on_disconnected(&mut self, _was_silent: bool) {
        self.shared.queue().disconnect();
    }

    fn next_message(&mut self, now: Timestamp) -> Option<OutgoingMessage> {
        // The lock stays until the message is signed, so that `Publisher::rotate_key` cannot replace
        // the key in between, and sequence numbers rise in the order of sending.
        let mut queue = self.shared.queue();
        let mut message = queue.next(now)?;
        if message.is_signed {
            let sequence = self.shared.sequence.fetch_add(1, Ordering::Relaxed);
            message.user_properties =
                self.shared.signer().properties(&message.topic, sequence, &message.payload);
        }
        Some(message)
    }

    fn on_acknowledged(&mut self) {
        let number = self.shared.queue().acknowledge();
        if let Some(number) = number {
            // Fails if the daemon has stopped. The message is then sent again after the next start.
            let _ = self.delivered.send(number);
        }
    }

    fn on_rejected(&mut self, is_retried: bool) {
        self.shared.queue().reject(is_retried);
    }

    fn on_message(&mut self, message: IncomingMessage, _now: Timestamp) {
        let home_assistant = &self.shared.home_assistant;
        if home_assistant.is_enabled && message.topic == home_assistant.birth_topic() {
            if message.payload == topics::ONLINE.as_bytes() {
                self.announce();
            }
            return;
        }
        let Some(verb) = topics::split(&message.topic).and_then(|(box_id, leaf)| {
            leaf.strip_prefix(topics::COMMAND_PREFIX).filter(|_| box_id == self.shared.box_id)
        }) else {
            return;
        };
        let now = Instant::now();
        if message.is_retained {
            let failure = CommandFailure::new(
                CommandFailureCode::Malformed,
                "a command must not be retained",
            );
            return self.reject_command(failure, None, now);
        }
        let response_address = message
            .response_topic
            .filter(|topic| topics::is_response_topic(&self.shared.box_id, topic))
            .map(|topic| ResponseAddress { topic, correlation_data: message.correlation_data });
        if let Err(failure) =
            self.deliver_command(verb, &message.payload, response_address.clone(), now)
        {
            self.reject_command(failure, response_address, now);
        }
    }

    fn final_message(&mut self) -> Option<OutgoingMessage> {
        self.final_message.take()
    }

    fn renewal_due(&self) -> Option<tokio::time::Instant> {
        *self.shared.renewal_due()
    }
}
