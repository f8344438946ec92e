//! A vault that somebody wrote into.

use std::fs;

use serde_json::Value;

use crate::support::assert_says;
use crate::support::entrance::Entrance;
use crate::support::mosquitto::{Mosquitto, enrol};

/// Turns one bit of each copy of `wanted` in the file; how many there were.
fn tamper(file: &std::path::Path, wanted: &[u8]) -> usize {
    let mut bytes = fs::read(file).unwrap();
    let places: Vec<_> = bytes
        .windows(wanted.len())
        .enumerate()
        .filter_map(|(at, window)| (window == wanted).then_some(at))
        .collect();
    for at in &places {
        bytes[at + wanted.len() / 2] ^= 0x10;
    }
    fs::write(file, bytes).unwrap();
    places.len()
}

#[test]
fn a_template_that_was_changed_is_refused_and_the_others_still_recognise() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let entrance = Entrance::with_a_visitor(&broker);
    let daemon = entrance.open();
    ear.state("streaming", |s| s["camera"] == "streaming");
    let done = enrol(&broker, &mut ear);
    let customer = done["customer"]["id"].as_str().unwrap();
    daemon.stop();

    let exported = entrance.run(["customers", "export", customer]);
    let export: Value = serde_json::from_str(&exported.stdout).unwrap();
    let values = export["templates"][2]["embedding"].as_array().unwrap();
    let stored: Vec<u8> =
        values.iter().flat_map(|v| (v.as_f64().unwrap() as f32).to_le_bytes()).collect();
    assert!(tamper(&entrance.vault(), &stored) > 0, "the template is not in the file");

    let listed = entrance.run(["customers", "export", customer]);
    assert_says(&listed.stdout, &["template 2 of customer", "its signature does not hold"]);

    let daemon = entrance.open();
    let line = daemon.logs("template 2 of customer");
    assert_says(
        &line,
        &[customer, "is refused", "its signature does not hold", "enrol again, or forget them"],
    );
    let state = ear.state("one template is refused", |s| s["refused_templates"] == 1);
    assert_eq!(state["customers"], 1);
    assert_eq!(ear.visit("arrived").json()["customer"]["id"], customer);
    daemon.stop();
}
