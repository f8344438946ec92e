//! The box's end of the bus: it speaks, and is asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use instored_domain::{
    Answer, BoxId, BoxState, Command, EnrolmentEvent, ListEvent, Refusal, RefusalCode, VisitEvent,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::{Notify, mpsc};

use super::commands;
use super::home_assistant::HomeAssistant;
use super::limits::Limits;
use super::link::{Connection, Link, Peer, Received, Subscription};
use super::queue::{Outgoing, Queue};
use super::{BusError, Settings, Signer, payload, topics};

/// How long a caller may still care for its answer.
const ANSWER_LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// Commands that wait for the daemon at most.
const COMMANDS: usize = 32;

/// Says what happens at the box. Never blocks and never fails: what cannot be sent now waits, and
/// is given up by the rules of the queue.
#[derive(Clone)]
pub struct Publisher(Arc<Shared>);

/// A command that came in. One that is malformed was already refused, and does not appear.
#[derive(Debug)]
pub struct Inbound {
    /// What is asked.
    pub command: Command,
    /// Where the answer goes; nowhere, when the caller named no place.
    pub reply: Option<Reply>,
}

/// Where an answer goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    topic: String,
    correlation: Option<Vec<u8>>,
}

/// What came through the bus since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Messages that wait to be sent now.
    pub waiting: u64,
    /// Events and answers that were given up.
    pub dropped: u64,
    /// Connections to the broker that were made.
    pub connections: u64,
    /// Commands that were none, or were too many.
    pub refused: u64,
}

struct Shared {
    box_id: BoxId,
    home: HomeAssistant,
    connections: AtomicU64,
    refused: AtomicU64,
    signer: RwLock<Signer>,
    queue: Mutex<Queue>,
    wake: Arc<Notify>,
}

struct BoxPeer {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Inbound>,
    limits: Limits,
    farewell: Option<Outgoing>,
}

/// Prepares the box's connection: what it says with, what it is asked, and the work itself, which
/// begins when it is run. Whether there is a broker shows only then.
///
/// # Errors
/// When a setting cannot be meant or a file it names cannot be read.
pub fn connect(
    settings: &Settings,
    box_id: &BoxId,
    signer: Signer,
) -> Result<(Publisher, mpsc::Receiver<Inbound>, Connection), BusError> {
    if !(1..=1000).contains(&settings.commands_per_second) {
        return Err(BusError::Setting("commands_per_second has to be 1 to 1000"));
    }
    let home = HomeAssistant {
        prefix: settings.home_assistant_prefix.clone(),
        welcome: settings.home_assistant,
    };
    if !topics::is_plain(&home.prefix) {
        return Err(BusError::Setting("home_assistant_prefix has to be a topic without + and #"));
    }
    let mut subscriptions = vec![
        // A command that the broker keeps would be carried out again on each connection.
        Subscription { filter: topics::of(box_id, "cmd/+"), retained: false },
    ];
    if home.welcome {
        subscriptions.push(Subscription { filter: home.birth_topic(), retained: false });
    }
    let wake = Arc::new(Notify::new());
    let offline = availability(box_id, topics::OFFLINE);
    let link = Link::new(
        settings,
        format!("instored-{box_id}"),
        Some(offline.clone()),
        subscriptions,
        Arc::clone(&wake),
    )?;
    let queue = Mutex::new(Queue::default());
    let signer = RwLock::new(signer);
    let shared = Arc::new(Shared {
        box_id: box_id.clone(),
        home,
        connections: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        signer,
        queue,
        wake,
    });
    let (commands, inbound) = mpsc::channel(COMMANDS);
    let limits = Limits::new(settings.commands_per_second, Instant::now());
    let peer = BoxPeer { shared: Arc::clone(&shared), commands, limits, farewell: Some(offline) };
    Ok((Publisher(shared), inbound, Connection::new(link, peer)))
}

fn availability(box_id: &BoxId, payload: &str) -> Outgoing {
    Outgoing {
        topic: topics::of(box_id, topics::AVAILABILITY),
        payload: payload.into(),
        retain: true,
        ..Outgoing::default()
    }
}

impl Publisher {
    /// Says what the box is doing; the newest state stands, for displays that come later too.
    pub fn state(&self, state: &BoxState) {
        if let Some(message) = self.0.signed(topics::STATE, state) {
            self.0.queue().state(Outgoing { retain: true, ..message });
            self.0.wake.notify_one();
        }
    }

    /// Says that a customer came or went.
    pub fn visit(&self, event: &VisitEvent) {
        self.event(topics::VISIT, event, event.expires);
    }

    /// Says how an enrolment goes on.
    pub fn enrolment(&self, event: &EnrolmentEvent) {
        self.event(topics::ENROLMENT, event, event.expires);
    }

    /// Says what is on a customer's list now.
    pub fn list(&self, event: &ListEvent) {
        self.event(topics::LIST, event, event.expires);
    }

    /// What came through the bus since the start.
    pub fn traffic(&self) -> Traffic {
        let (waiting, dropped) = {
            let queue = self.0.queue();
            (queue.waiting(), queue.dropped())
        };
        Traffic {
            waiting,
            dropped,
            connections: self.0.connections.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    /// Signs with another key from now on. The old key vouches for the new one once, so that
    /// displays that are listening go along.
    pub fn rekey(&self, signer: Signer) {
        let old = {
            let mut signing = self.0.signer.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *signing, signer)
        };
        let key = self.0.key();
        let user_properties = old.properties(&key.topic, &key.payload);
        let online = availability(&self.0.box_id, topics::ONLINE);
        self.0.queue().announce([Outgoing { user_properties, ..key }, online]);
        self.0.wake.notify_one();
    }

    /// Answers a command.
    pub fn reply(&self, reply: Reply, answer: &Result<Answer, Refusal>) {
        let payload = match commands::encode_answer(answer) {
            Ok(payload) => payload,
            Err(error) => return tracing::error!("an answer is no JSON: {error}"),
        };
        let now = Timestamp::now();
        let message = Outgoing {
            topic: reply.topic,
            correlation: reply.correlation,
            payload,
            expires: now.checked_add(ANSWER_LIFETIME).ok(),
            ..Outgoing::default()
        };
        self.0.queue().reply(message, now);
        self.0.wake.notify_one();
    }

    fn event(&self, leaf: &str, event: &impl Serialize, expires: Timestamp) {
        if let Some(message) = self.0.signed(leaf, event) {
            let message = Outgoing { expires: Some(expires), ..message };
            self.0.queue().event(message, Timestamp::now());
            self.0.wake.notify_one();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signer(&self) -> RwLockReadGuard<'_, Signer> {
        self.signer.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self) -> Outgoing {
        Outgoing {
            topic: topics::of(&self.box_id, topics::KEY),
            payload: serde_json::to_vec(&self.signer().note()).unwrap_or_default(),
            retain: true,
            ..Outgoing::default()
        }
    }

    fn signed(&self, leaf: &str, event: &impl Serialize) -> Option<Outgoing> {
        let topic = topics::of(&self.box_id, leaf);
        let payload = serde_json::to_vec(&payload(event))
            .inspect_err(|error| tracing::error!("an event for {topic} is no JSON: {error}"))
            .ok()?;
        let user_properties = self.signer().properties(&topic, &payload);
        Some(Outgoing { topic, payload, user_properties, ..Outgoing::default() })
    }
}

impl BoxPeer {
    /// Says who the box is, to whoever has just come to the broker.
    fn introduce(&self) {
        let Shared { box_id, home, .. } = &*self.shared;
        let words =
            [self.shared.key(), home.discovery(box_id), availability(box_id, topics::ONLINE)];
        self.shared.queue().announce(words);
        self.shared.wake.notify_one();
    }

    /// Hands a command to the daemon.
    fn take(
        &mut self,
        verb: &str,
        payload: &[u8],
        reply: Option<Reply>,
        now: Instant,
    ) -> Result<(), Refusal> {
        if !self.limits.take(verb, now) {
            let message = "more such commands than the box takes in a second; try again later";
            return Err(Refusal::new(RefusalCode::TooMany, message));
        }
        let command = commands::parse(verb, payload)?;
        self.commands.try_send(Inbound { command, reply }).map_err(|_| {
            let message = "the box has more commands than it can carry out now; try again";
            Refusal::new(RefusalCode::TooMany, message)
        })
    }

    fn refused(&mut self, refusal: Refusal, reply: Option<Reply>, now: Instant) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = self.limits.due_for_log(now) {
            tracing::warn!("commands refused: {count}, the last one as {:?}", refusal.code);
        }
        if let Some(reply) = reply.filter(|_| self.limits.answers(now)) {
            Publisher(Arc::clone(&self.shared)).reply(reply, &Err(refusal));
        }
    }
}

impl Peer for BoxPeer {
    fn up(&mut self) {
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let dropped = self.shared.queue().take_dropped();
        if dropped > 0 {
            tracing::warn!("{dropped} events and answers were given up while the broker was away");
        }
        self.introduce();
    }

    fn down(&mut self) {
        self.shared.queue().lost();
    }

    fn next(&mut self, now: Timestamp) -> Option<Outgoing> {
        self.shared.queue().next(now)
    }

    fn acked(&mut self) {
        self.shared.queue().acked();
    }

    fn received(&mut self, message: Received, _now: Timestamp) {
        let home = &self.shared.home;
        if home.welcome && message.topic == home.birth_topic() {
            if message.payload == topics::ONLINE.as_bytes() {
                self.introduce();
            }
            return;
        }
        let Some(verb) = topics::split(&message.topic).and_then(|(box_id, leaf)| {
            leaf.strip_prefix("cmd/").filter(|_| box_id == self.shared.box_id)
        }) else {
            return;
        };
        let now = Instant::now();
        if message.retained {
            let message = "commands are not to be retained";
            return self.refused(Refusal::new(RefusalCode::Malformed, message), None, now);
        }
        let reply = message
            .response_topic
            .filter(|topic| topics::may_answer_at(topic))
            .map(|topic| Reply { topic, correlation: message.correlation });
        if let Err(refusal) = self.take(verb, &message.payload, reply.clone(), now) {
            self.refused(refusal, reply, now);
        }
    }

    fn farewell(&mut self) -> Option<Outgoing> {
        self.farewell.take()
    }
}
