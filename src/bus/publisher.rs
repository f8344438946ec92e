//! The box's end of the bus: it speaks, and is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::{Notify, mpsc};

use super::commands;
use super::link::{Connection, Link, Peer, Received, Subscription};
use super::queue::{Outgoing, Queue};
use super::{BusError, Settings, Signer, topics};
use crate::domain::{
    Answer, BoxId, BoxState, Command, EnrolmentEvent, Refusal, RefusalCode, VisitEvent,
};

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

struct Shared {
    box_id: BoxId,
    signer: RwLock<Signer>,
    queue: Mutex<Queue>,
    wake: Arc<Notify>,
}

struct BoxPeer {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Inbound>,
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
    let wake = Arc::new(Notify::new());
    let offline = availability(box_id, topics::OFFLINE);
    let link = Link::new(
        settings,
        format!("instored-{box_id}"),
        Some(offline.clone()),
        // A command that the broker keeps would be carried out again on each connection.
        vec![Subscription { filter: topics::of(box_id, "cmd/+"), retained: false }],
        Arc::clone(&wake),
    )?;
    let queue = Mutex::new(Queue::default());
    let signer = RwLock::new(signer);
    let shared = Arc::new(Shared { box_id: box_id.clone(), signer, queue, wake });
    let (commands, inbound) = mpsc::channel(COMMANDS);
    let peer = BoxPeer { shared: Arc::clone(&shared), commands, farewell: Some(offline) };
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
        let payload = serde_json::to_vec(event)
            .inspect_err(|error| tracing::error!("an event for {topic} is no JSON: {error}"))
            .ok()?;
        let user_properties = self.signer().properties(&topic, &payload);
        Some(Outgoing { topic, payload, user_properties, ..Outgoing::default() })
    }
}

impl Peer for BoxPeer {
    fn up(&mut self) {
        let key = self.shared.key();
        let mut queue = self.shared.queue();
        let dropped = queue.take_dropped();
        if dropped > 0 {
            tracing::warn!("{dropped} events and answers were given up while the broker was away");
        }
        queue.announce([key, availability(&self.shared.box_id, topics::ONLINE)]);
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
        let Some(verb) = topics::split(&message.topic).and_then(|(box_id, leaf)| {
            leaf.strip_prefix("cmd/").filter(|_| box_id == self.shared.box_id)
        }) else {
            return;
        };
        if message.retained {
            return tracing::warn!(
                "a retained command is ignored: commands are not to be retained"
            );
        }
        let reply = message
            .response_topic
            .filter(|topic| topics::may_answer_at(topic))
            .map(|topic| Reply { topic, correlation: message.correlation });
        let refusal = match commands::parse(verb, &message.payload) {
            Ok(command) => {
                match self.commands.try_send(Inbound { command, reply: reply.clone() }) {
                    Ok(()) => return,
                    Err(_) => Refusal::new(
                        RefusalCode::Internal,
                        "the box has more commands than it can carry out now; try again",
                    ),
                }
            }
            Err(refusal) => refusal,
        };
        tracing::info!("a command was refused ({:?})", refusal.code);
        if let Some(reply) = reply {
            Publisher(Arc::clone(&self.shared)).reply(reply, &Err(refusal));
        }
    }

    fn farewell(&mut self) -> Option<Outgoing> {
        self.farewell.take()
    }
}
