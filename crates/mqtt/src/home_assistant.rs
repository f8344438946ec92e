//! Discovery message for Home Assistant: one device with its sensors, an event for visits and, if
//! configured, a button that offers an enrolment. Format:
//! [MQTT discovery](https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload).
//!
//! Home Assistant stores all values that its templates read. Therefore no template reads a name, an
//! order or a customer id.

use instored_domain::BoxId;
use serde_json::{Value, json};

use super::send_queue::OutgoingMessage;
use super::topics::{self, box_topic};

/// Discovery settings.
#[derive(Clone, Debug)]
pub(super) struct HomeAssistant {
    /// Topic prefix of the discovery.
    pub prefix: String,
    /// True if the box is announced.
    pub is_enabled: bool,
    /// True if the box has a button that offers an enrolment.
    pub has_button: bool,
}

impl HomeAssistant {
    /// Returns the topic on which Home Assistant announces its start.
    pub fn birth_topic(&self) -> String {
        format!("{}/status", self.prefix)
    }

    /// Returns the retained message that adds the box to Home Assistant or removes the box.
    pub fn discovery(&self, box_id: &BoxId) -> OutgoingMessage {
        let payload = if self.is_enabled {
            device(box_id, self.has_button).to_string().into_bytes()
        } else {
            // An empty payload deletes the retained message.
            Vec::new()
        };
        let topic = format!("{}/device/instored_{box_id}/config", self.prefix);
        OutgoingMessage { topic, payload, is_retained: true, ..OutgoingMessage::default() }
    }
}

fn device(box_id: &BoxId, has_button: bool) -> Value {
    let topic = |leaf: &str| box_topic(box_id, leaf);
    let id = |component: &str| format!("instored_{box_id}_{component}");
    let sensor = |field: &str, name: &str, icon: &str, properties: Value| {
        let mut sensor = json!({
            "platform": "sensor",
            "unique_id": id(field),
            "name": name,
            "icon": icon,
            "state_topic": topic(topics::STATE),
            "value_template": format!("{{{{ value_json.{field} }}}}"),
        });
        if let (Value::Object(sensor), Value::Object(properties)) = (&mut sensor, properties) {
            sensor.extend(properties);
        }
        sensor
    };
    let mut device = json!({
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
                // This sensor has to stay available while the box is offline.
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
                "state_topic": topic(topics::PRESENCE),
                "value_template": "{% if value_json.event in ['arrived', 'left'] %}\
                     {{ {'event_type': value_json.event} | to_json }}{% endif %}",
            },
        },
    });
    if has_button {
        device["components"]["enrol"] = json!({
            "platform": "button",
            "unique_id": id("enrol"),
            "name": "Offer an enrolment",
            "icon": "mdi:account-plus",
            "command_topic": topic("cmd/enrol"),
            "payload_press": "{}",
        });
    }
    device
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovery(is_enabled: bool) -> OutgoingMessage {
        discovery_with_button(is_enabled, false)
    }

    fn discovery_with_button(is_enabled: bool, has_button: bool) -> OutgoingMessage {
        let home_assistant =
            HomeAssistant { prefix: "homeassistant".into(), is_enabled, has_button };
        home_assistant.discovery(&"door-1".parse().unwrap())
    }

    #[test]
    fn discovery_message_adds_device_and_empty_message_removes_it() {
        let added = discovery(true);
        assert_eq!(added.topic, "homeassistant/device/instored_door-1/config");
        let device: Value = serde_json::from_slice(&added.payload).unwrap();
        let components = device["components"].as_object().unwrap();
        assert_eq!(components.len(), 6);
        for (name, component) in components {
            assert_eq!(component["unique_id"], format!("instored_door-1_{name}"));
        }
        let removed = discovery(false);
        let fields = (removed.topic, removed.payload, removed.is_retained);
        assert_eq!(fields, (added.topic, vec![], true));
    }

    #[test]
    fn button_is_announced_only_if_configured() {
        for has_button in [false, true] {
            let payload = discovery_with_button(true, has_button).payload;
            let device: Value = serde_json::from_slice(&payload).unwrap();
            let button = &device["components"]["enrol"];
            assert_eq!(button["platform"] == "button", has_button, "{button}");
        }
    }

    #[test]
    fn templates_read_no_customer_data() {
        let payload = String::from_utf8(discovery(true).payload).unwrap();
        for personal_field in [".customer ", "customer.", "name }}", "orders", "recommendations"] {
            assert!(!payload.contains(personal_field), "{personal_field}");
        }
    }
}
