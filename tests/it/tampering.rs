//! Vault files that were changed by another program.

use std::fs;

use serde_json::Value;

use crate::support::assert_contains;
use crate::support::mosquitto::Mosquitto;
use crate::support::test_box::TestBox;

/// Flips one bit of the vault's file, at each position in turn, until `vault verify` reports a
/// template. Returns the reported fault. The position of a template is unknown, because all records
/// are encrypted.
fn corrupt_template(test_box: &TestBox) -> String {
    let file = test_box.vault();
    let intact = fs::read(&file).unwrap();
    for position in (0..intact.len()).step_by(700) {
        let mut bytes = intact.clone();
        bytes[position] ^= 0x10;
        fs::write(&file, &bytes).unwrap();
        let verified = test_box.run(["vault", "verify", "--json"]);
        let Ok(found) = serde_json::from_str::<Value>(&verified.stdout) else { continue };
        let faults = found["faults"].as_array().unwrap().iter().filter_map(Value::as_str);
        if let Some(fault) = faults.into_iter().find(|fault| fault.contains("template")) {
            return fault.to_owned();
        }
    }
    panic!("no position in {} bytes belongs to a template", intact.len());
}

#[test]
fn changed_template_is_rejected_and_others_still_match() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (test_box, daemon, done) = TestBox::with_customer(&broker, &mut subscriber, &[]);
    let customer = done["customer"]["id"].as_str().unwrap();
    daemon.stop();

    let fault = corrupt_template(&test_box);
    assert_contains(&fault, &[customer, "is rejected", "enrol the customer again"]);

    let daemon = test_box.start();
    assert_contains(&daemon.wait_for_log(&fault), &["ERROR"]);
    let state =
        subscriber.state("a rejected template", |s| s["refused_templates"].as_u64() > Some(0));
    assert_eq!(state["customers"], 1);
    assert_eq!(subscriber.visit("arrived").json()["customer"]["id"], customer);
    daemon.stop();
}
