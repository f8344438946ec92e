//! A box that says what a test wants it to say, signed as the real one signs, so that a display can
//! be shown any situation at once.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use super::entrance::{program, start};
use super::mosquitto::Mosquitto;
use super::process::Process;

/// The box `entrance`, at a broker.
pub struct SignedBox {
    key: SigningKey,
    port: u16,
}

/// Seconds since 1970, with fractions.
pub fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("the clock is past 1970").as_secs_f64()
}

/// A moment as events write it.
pub fn at(seconds: f64) -> String {
    let (whole, days) = (seconds.floor() as i64, (seconds / 86_400.0).floor() as i64);
    // Civil from days: H. Hinnant, "chrono-compatible low-level date algorithms".
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let month = (5 * doy + 2) / 153;
    let (day, month) =
        (doy - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (second, milli) = (whole.rem_euclid(86_400), ((seconds - seconds.floor()) * 1e3) as i64);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{milli:03}Z")
}

impl SignedBox {
    pub fn new(broker: &Mosquitto, seed: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]), port: broker.port }
    }

    /// Its page, as `instored display` serves it; with the address.
    pub fn page(&self, more: &[(&str, &str)]) -> (Process, String) {
        let key = URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes());
        let mut command = program();
        command.args(["display", "--listen", "127.0.0.1:0", "--key", &key]);
        command.env("INSTORED_MQTT_PORT", self.port.to_string()).envs(more.iter().copied());
        let display = start(&mut command);
        let (_, page) = display.stderr.find(0, "the page's address", |line| {
            line.split_whitespace().find(|w| w.starts_with("http://")).map(str::to_owned)
        });
        display.stderr.expect("connected to the MQTT broker");
        (display, page)
    }

    /// Says something on a topic of the box, signed for `topic`.
    pub fn say(&self, leaf: &str, event: &Value) {
        let topic = format!("instored/entrance/{leaf}");
        self.publish(&topic, &topic, &event.to_string());
    }

    /// Says on one topic what was signed for another.
    pub fn publish(&self, topic: &str, signed: &str, payload: &str) {
        let length = u32::try_from(signed.len()).expect("a topic is short").to_be_bytes();
        let bytes =
            [b"instored-event-v1\0".as_slice(), &length, signed.as_bytes(), payload.as_bytes()];
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(&bytes.concat()).to_bytes());
        let mut command = Command::new("mosquitto_pub");
        command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.args(["-t", topic, "-m", payload]);
        command.args(["-D", "publish", "user-property", "sig", &signature]);
        command.args(["-D", "publish", "user-property", "key", "test"]);
        let ended = Process::start(&mut command, "mosquitto-clients").wait();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }

    /// What a customer with some orders is greeted with.
    pub fn visit(&self, event: &str, number: u32, name: &str, seconds: f64) -> Value {
        let now = now();
        json!({
            "v": 1, "id": uuid(rand(), 0), "event": event,
            "customer": { "id": uuid(u64::from(number), 7), "name": name }, "visits": 12,
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
            "issued": at(now), "expires": at(now + seconds),
        })
    }

    /// What the box is doing, as it said at a moment.
    pub fn state(&self, camera: &str, issued: f64) -> Value {
        json!({
            "v": 1, "mode": "watching", "camera": camera, "model": "test", "customers": 1,
            "refused_templates": 0, "version": "0", "issued": at(issued),
        })
    }

    /// A step of an enrolment.
    pub fn step(&self, mut step: Value, seconds: f64) -> Value {
        let now = now();
        step["v"] = json!(1);
        step["id"] = json!(uuid(rand(), 1));
        step["issued"] = json!(at(now));
        step["expires"] = json!(at(now + seconds));
        step
    }
}

fn uuid(high: u64, low: u64) -> String {
    let digits = format!("{high:016x}{low:016x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

fn rand() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}
