//! The box at a real broker, with the clients that a till and a display could use.

use serde_json::{Value, json};

use crate::support::assert_says;
use crate::support::entrance::Entrance;
use crate::support::mosquitto::{Message, Mosquitto, enrol};

/// What a till sends after a payment.
fn paid(buyer: &Value, order: &str, milk: u32) -> String {
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

#[track_caller]
fn assert_signed(message: &Message) {
    let user = &message.properties["user-properties"];
    for name in ["sig", "key"] {
        assert!(user[name].as_str().is_some_and(|v| !v.is_empty()), "no {name}: {message:?}");
    }
}

#[test]
fn a_customer_enrols_is_linked_to_an_order_is_greeted_with_it_and_is_forgotten() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let entrance = Entrance::with_a_visitor(&broker);
    let daemon = entrance.open();

    assert!(ear.availability("online").retained);
    let is_key = |m: &Message| Some(m.clone());
    let key = ear.next("key", "the public key", is_key);
    assert!(key.retained);
    let shown = entrance.run(["keys", "show", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&shown.stdout).unwrap(), key.json());
    let state = ear.state("streaming", |s| s["camera"] == "streaming");
    assert_eq!((&state["mode"], &state["customers"]), (&json!("watching"), &json!(0)));

    let done = enrol(&broker, &mut ear);
    let (id, code) = (&done["customer"]["id"], &done["claim_code"]);
    let steps: Vec<_> = ear
        .heard()
        .iter()
        .filter(|m| m.leaf == "enrolment")
        .map(|m| m.json()["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(steps.first().map(String::as_str), Some("started"));
    assert_eq!(steps.iter().filter(|s| *s == "captured").count(), 5, "{steps:?}");
    ear.state("one customer", |s| s["customers"] == 1 && s["mode"] == "watching");

    let bearer = json!({ "claim_code": code });
    let answer = broker.ask("order", &paid(&bearer, "T2-77", 2));
    assert_eq!(answer, json!({ "order": { "id": "T2-77", "customer": id, "added": true } }));
    let again = broker.ask("order", &paid(&bearer, "T2-77", 2));
    assert_eq!(again, json!({ "order": { "id": "T2-77", "customer": id, "added": false } }));
    let (refused, says) = broker.ask_in_vain("order", &paid(&bearer, "T2-77", 3));
    assert_eq!(refused, "conflict");
    assert_says(&says, &["T2-77", "other content"]);

    let named = json!({ "customer": id, "name": "Alex" });
    let renamed = broker.ask("rename", &named.to_string());
    assert_eq!(renamed, json!({ "renamed": { "id": id, "name": "Alex" } }));

    let arrived = ear.visit("arrived");
    assert!(!arrived.retained);
    assert_signed(&arrived);
    assert!(arrived.properties["message-expiry-interval"].is_number(), "{arrived:?}");
    let greeting = arrived.json();
    assert_eq!(greeting["customer"], json!({ "id": id, "name": "Alex" }));
    assert_eq!(greeting["visits"], 1);
    assert_eq!(greeting["orders"].as_array().unwrap().len(), 1);
    assert_eq!(greeting["orders"][0]["id"], "T2-77");
    assert_eq!(greeting["orders"][0]["total"], 676);
    assert_eq!(greeting["orders"][0]["lines"][0]["name"], "Oat milk 1 l");
    let here = broker.ask("present", "");
    assert_eq!(here, json!({ "present": [{ "id": id, "name": "Alex" }] }));

    let left = ear.visit("left").json();
    assert_eq!(left["customer"]["id"], *id);
    assert_eq!(left["orders"], json!([]));
    assert_eq!(broker.ask("present", ""), json!({ "present": [] }));

    // The greeted customer of the second visit was recognised wrongly, somebody says.
    assert_eq!(ear.visit("arrived").json()["visits"], 2);
    let customer = json!({ "customer": id }).to_string();
    assert_eq!(broker.ask("not-me", &customer), json!({ "dismissed": id }));
    assert_eq!(ear.visit("left").json()["customer"]["id"], *id);

    assert_eq!(broker.ask("forget", &customer), json!({ "forgotten": id }));
    assert_eq!(ear.enrolment("withdrawn")["customer"], *id);
    ear.state("nobody is enrolled", |s| s["customers"] == 0);
    assert_eq!(broker.ask_in_vain("forget", &customer).0, "not_found");
    assert_eq!(broker.ask_in_vain("order", &paid(&bearer, "T2-78", 1)).0, "not_found");

    for event in ear.heard().iter().filter(|m| ["state", "visit", "enrolment"].contains(&&*m.leaf))
    {
        assert_signed(event);
        assert_eq!(event.retained, event.leaf == "state", "{event:?}");
    }
    daemon.stop();
}

#[test]
fn what_is_no_command_is_refused_with_a_code_and_a_reason() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let entrance = Entrance::with_a_visitor(&broker);
    let mut daemon = entrance.open();
    ear.state("streaming", |s| s["camera"] == "streaming");

    let nobody = "7d444840-9dc0-11d1-b245-5ffdce74fad2";
    for (verb, payload, code, says) in [
        ("dance", "{}", "unknown_command", "dance"),
        ("forget", "{", "malformed", "JSON"),
        ("forget", "[]", "malformed", "JSON"),
        ("forget", "", "malformed", "customer"),
        ("forget", r#"{"customer":"nobody"}"#, "malformed", "forget"),
        ("present", r#"{"room":1}"#, "malformed", "room"),
        ("order", r#"{"claim_code":"K7QM-3DXV"}"#, "malformed", "order"),
        ("forget", &format!(r#"{{"customer":"{nobody}"}}"#), "not_found", nobody),
        ("not-me", &format!(r#"{{"customer":"{nobody}"}}"#), "not_found", nobody),
        (
            "order",
            &paid(&json!({ "claim_code": "K7QM-3DXV" }), "T2-1", 1),
            "not_found",
            "claim code",
        ),
        ("order", &paid(&json!({ "customer": nobody }), "T2-1", 1), "not_found", nobody),
        (
            "order",
            &paid(&json!({ "customer": nobody }), "T2-1", 1).replace("477", "478"),
            "malformed",
            "add up",
        ),
    ] {
        let (refused, message) = broker.ask_in_vain(verb, payload);
        assert_eq!(refused, code, "cmd/{verb} {payload}: {message}");
        assert!(message.contains(says), "cmd/{verb} {payload}: {message}");
    }
    assert!(daemon.process.is_running());
    assert_eq!(broker.ask("present", ""), json!({ "present": [] }));
}

#[test]
fn a_box_that_dies_is_offline_by_its_last_will() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let entrance = Entrance::with_a_visitor(&broker);
    let mut daemon = entrance.open();
    ear.availability("online");
    ear.state("streaming", |s| s["camera"] == "streaming");
    daemon.process.kill();
    assert!(ear.availability("offline").retained);
}

#[test]
fn a_box_that_is_stopped_says_that_it_is_offline_and_ends_well() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let entrance = Entrance::with_a_visitor(&broker);
    let daemon = entrance.open();
    ear.availability("online");
    ear.state("streaming", |s| s["camera"] == "streaming");
    let ended = daemon.stop();
    assert!(ear.availability("offline").retained);
    assert!(!entrance.path("run/control.sock").exists(), "the socket is left behind");
    assert!(!ended.stderr.contains("not every part ended in time"), "{}", ended.stderr);
}

#[test]
fn a_broker_that_comes_later_is_found() {
    let mut broker = Mosquitto::start();
    broker.stop();
    let entrance = Entrance::with_a_visitor(&broker);
    let mut daemon = entrance.open();
    daemon.logs("nothing listens there");
    daemon.logs("the camera is streaming");
    assert!(daemon.process.is_running());

    broker.start_again();
    let mut ear = broker.listen();
    ear.availability("online");
    ear.state("streaming", |s| s["camera"] == "streaming");

    // And again, when it was away for a while: what is retained is there anew.
    broker.start_again();
    let mut ear = broker.listen();
    ear.availability("online");
    ear.state("streaming", |s| s["camera"] == "streaming");
    ear.next("key", "the public key", |_| Some(()));
    daemon.stop();
}
