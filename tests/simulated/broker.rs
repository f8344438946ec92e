//! Simulated broker, and a subscriber at the broker that receives everything.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use instored_mqtt::SentMessage;
use jiff::Timestamp;
use serde_json::Value;

/// Broker with its retained messages and its subscriber.
#[derive(Default)]
pub struct Broker {
    pub is_running: bool,
    /// Retained payloads by topic.
    pub retained: BTreeMap<String, Vec<u8>>,
    pub received: Received,
}

/// Facts that the subscriber has received.
#[derive(Default)]
pub struct Received {
    /// Ids of all events.
    event_ids: BTreeSet<String>,
    /// Event ids of the announced enrolments, by customer.
    pub done: BTreeMap<String, BTreeSet<String>>,
    /// Event ids of the announced deletions, by customer.
    pub withdrawn: BTreeMap<String, BTreeSet<String>>,
    /// Last visit event, by customer.
    pub last_visits: BTreeMap<String, Visit>,
    /// Responses by correlation data, without repetitions.
    pub responses: BTreeMap<String, BTreeSet<String>>,
    pub visits: usize,
}

/// Visit event.
#[derive(Debug)]
pub struct Visit {
    /// `arrived`, `changed` or `left`.
    pub kind: String,
    /// Time at which a display removes it.
    pub expires: Timestamp,
}

impl Broker {
    /// Takes a message of the box.
    pub fn receive(&mut self, message: &SentMessage) -> Result<()> {
        let key = property(message, "key");
        let is_event = ["/visit", "/enrolment"].iter().any(|leaf| message.topic.ends_with(leaf));
        ensure!(key.is_some() || !is_event, "{} is not signed", message.topic);
        if let Some(key) = key {
            let announced = self.announced_key();
            ensure!(
                announced.as_deref() == Some(key),
                "{} is signed with the key {key}, but the box has announced {announced:?}",
                message.topic
            );
        }
        if message.is_retained {
            self.retained.insert(message.topic.clone(), message.payload.clone());
        }
        self.received.record(message).with_context(|| message.topic.clone())
    }

    /// Publishes the will of the box, whose connection was lost.
    pub fn publish_will(&mut self) {
        self.retained.insert("instored/entrance/availability".to_owned(), b"offline".to_vec());
    }

    /// Returns a retained message of the box as JSON, or as text if it is no JSON.
    pub fn retained(&self, leaf: &str) -> Value {
        let Some(payload) = self.retained.get(&format!("instored/entrance/{leaf}")) else {
            return Value::Null;
        };
        let text = String::from_utf8_lossy(payload).into_owned();
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// Returns the id of the announced key.
    pub fn announced_key(&self) -> Option<String> {
        self.retained("key")["key_id"].as_str().map(str::to_owned)
    }
}

fn property<'a>(message: &'a SentMessage, name: &str) -> Option<&'a str> {
    let properties = message.user_properties.iter();
    properties.clone().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

impl Received {
    fn record(&mut self, message: &SentMessage) -> Result<()> {
        let leaf = message.topic.rsplit('/').next().unwrap_or_default();
        if leaf == "reply" {
            let correlation = message.correlation_data.clone().unwrap_or_default();
            let correlation = String::from_utf8(correlation)?;
            let response = String::from_utf8(message.payload.clone())?;
            self.responses.entry(correlation).or_default().insert(response);
            return Ok(());
        }
        if !["visit", "enrolment"].contains(&leaf) {
            return Ok(());
        }
        let event: Value = serde_json::from_slice(&message.payload)?;
        let id = event["id"].as_str().context("an event without id")?.to_owned();
        if !self.event_ids.insert(id.clone()) {
            return Ok(());
        }
        let kind = event["event"].as_str().context("an event without kind")?;
        match (leaf, kind) {
            ("enrolment", "done") => {
                let customer = customer(&event["customer"]["id"])?;
                ensure!(
                    !self.withdrawn.contains_key(&customer),
                    "{customer} is announced as enrolled after their deletion"
                );
                self.done.entry(customer).or_default().insert(id);
            }
            ("enrolment", "withdrawn") => {
                self.withdrawn.entry(customer(&event["customer"])?).or_default().insert(id);
            }
            ("visit", _) => {
                let customer = customer(&event["customer"]["id"])?;
                if kind != "left" && self.withdrawn.contains_key(&customer) {
                    bail!("{customer} is shown ({kind}) after their deletion was announced");
                }
                self.visits += usize::from(kind == "arrived");
                let expires = serde_json::from_value(event["expires"].clone())?;
                self.last_visits.insert(customer, Visit { kind: kind.to_owned(), expires });
            }
            _ => {}
        }
        Ok(())
    }
}

fn customer(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context("an event without customer")
}
