//! Entry points of the fuzz targets in `fuzz/`: messages that any client of the broker may publish, and
//! messages of the outbox.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock};

use confique::Config as _;
use ed25519_dalek::{Signer as _, SigningKey};
use instored_domain::fuzzing::json;
use instored_domain::{BoxId, Command, CommandFailureCode, key_endorsement_message};
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};

use crate::commands::{
    PAYLOAD_BYTES_MAX, decode_response_payload, encode, encode_response_payload, parse,
};
use crate::outbox::StoredMessage;
use crate::send_queue::SendQueue;
use crate::session::{IncomingMessage, SessionHandler as _};
use crate::subscriber::{Requests, Subscriber};
use crate::topics::{self, box_topic};
use crate::{
    BoxEvent, KeyEndorsement, PublicKey, PublicKeyAnnouncement, Publisher, Settings, Signer, Trust,
    connect,
};

/// Maximum length of an error message, in bytes. An unknown verb or field is quoted as a whole.
const MESSAGE_BYTES_MAX: usize = 2 * PAYLOAD_BYTES_MAX;

/// Fields of all commands.
const COMMAND_KEYS: [&str; 18] = [
    "customer",
    "name",
    "language",
    "another_person",
    "recommendations",
    "history",
    "allergens",
    "by",
    "page",
    "limit",
    "claim_code",
    "at_till",
    "till",
    "order",
    "add",
    "remove",
    "products",
    "greetings",
];

/// Byte between two parts of an input. It does not occur in UTF-8.
const SEPARATOR: u8 = 0xFF;

/// Parses a command, and the response to one. The first line of the data is the topic or the verb, and
/// the rest is the payload, see [`json`]. Returns true if the command is valid.
pub fn command(data: &[u8]) -> bool {
    let line_end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(topic) = str::from_utf8(&data[..line_end]) else { return false };
    let payload = json(&COMMAND_KEYS, data.get(line_end + 1..).unwrap_or_default());
    let payload = payload.as_ref();
    check_topic(topic);
    check_response(payload);
    let leaf = topics::split(topic).map_or(topic, |(_, leaf)| leaf);
    let verb = leaf.strip_prefix(topics::COMMAND_PREFIX).unwrap_or(leaf);
    match parse(verb, payload) {
        Ok(command) => {
            check_command(verb, payload, &command);
            true
        }
        Err(failure) => {
            let codes = [CommandFailureCode::Malformed, CommandFailureCode::UnknownCommand];
            assert!(codes.contains(&failure.code), "{failure:?}");
            let is_unknown = failure.code == CommandFailureCode::UnknownCommand;
            assert!(!is_unknown || !Command::VERBS.contains(&verb), "{failure:?}");
            assert!((1..=MESSAGE_BYTES_MAX).contains(&failure.message.len()));
            false
        }
    }
}

fn check_topic(topic: &str) {
    let parts = topics::split(topic);
    if let Some((box_id, leaf)) = &parts {
        assert_eq!(box_topic(box_id, leaf), topic);
    }
    if topics::is_response_topic(&box_id(), topic) {
        assert!(topics::is_publishable(topic));
        assert!(parts.is_none_or(|(_, leaf)| leaf.starts_with(topics::REPLY_PREFIX)));
    }
}

fn check_command(verb: &str, payload: &[u8], command: &Command) {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX);
    assert!(Command::VERBS.contains(&verb));
    if let Command::Order { order, .. } = command
        && order.check(Timestamp::MAX, None).is_err()
    {
        // The quantity of such an order may have more digits than a JSON number keeps.
        return;
    }
    let (encoded_verb, encoded) = encode(command).expect("a command can be encoded");
    assert_eq!(encoded_verb, verb);
    if encoded.len() <= PAYLOAD_BYTES_MAX {
        assert_eq!(parse(verb, &encoded).as_ref(), Ok(command));
    }
}

fn check_response(payload: &[u8]) {
    if let Ok(response) = decode_response_payload(payload) {
        let encoded = encode_response_payload(&response).expect("a response can be encoded");
        let again = decode_response_payload(&encoded).expect("a response can be decoded again");
        let encoded_again = encode_response_payload(&again).expect("a response can be encoded");
        assert_eq!(encoded_again, encoded);
    }
}

/// Passes messages of a box to a display, separated by [`SEPARATOR`]. Of each message, the first byte
/// selects the topic, the second one the signature, and the third one is the sequence number; the rest is the
/// payload. The display trusts the first key if the first byte of the data is even, and otherwise the first
/// announced key. Returns true if an event or a state is delivered.
pub fn box_message(data: &[u8]) -> bool {
    let Some((selector, messages)) = data.split_first() else { return false };
    let is_pinned = selector % 2 == 0;
    let trust = if is_pinned { Trust::Pinned(public_key(0)) } else { Trust::FirstUse };
    let (events, mut delivered) = mpsc::channel(EVENTS_MAX);
    let requests = Arc::new(Requests {
        response_leaf: "reply/display".to_owned(),
        queue: Mutex::new(SendQueue::default()),
        queue_notify: Arc::new(Notify::new()),
        pending: Mutex::default(),
    });
    let mut display = Subscriber::new(trust.into(), events, requests);
    let now: Timestamp = "2026-05-01T10:00:00Z".parse().expect("a time");
    let mut signers = HashSet::new();
    let mut event_ids = HashSet::new();
    let mut newest_state = 0;
    let mut has_delivered = false;
    for message in messages.split(|byte| *byte == SEPARATOR).take(EVENTS_MAX / 4) {
        let [kind, signature, sequence, payload @ ..] = message else { continue };
        let leaf = LEAVES[usize::from(*kind) % LEAVES.len()];
        let signer = usize::from(*signature) % (KEYS + 1);
        let payload = if leaf == topics::KEY && *kind >= b'a' {
            announcement(signer, payload)
        } else {
            payload.to_vec()
        };
        let topic = box_topic(&box_id(), leaf);
        let user_properties = key(signer)
            .map(|key| properties(key, &topic, u64::from(*sequence), &payload))
            .unwrap_or_default();
        let message = IncomingMessage {
            topic,
            payload,
            is_retained: false,
            user_properties,
            response_topic: None,
            correlation_data: None,
        };
        display.on_message(message, now);
        while let Ok(event) = delivered.try_recv() {
            let (expires, id) = match &event {
                BoxEvent::Visit(_, event) => (event.expires, event.id),
                BoxEvent::Enrolment(_, event) => (event.expires, event.id),
                BoxEvent::List(_, event) => (event.expires, event.id),
                BoxEvent::State(..) => {
                    assert!(*sequence >= newest_state, "a replayed state is delivered");
                    newest_state = *sequence;
                    has_delivered = true;
                    continue;
                }
                _ => continue,
            };
            assert!(expires > now, "an expired event is delivered");
            assert!(event_ids.insert(id), "an event is delivered twice");
            assert!(signer < KEYS, "an unsigned event is delivered");
            signers.insert(signer);
            has_delivered = true;
        }
    }
    // The last key is endorsed by no other key.
    assert!(!signers.contains(&(KEYS - 1)) || !is_pinned, "an event of an untrusted key");
    assert!(!signers.contains(&(KEYS - 1)) || signers.len() == 1, "a key without endorsement");
    has_delivered
}

/// Number of keys. Each one but the last is endorsed by its predecessor.
const KEYS: usize = 4;

/// Maximum number of events that wait. A message causes less than four.
const EVENTS_MAX: usize = 256;

const LEAVES: [&str; 8] = [
    topics::KEY,
    topics::VISIT,
    topics::ENROLMENT,
    topics::LIST,
    topics::STATE,
    topics::AVAILABILITY,
    "reply/display",
    "unknown",
];

fn box_id() -> BoxId {
    "door-1".parse().expect("a name")
}

/// Returns a signing key, or `None` if there are fewer keys.
fn key(index: usize) -> Option<&'static SigningKey> {
    static SIGNING_KEYS: OnceLock<Vec<SigningKey>> = OnceLock::new();
    let new = |seed| SigningKey::from_bytes(&[seed; 32]);
    SIGNING_KEYS.get_or_init(|| (0..KEYS as u8).map(new).collect()).get(index)
}

fn public_key(index: usize) -> PublicKey {
    let key = key(index).expect("a key").verifying_key();
    PublicKey::from_bytes(key.as_bytes()).expect("a point of the curve")
}

fn properties(
    key: &'static SigningKey,
    topic: &str,
    sequence: u64,
    payload: &[u8],
) -> Vec<(String, String)> {
    let announcement = PublicKeyAnnouncement {
        key_id: "key".to_owned(),
        ed25519: public_key(0),
        endorsements: Vec::new(),
    };
    Signer::new(announcement, Arc::new(|bytes| key.sign(bytes).to_bytes()))
        .properties(topic, sequence, payload)
}

/// Returns the announcement of the key `index`, with an endorsement for each byte of `selectors`. The
/// endorsement is valid, except for the last key.
fn announcement(index: usize, selectors: &[u8]) -> Vec<u8> {
    let endorsements = selectors.iter().map(|selector| {
        let by = usize::from(*selector) % (KEYS - 1);
        let (old, new) = (key(by).expect("a key"), key(by + 1).expect("a key"));
        let message = key_endorsement_message(
            &box_id(),
            old.verifying_key().as_bytes(),
            new.verifying_key().as_bytes(),
        );
        let signer = if by + 2 == KEYS { new } else { old };
        KeyEndorsement::new(public_key(by), public_key(by + 1), &signer.sign(&message).to_bytes())
    });
    let announcement = PublicKeyAnnouncement {
        key_id: "key".to_owned(),
        ed25519: public_key(index % KEYS),
        endorsements: endorsements.collect(),
    };
    serde_json::to_vec(&announcement).expect("an announcement can be encoded")
}

/// Queues a message of the outbox, see [`json`]. Returns true if the message is valid.
pub fn stored_message(data: &[u8]) -> bool {
    static PUBLISHER: OnceLock<Publisher> = OnceLock::new();
    let publisher = PUBLISHER.get_or_init(|| {
        let settings = Settings::builder().load().expect("defaults");
        let announcement = PublicKeyAnnouncement {
            key_id: "key".to_owned(),
            ed25519: public_key(0),
            endorsements: Vec::new(),
        };
        let signer = Signer::new(announcement, Arc::new(|_| [0; 64]));
        connect(&settings, &box_id(), signer, 1).expect("valid settings").publisher
    });
    let data = &json(&["topic", "payload", "response"], data);
    let now = Timestamp::now();
    publisher.publish_stored(7, now, data);
    let Some(message) = publisher.queue().next(now) else {
        assert!(serde_json::from_slice::<StoredMessage>(data).is_err(), "the message is lost");
        return false;
    };
    assert_eq!(publisher.queue().acknowledge(), Some(7));
    assert!(publisher.queue().next(now).is_none(), "the message is queued twice");
    let stored: StoredMessage = serde_json::from_slice(data).expect("the message is queued");
    assert_eq!((&message.topic, &message.payload), (&stored.topic, &stored.payload.into_bytes()));
    assert_eq!(message.is_signed, stored.response.is_none());
    true
}
