//! Conformance of MQTT messages to the AsyncAPI document.

use serde_json::{Value, json};

use crate::demo::run_once;
use crate::support::mosquitto::Mosquitto;
use crate::support::test_box::{TestBox, program, run};

/// AsyncAPI document that `instored config asyncapi` prints.
struct Document(Value);

impl Document {
    /// Returns the document that the program prints.
    fn read() -> Self {
        let printed = run(program().args(["config", "asyncapi"]));
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        Self(serde_json::from_str(&printed.stdout).expect("a document in JSON"))
    }

    /// Returns the violations in a payload. `topic` is `None` for a response, because the requester
    /// chooses its topic.
    fn violations(&self, topic: Option<&str>, payload: &Value) -> Vec<String> {
        let address = topic.map(|topic| {
            let leaf = topic.splitn(3, '/').nth(2).expect("a topic of a box");
            json!(format!("instored/{{box}}/{leaf}"))
        });
        let channels = self.0["channels"].as_object().expect("channels");
        let address = address.unwrap_or_default();
        let Some(channel) = channels.values().find(|channel| channel["address"] == address) else {
            return vec![format!("no channel has the address {address}")];
        };
        let message = channel["messages"].as_object().and_then(|all| all.values().next());
        let schema = json!({
            "allOf": [message.expect("a message")["payload"]],
            "components": self.0["components"],
        });
        let validator = jsonschema::draft7::new(&schema).expect("a schema");
        validator
            .iter_errors(payload)
            .map(|error| format!("{topic:?}: {error} in {payload}"))
            .collect()
    }
}

#[test]
fn document_conforms_to_asyncapi_schema() {
    let schema: Value = serde_json::from_str(include_str!("vendor/asyncapi-3.0.0.json")).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let document = Document::read().0;
    let violations: Vec<_> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    // The validator finds a planted violation.
    let mut invalid = document;
    invalid["channels"]["visit"]["messages"]["visit"]["payload"]["type"] = json!("no type");
    assert!(!validator.is_valid(&invalid));
}

#[test]
fn demo_messages_conform_to_document() {
    let document = Document::read();
    let folder = tempfile::tempdir().unwrap();
    let demo = run_once(folder.path(), &[]);
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    let messages: Vec<Value> =
        demo.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for leaf in ["visit", "enrolment", "state"] {
        let topic = json!(format!("instored/demo/{leaf}"));
        assert!(messages.iter().any(|message| message["topic"] == topic), "{leaf}");
    }
    for message in &messages {
        let violations = document.violations(message["topic"].as_str(), &message["payload"]);
        assert!(violations.is_empty(), "{violations:#?}");
    }
    // The document rejects planted violations.
    let visit = messages.iter().find(|m| m["topic"] == "instored/demo/visit").unwrap();
    for (field, value) in [("v", json!(2)), ("visits", json!("many")), ("customer", json!({}))] {
        let mut invalid = visit["payload"].clone();
        invalid[field] = value;
        assert!(!document.violations(visit["topic"].as_str(), &invalid).is_empty(), "{field}");
    }
}

#[test]
fn commands_and_responses_conform_to_document() {
    let document = Document::read();
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (_entrance, daemon, done) = TestBox::with_customer(&broker, &mut subscriber, &[]);
    let customer = &done["customer"]["id"];
    let order = json!({
        "claim_code": done["claim_code"],
        "order": { "id": "T2-77", "placed": "2024-03-29T09:15:00+01:00", "currency": "EUR",
            "lines": [
                { "sku": "4002", "name": "Oat milk 1 l", "quantity": 2, "unit_price": 199 },
                { "sku": "3014", "name": "Pears", "quantity": 0.845, "unit": "kg", "unit_price": 329 },
            ],
            "total": 676 },
    });
    for (verb, payload) in [
        ("present", json!({})),
        ("at-till", json!({ "customer": customer, "till": "2" })),
        ("order", order.clone()),
        ("list", json!({ "customer": customer, "add": ["4002"] })),
        ("list", json!({ "at_till": "2" })),
        ("history", json!({ "customer": customer })),
        ("history", json!({ "customer": customer, "by": "product", "page": 1 })),
        ("rename", json!({ "customer": customer, "name": "Alex" })),
        ("preferences", json!({ "customer": customer, "allergens": ["nuts"] })),
        ("catalogue", json!({ "products": [{ "sku": "1", "name": "Salt" }] })),
        ("not-me", json!({ "customer": "7d444840-9dc0-11d1-b245-5ffdce74fad2" })),
        ("enrol", json!({ "language": "de" })),
        ("agree", json!({ "code": "7d444840-9dc0-11d1-b245-5ffdce74fad2" })),
        ("forget", json!({ "customer": customer, "code": done["receipt"] })),
    ] {
        let topic = format!("instored/entrance/cmd/{verb}");
        assert_eq!(document.violations(Some(&topic), &payload), [""; 0], "{verb}");
        let response = broker.command(verb, &payload.to_string());
        assert_eq!(document.violations(None, &response), [""; 0], "{verb}");
    }
    let mut invalid = order;
    invalid["order"]["lines"][0]["quantity"] = json!("two");
    assert!(!document.violations(Some("instored/entrance/cmd/order"), &invalid).is_empty());
    daemon.stop();
    for message in subscriber.received() {
        let is_checked_above = ["/cmd/", "/reply/"].iter().any(|part| message.topic.contains(part));
        if message.leaf == "availability" || is_checked_above {
            continue;
        }
        assert_eq!(document.violations(Some(&message.topic), &message.json()), [""; 0]);
    }
}
