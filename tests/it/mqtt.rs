//! Commands and events of the box at a real broker.

use serde_json::{Value, json};

use crate::support::assert_contains;
use crate::support::mosquitto::{Message, Mosquitto, enrol};
use crate::support::test_box::TestBox;

/// Returns the payload of `cmd/order` for a paid basket with `milk` bottles of milk.
fn order_payload(buyer: &Value, order: &str, milk: u32) -> String {
    let order = json!({
        "id": order, "placed": "2024-03-29T09:15:00+01:00", "currency": "EUR",
        "lines": [
            { "sku": "4002", "name": "Oat milk 1 l", "quantity": milk, "unit_price": 199 },
            { "sku": "3014", "name": "Loose pears (kg)", "quantity": 0.845, "unit_price": 329 },
        ],
        "total": 199 * milk + 278,
    });
    let mut payload = buyer.clone();
    payload["order"] = order;
    payload.to_string()
}

/// Asserts that a message has a signature.
#[track_caller]
fn assert_signed(message: &Message) {
    let user = &message.properties["user-properties"];
    for name in ["sig", "key", "seq"] {
        assert!(user[name].as_str().is_some_and(|v| !v.is_empty()), "no {name}: {message:?}");
    }
}

#[test]
fn rotated_key_is_announced_with_endorsement_of_old_key() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let test_box = TestBox::with_visitor(&broker);
    let daemon = test_box.start();
    let mut old = subscriber.next("key", "the first key", |m| Some(m.json()));
    for count in 1..=2 {
        assert_eq!(test_box.run(["keys", "rotate"]).code, Some(0));
        let key = subscriber.next("key", "a new key", |m| {
            Some(m.json()).filter(|key| key["key_id"] != old["key_id"])
        });
        let endorsements = key["endorsements"].as_array().unwrap();
        assert_eq!(endorsements.len(), count, "{key}");
        let newest = &endorsements[count - 1];
        assert_eq!((&newest["by"], &newest["ed25519"]), (&old["ed25519"], &key["ed25519"]));
        let is_new = |m: &Message| m.properties["user-properties"]["key"] == key["key_id"];
        subscriber.next("state", "a state with the new key", |m| is_new(m).then_some(()));
        old = key;
    }
    daemon.stop();
}

#[test]
fn customer_is_enrolled_greeted_and_deleted() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let test_box = TestBox::with_visitor(&broker);
    let daemon = test_box.start();

    assert!(subscriber.availability("online").is_retained);
    let key = subscriber.next("key", "the public key", |m| Some(m.clone()));
    assert!(key.is_retained);
    let shown = test_box.run(["keys", "show", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&shown.stdout).unwrap(), key.json());
    let state = subscriber.state("streaming", |s| s["camera"] == "streaming");
    assert_eq!((&state["mode"], &state["customers"]), (&json!("watching"), &json!(0)));

    let done = enrol(&broker, &mut subscriber);
    let (id, claim_code) = (&done["customer"]["id"], &done["claim_code"]);
    let steps: Vec<_> = subscriber
        .received()
        .iter()
        .filter(|m| m.leaf == "enrolment")
        .map(|m| m.json()["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(steps[..2], ["offered", "started"]);
    assert_eq!(steps.iter().filter(|s| *s == "captured").count(), 5, "{steps:?}");
    subscriber.state("one customer", |s| s["customers"] == 1 && s["mode"] == "watching");

    let buyer = json!({ "claim_code": claim_code });
    let response = broker.command("order", &order_payload(&buyer, "T2-77", 2));
    assert_eq!(response, json!({ "order": { "id": "T2-77", "customer": id, "added": true } }));
    let again = broker.command("order", &order_payload(&buyer, "T2-77", 2));
    assert_eq!(again, json!({ "order": { "id": "T2-77", "customer": id, "added": false } }));
    let (code, message) = broker.command_error("order", &order_payload(&buyer, "T2-77", 3));
    assert_eq!(code, "conflict");
    assert_contains(&message, &["T2-77", "other content"]);

    let payload = json!({ "customer": id, "name": "Alex" });
    let renamed = broker.command("rename", &payload.to_string());
    assert_eq!(renamed, json!({ "renamed": { "id": id, "name": "Alex" } }));

    let arrived = subscriber.visit("arrived");
    assert!(!arrived.is_retained);
    assert_signed(&arrived);
    assert!(arrived.properties["message-expiry-interval"].is_number(), "{arrived:?}");
    let greeting = arrived.json();
    assert_eq!(greeting["customer"], json!({ "id": id, "name": "Alex" }));
    assert_eq!(greeting["visits"], 1);
    assert_eq!(greeting["orders"].as_array().unwrap().len(), 1);
    assert_eq!(greeting["orders"][0]["id"], "T2-77");
    assert_eq!(greeting["orders"][0]["total"], 676);
    assert_eq!(greeting["orders"][0]["lines"][0]["name"], "Oat milk 1 l");
    let present = broker.command("present", "");
    assert_eq!(present, json!({ "present": [{ "id": id, "name": "Alex" }] }));

    let left = subscriber.visit("left").json();
    assert_eq!(left["customer"]["id"], *id);
    assert_eq!(left["orders"], json!([]));
    assert_eq!(broker.command("present", ""), json!({ "present": [] }));

    // The second visit is dismissed as a wrong recognition.
    assert_eq!(subscriber.visit("arrived").json()["visits"], 2);
    let customer = json!({ "customer": id }).to_string();
    assert_eq!(broker.command("not-me", &customer), json!({ "dismissed": id }));
    assert_eq!(subscriber.visit("left").json()["customer"]["id"], *id);

    // A face alone does not delete a customer.
    assert_eq!(broker.command_error("forget", &customer).0, "malformed");
    let deletion = |code: &Value| json!({ "customer": id, "code": code }).to_string();
    assert_eq!(broker.command_error("forget", &deletion(&json!("0000-0000"))).0, "not_found");
    let deletion = deletion(&done["receipt"]);
    assert_eq!(broker.command("forget", &deletion), json!({ "forgotten": id }));
    assert_eq!(subscriber.enrolment("withdrawn")["customer"], *id);
    subscriber.state("nobody is enrolled", |s| s["customers"] == 0);
    assert_eq!(broker.command_error("forget", &deletion).0, "not_found");
    assert_eq!(broker.command_error("order", &order_payload(&buyer, "T2-78", 1)).0, "not_found");

    for event in
        subscriber.received().iter().filter(|m| ["state", "visit", "enrolment"].contains(&&*m.leaf))
    {
        assert_signed(event);
        assert_eq!(event.is_retained, event.leaf == "state", "{event:?}");
    }
    daemon.stop();
}

#[test]
fn invalid_command_is_rejected_with_code_and_reason() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let test_box = TestBox::with_visitor(&broker);
    let mut daemon = test_box.start();
    subscriber.state("streaming", |s| s["camera"] == "streaming");

    let unknown = "7d444840-9dc0-11d1-b245-5ffdce74fad2";
    for (verb, payload, expected, part) in [
        ("dance", "{}", "unknown_command", "dance"),
        ("forget", "{", "malformed", "JSON"),
        ("forget", "[]", "malformed", "JSON"),
        ("forget", "", "malformed", "customer"),
        ("forget", r#"{"customer":"nobody"}"#, "malformed", "forget"),
        ("present", r#"{"room":1}"#, "malformed", "room"),
        ("order", r#"{"claim_code":"K7QM-3DXV"}"#, "malformed", "order"),
        ("not-me", &format!(r#"{{"customer":"{unknown}"}}"#), "not_found", unknown),
        ("not-me", &format!(r#"{{"customer":"{unknown}"}}"#), "not_found", unknown),
        (
            "order",
            &order_payload(&json!({ "claim_code": "K7QM-3DXV" }), "T2-1", 1),
            "not_found",
            "claim code",
        ),
        ("order", &order_payload(&json!({ "customer": unknown }), "T2-1", 1), "not_found", unknown),
        (
            "order",
            &order_payload(&json!({ "customer": unknown }), "T2-1", 1).replace("477", "478"),
            "malformed",
            "add up",
        ),
    ] {
        let (code, message) = broker.command_error(verb, payload);
        assert_eq!(code, expected, "cmd/{verb} {payload}: {message}");
        assert!(message.contains(part), "cmd/{verb} {payload}: {message}");
    }
    assert!(daemon.process.is_running());
    assert_eq!(broker.command("present", ""), json!({ "present": [] }));
}

#[test]
fn killed_box_is_reported_offline_by_its_will() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let test_box = TestBox::with_visitor(&broker);
    let mut daemon = test_box.start();
    subscriber.availability("online");
    subscriber.state("streaming", |s| s["camera"] == "streaming");
    daemon.process.kill();
    assert!(subscriber.availability("offline").is_retained);
}

#[test]
fn stopped_box_publishes_offline_and_deletes_socket() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let test_box = TestBox::with_visitor(&broker);
    let daemon = test_box.start();
    subscriber.availability("online");
    subscriber.state("streaming", |s| s["camera"] == "streaming");
    let finished = daemon.stop();
    assert!(subscriber.availability("offline").is_retained);
    assert!(!test_box.path("run/control.sock").exists(), "the socket still exists");
    assert!(!finished.stderr.contains("not all parts have stopped"), "{}", finished.stderr);
}

#[test]
fn box_connects_to_broker_that_starts_later() {
    let mut broker = Mosquitto::start();
    broker.stop();
    let test_box = TestBox::with_visitor(&broker);
    let mut daemon = test_box.start();
    daemon.wait_for_log("nothing listens there");
    daemon.wait_for_log("the camera is streaming");
    assert!(daemon.process.is_running());

    broker.restart();
    let mut subscriber = broker.subscribe();
    subscriber.availability("online");
    subscriber.state("streaming", |s| s["camera"] == "streaming");

    // After a restart of the broker, the box publishes its retained messages again.
    broker.restart();
    let mut subscriber = broker.subscribe();
    subscriber.availability("online");
    subscriber.state("streaming", |s| s["camera"] == "streaming");
    subscriber.next("key", "the public key", |_| Some(()));
    daemon.stop();
}
