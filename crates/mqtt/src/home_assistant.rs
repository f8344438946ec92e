//! What Home Assistant is told of a box, so that it finds it by itself: one device with its sensors,
//! an event for visits and a button that begins an enrolment. The format is that of its
//! [MQTT discovery](https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload).
//!
//! Home Assistant keeps what it is told: no template reads a name, a basket or a pseudonym.

use instored_domain::BoxId;
use serde_json::{Value, json};

use super::queue::Outgoing;
use super::topics;

/// Where a Home Assistant listens, and whether it is to know the box.
#[derive(Clone, Debug)]
pub(super) struct HomeAssistant {
    pub prefix: String,
    pub welcome: bool,
}

impl HomeAssistant {
    /// Where it says that it has started.
    pub fn birth_topic(&self) -> String {
        format!("{}/status", self.prefix)
    }

    /// The retained message by which it finds the box, or by which it forgets it.
    pub fn discovery(&self, box_id: &BoxId) -> Outgoing {
        let payload = if self.welcome {
            device(box_id).to_string().into_bytes()
        } else {
            // A retained message without a payload is none any more.
            Vec::new()
        };
        let topic = format!("{}/device/instored_{box_id}/config", self.prefix);
        Outgoing { topic, payload, retain: true, ..Outgoing::default() }
    }
}

fn device(box_id: &BoxId) -> Value {
    let topic = |leaf: &str| topics::of(box_id, leaf);
    let id = |part: &str| format!("instored_{box_id}_{part}");
    let sensor = |part: &str, name: &str, icon: &str, more: Value| {
        let mut sensor = json!({
            "platform": "sensor",
            "unique_id": id(part),
            "name": name,
            "icon": icon,
            "state_topic": topic(topics::STATE),
            "value_template": format!("{{{{ value_json.{part} }}}}"),
        });
        if let (Value::Object(sensor), Value::Object(more)) = (&mut sensor, more) {
            sensor.extend(more);
        }
        sensor
    };
    json!({
        "device": {
            "identifiers": [format!("instored_{box_id}")],
            "name": format!("instored {box_id}"),
            "manufacturer": "instored",
            "model": "Entrance box",
            "sw_version": env!("CARGO_PKG_VERSION"),
        },
        "origin": { "name": "instored", "sw_version": env!("CARGO_PKG_VERSION") },
        "availability_topic": topic(topics::AVAILABILITY),
        "qos": 1,
        "components": {
            "connected": {
                "platform": "binary_sensor",
                "unique_id": id("connected"),
                "name": "Connected",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "state_topic": topic(topics::AVAILABILITY),
                "payload_on": topics::ONLINE,
                "payload_off": topics::OFFLINE,
                // What tells that the box is away must not become unavailable with it.
                "availability_topic": topic(topics::AVAILABILITY),
                "payload_available": topics::ONLINE,
                "availability_template": "online",
            },
            "camera": sensor("camera", "Camera", "mdi:cctv", json!({
                "device_class": "enum",
                "options": ["starting", "streaming", "trouble"],
                "entity_category": "diagnostic",
            })),
            "mode": sensor("mode", "Mode", "mdi:eye-outline", json!({
                "device_class": "enum",
                "options": ["watching", "waiting", "enrolling"],
            })),
            "customers": sensor("customers", "Customers", "mdi:account-group", json!({
                "state_class": "measurement",
            })),
            "visits_today": sensor("visits_today", "Visits today", "mdi:walk", json!({
                "state_class": "total_increasing",
            })),
            "visit": {
                "platform": "event",
                "unique_id": id("visit"),
                "name": "Visit",
                "icon": "mdi:hand-wave",
                "event_types": ["arrived", "left"],
                "state_topic": topic(topics::VISIT),
                "value_template": "{% if value_json.event in ['arrived', 'left'] %}\
                     {{ {'event_type': value_json.event} | to_json }}{% endif %}",
            },
            "enrol": {
                "platform": "button",
                "unique_id": id("enrol"),
                "name": "Begin an enrolment",
                "icon": "mdi:account-plus",
                "command_topic": topic("cmd/enrol"),
                "payload_press": "{}",
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_home(welcome: bool) -> Outgoing {
        let home = HomeAssistant { prefix: "homeassistant".into(), welcome };
        home.discovery(&"door-1".parse().unwrap())
    }

    #[test]
    fn one_retained_message_brings_the_device_and_an_empty_one_takes_it_away() {
        let found = at_home(true);
        assert_eq!(found.topic, "homeassistant/device/instored_door-1/config");
        let device: Value = serde_json::from_slice(&found.payload).unwrap();
        let parts = device["components"].as_object().unwrap();
        assert_eq!(parts.len(), 7);
        for (name, part) in parts {
            assert_eq!(part["unique_id"], format!("instored_door-1_{name}"));
        }
        let gone = at_home(false);
        assert_eq!((gone.topic, gone.payload, gone.retain), (found.topic, vec![], true));
    }

    #[test]
    fn no_template_reads_anything_about_a_customer() {
        let payload = String::from_utf8(at_home(true).payload).unwrap();
        for personal in [".customer ", "customer.", "name }}", "orders", "recommendations"] {
            assert!(!payload.contains(personal), "{personal}");
        }
    }
}
