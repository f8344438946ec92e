//! Promises of the box, and the messages that a subscriber received and verified.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;

/// Name of the box.
pub const BOX_NAME: &str = "entrance";

/// Promises of the box about one customer.
#[derive(Clone, Default, Debug)]
pub struct Promises {
    pub deletion: Deletion,
    /// Orders that the box confirmed.
    pub orders: BTreeSet<String>,
}

/// Progress of a customer's deletion.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Deletion {
    /// Nobody requested it: the customer must be enrolled.
    #[default]
    None,
    /// It was requested, and the response is not known: both results are right.
    Requested,
    /// The box confirmed it: the customer must not be enrolled.
    Confirmed,
}

/// Messages that a subscriber received since the start of the walk.
#[derive(Default)]
pub struct Received {
    /// Key that the subscriber trusts: the first key, or the last one to which endorsements lead.
    trusted: Option<VerifyingKey>,
    /// Number of changes of the trusted key.
    pub rotations: u32,
    /// Violations that the subscriber detected.
    pub violations: Vec<String>,
    /// Event ids and claim codes of `done`, by customer.
    pub done: BTreeMap<String, BTreeMap<String, String>>,
    /// Event ids of `withdrawn`, by customer.
    pub withdrawn: BTreeMap<String, BTreeSet<String>>,
    /// Ids of all events.
    event_ids: BTreeSet<String>,
    /// Number of events that arrived again with the same id. Subscribers ignore them.
    pub repeated: u64,
    /// Number of views that the running enrolment still needs, after its first view.
    pub missing_views: Option<u64>,
    /// Number of enrolments that succeeded or failed.
    pub ended_enrolments: u32,
    /// Number of visits that began.
    pub arrivals: u64,
    /// Number of the last marker message.
    pub marker: u64,
    /// Number of messages with a valid signature.
    pub verified: u64,
}

impl Received {
    /// Records a message in the format of `mosquitto_sub -F %j`.
    pub fn record(&mut self, message: &Value) {
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        let (topic, payload) = (text("topic"), text("payload"));
        if topic.contains("/cmd/") {
            return;
        }
        let json: Value = serde_json::from_str(payload).unwrap_or_default();
        match topic.rsplit('/').next().unwrap_or_default() {
            "marker" => self.marker = payload.parse().unwrap_or_default(),
            "key" => self.follow(&json),
            "state" | "visit" | "enrolment" | "list" => {
                if !self.verify_signature(topic, payload, message) {
                    let key = &message["properties"]["user-properties"]["key"];
                    self.violations.push(format!(
                        "{topic} is not signed with the trusted key: {key} {payload}"
                    ));
                }
                if let Some(id) = json["id"].as_str()
                    && !self.event_ids.insert(id.to_owned())
                {
                    self.repeated += 1;
                    return;
                }
                self.record_event(&json);
            }
            _ => {}
        }
    }

    fn record_event(&mut self, event: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("arrived") => self.arrivals += 1,
            Some("started") => self.missing_views = None,
            Some("captured") => {
                let number = |name: &str| event[name].as_u64().unwrap_or_default();
                self.missing_views = Some(number("of").saturating_sub(number("count")));
            }
            Some("failed") => self.ended_enrolments += 1,
            Some("done") => {
                self.ended_enrolments += 1;
                let events = self.done.entry(text(&event["customer"]["id"])).or_default();
                events.insert(text(&event["id"]), text(&event["claim_code"]));
            }
            Some("withdrawn") => {
                let events = self.withdrawn.entry(text(&event["customer"])).or_default();
                events.insert(text(&event["id"]));
            }
            _ => {}
        }
    }

    /// Follows the endorsements from the trusted key to the announced key, and trusts the announced key.
    /// Records a violation if none leads to it.
    fn follow(&mut self, announcement: &Value) {
        let Some(announced) = key(&announcement["ed25519"]) else {
            return self.violations.push(format!("not a key: {announcement}"));
        };
        let Some(mut current) = self.trusted else {
            self.trusted = Some(announced);
            return;
        };
        for endorsement in announcement["endorsements"].as_array().into_iter().flatten() {
            let Some(new) = key(&endorsement["ed25519"]) else { continue };
            if key(&endorsement["by"]) == Some(current) && is_endorsed(&current, &new, endorsement)
            {
                current = new;
            }
            if current == announced {
                break;
            }
        }
        if current == announced {
            self.rotations += u32::from(self.trusted != Some(announced));
            self.trusted = Some(announced);
        } else {
            self.violations
                .push(format!("no endorsement leads to the announced key: {announcement}"));
        }
    }

    fn verify_signature(&mut self, topic: &str, payload: &str, message: &Value) -> bool {
        let is_signed = self.trusted.is_some_and(|key| is_signed(&key, topic, payload, message));
        self.verified += u64::from(is_signed);
        is_signed
    }

    /// Returns true if the trusted key signed this message.
    pub fn has_signed(&self, message: &Value) -> bool {
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        self.trusted.is_some_and(|key| is_signed(&key, text("topic"), text("payload"), message))
    }

    /// Returns the claim code of a customer.
    pub fn claim_code(&self, customer: &str) -> Option<String> {
        self.done.get(customer)?.values().next().cloned()
    }
}

/// Decodes base64url without padding.
fn decode<const N: usize>(text: &Value) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text.as_str()?).ok()?.try_into().ok()
}

fn key(text: &Value) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&decode::<32>(text)?).ok()
}

/// Returns true if `old` signed the endorsement of `new`.
fn is_endorsed(old: &VerifyingKey, new: &VerifyingKey, endorsement: &Value) -> bool {
    let length = u8::try_from(BOX_NAME.len()).expect("the name is short");
    let signed = [
        b"instored-key-v1\0".as_slice(),
        &[length],
        BOX_NAME.as_bytes(),
        old.as_bytes(),
        new.as_bytes(),
    ];
    let signature = decode(&endorsement["sig"]).map(|bytes| Signature::from_bytes(&bytes));
    signature.is_some_and(|signature| old.verify_strict(&signed.concat(), &signature).is_ok())
}

/// Returns true if `key` signed a message.
fn is_signed(key: &VerifyingKey, topic: &str, payload: &str, message: &Value) -> bool {
    let length = u32::try_from(topic.len()).expect("a topic is short").to_be_bytes();
    let properties = &message["properties"]["user-properties"];
    let sequence: Option<u64> = properties["seq"].as_str().and_then(|text| text.parse().ok());
    let Some(sequence) = sequence else { return false };
    let signed = [
        b"instored-event-v2\0".as_slice(),
        &length,
        topic.as_bytes(),
        &sequence.to_be_bytes(),
        payload.as_bytes(),
    ];
    let signature = decode(&properties["sig"]);
    let signature = signature.map(|bytes| Signature::from_bytes(&bytes));
    signature.is_some_and(|signature| key.verify_strict(&signed.concat(), &signature).is_ok())
}
