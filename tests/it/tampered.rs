//! A vault that somebody wrote into.

use std::fs;

use serde_json::Value;

use crate::support::assert_says;
use crate::support::entrance::Entrance;
use crate::support::mosquitto::Mosquitto;

/// Turns one bit of the vault's file, at one place after the other, until `vault verify` says that a
/// template is broken; what it says of it. Everything is sealed: nobody can tell by looking where a
/// template lies.
fn break_a_template(entrance: &Entrance) -> String {
    let file = entrance.vault();
    let whole = fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(700) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&file, &bytes).unwrap();
        let verified = entrance.run(["vault", "verify", "--json"]);
        let Ok(found) = serde_json::from_str::<Value>(&verified.stdout) else { continue };
        let faults = found["faults"].as_array().unwrap().iter().filter_map(Value::as_str);
        if let Some(fault) = faults.into_iter().find(|fault| fault.contains("template")) {
            return fault.to_owned();
        }
    }
    panic!("no place of {} bytes belongs to a template", whole.len());
}

#[test]
fn a_template_that_was_changed_is_refused_and_the_others_still_recognise() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let (entrance, daemon, done) = Entrance::with_a_customer(&broker, &mut ear, &[]);
    let customer = done["customer"]["id"].as_str().unwrap();
    daemon.stop();

    let fault = break_a_template(&entrance);
    assert_says(&fault, &[customer, "is rejected", "enrol the customer again"]);

    let daemon = entrance.open();
    assert_says(&daemon.logs(&fault), &["ERROR"]);
    let state = ear.state("a template is refused", |s| s["refused_templates"].as_u64() > Some(0));
    assert_eq!(state["customers"], 1);
    assert_eq!(ear.visit("arrived").json()["customer"]["id"], customer);
    daemon.stop();
}
