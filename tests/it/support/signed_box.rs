//! Simulated box that signs and publishes any event.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::mosquitto::Mosquitto;
use super::process::Process;
use super::test_box::{program, start, url_in};

/// Simulated box `entrance` with its own signing key.
pub struct SignedBox {
    key: SigningKey,
    port: u16,
}

/// Returns the current time in seconds since 1970.
pub fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is past 1970").as_secs_f64()
}

/// Formats a time, in seconds since 1970, as RFC 3339 with milliseconds.
fn timestamp(seconds: f64) -> String {
    let time = Timestamp::from_millisecond((seconds * 1e3) as i64).expect("a time of this century");
    format!("{time:.3}")
}

impl SignedBox {
    /// Creates a box whose signing key is derived from `seed`.
    pub fn new(broker: &Mosquitto, seed: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]), port: broker.port }
    }

    /// Starts `instored display` with the box's public key. Returns the page's address.
    pub fn start_display(&self, environment: &[(&str, &str)]) -> (Process, String) {
        let key = URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes());
        let mut command = program();
        command.args(["display", "--listen", "127.0.0.1:0", "--key", &key]);
        command.env("INSTORED_MQTT_PORT", self.port.to_string()).envs(environment.iter().copied());
        let display = start(&mut command);
        let (_, page) = display.stderr.find(0, "the page's address", url_in);
        display.stderr.wait_for("connected to the MQTT broker");
        (display, page)
    }

    /// Publishes a signed event on a topic of the box. Returns its sequence number.
    pub fn publish(&self, leaf: &str, event: &Value) -> u64 {
        static SEQUENCE: AtomicU64 = AtomicU64::new(1);
        let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
        self.publish_numbered(leaf, event, sequence);
        sequence
    }

    /// Publishes a signed event with this sequence number.
    pub fn publish_numbered(&self, leaf: &str, event: &Value, sequence: u64) {
        let topic = format!("instored/entrance/{leaf}");
        self.publish_signed_for(&topic, &topic, sequence, &event.to_string());
    }

    /// Publishes a payload on `topic` with the signature for `signed_topic`.
    pub fn publish_signed_for(
        &self,
        topic: &str,
        signed_topic: &str,
        sequence: u64,
        payload: &str,
    ) {
        let length = u32::try_from(signed_topic.len()).expect("a topic is short").to_be_bytes();
        let bytes = [
            b"instored-event-v2\0".as_slice(),
            &length,
            signed_topic.as_bytes(),
            &sequence.to_be_bytes(),
            payload.as_bytes(),
        ];
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(&bytes.concat()).to_bytes());
        let mut command = Command::new("mosquitto_pub");
        command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.args(["-t", topic, "-m", payload]);
        command.args(["-D", "publish", "user-property", "sig", &signature]);
        command.args(["-D", "publish", "user-property", "key", "test"]);
        command.args(["-D", "publish", "user-property", "seq", &sequence.to_string()]);
        let finished = Process::start(&mut command, "mosquitto-clients").wait();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }

    /// Returns a visit event of customer `number`, with an order and recommendations, that expires
    /// after `seconds`.
    pub fn visit(&self, event: &str, number: u32, name: &str, seconds: f64) -> Value {
        let now = now();
        json!({
            "v": 1, "id": Uuid::new_v4(), "event": event,
            "customer": { "id": Uuid::from_u128(number.into()), "name": name }, "visits": 12,
            "orders": [{
                "id": "T2-77", "placed": "2026-03-29T09:15:00+02:00[Europe/Berlin]",
                "currency": "EUR", "total": 1473,
                "lines": [
                    { "sku": "4002", "name": "Oat milk 1 l", "quantity": 2.0, "unit_price": 199 },
                    { "sku": "1107", "name": "Rye bread", "quantity": 1.0, "unit_price": 389 },
                    { "sku": "3014", "name": "Pears", "quantity": 0.845, "unit": "kg", "unit_price": 329 },
                    { "sku": "5220", "name": "Mountain cheese", "quantity": 0.21, "unit": "kg", "unit_price": 1945 },
                ],
            }],
            "recommendations": [
                { "sku": "4002", "name": "Oat milk 1 l", "reason": "in 6 of your last 8 baskets",
                  "why": { "kind": "usual", "baskets": 6, "of": 8 } },
                { "sku": "1107", "name": "Rye bread", "reason": "you buy it about every 7 days, last 8 days ago",
                  "why": { "kind": "due", "every_days": 7, "since_days": 8 } },
                { "sku": "2001", "name": "Butter", "reason": "often bought together with Rye bread",
                  "why": { "kind": "bought_together", "with": "Rye bread", "with_sku": "1107", "baskets": 9, "of": 14 } },
                { "sku": "7000", "name": "Coffee beans", "reason": "31 other customers buy it",
                  "why": { "kind": "liked_here", "customers": 31 } },
            ],
            "issued": timestamp(now), "expires": timestamp(now + seconds),
        })
    }

    /// Returns a state of the box.
    pub fn state(&self, camera: &str, issued: f64) -> Value {
        json!({
            "v": 1, "mode": "watching", "camera": camera, "model": "test", "customers": 1,
            "refused_templates": 0, "version": "0", "issued": timestamp(issued),
        })
    }

    /// Completes an enrolment event, which expires after `seconds`.
    pub fn enrolment(&self, mut event: Value, seconds: f64) -> Value {
        let now = now();
        event["v"] = json!(1);
        event["id"] = json!(Uuid::new_v4());
        event["issued"] = json!(timestamp(now));
        event["expires"] = json!(timestamp(now + seconds));
        event
    }
}
