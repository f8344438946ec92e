//! `instored button` on a box with a rendered scene and a simulated panel.

use serde_json::json;

use crate::support::assert_contains;
use crate::support::mosquitto::Mosquitto;
use crate::support::test_box::TestBox;

/// Maximum number of visits until a hold must succeed. A hold fails if the visitor leaves before it
/// ends.
const VISITS_MAX: usize = 4;

#[test]
fn two_presses_enrol_and_hold_withdraws() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let mut test_box = TestBox::with_visitor(&broker);
    test_box.set("INSTORED_PANEL_DRIVER", "simulated");
    let daemon = test_box.start();
    subscriber.state("streaming", |s| s["camera"] == "streaming");

    for step in ["offered", "started"] {
        let pressed = test_box.run(["button", "press"]);
        assert_eq!(pressed.code, Some(0), "{}", pressed.stderr);
        subscriber.enrolment(step);
    }
    let customer = subscriber.enrolled()["customer"]["id"].clone();
    let export = test_box.run(["customers", "export", customer.as_str().unwrap()]);
    let export: serde_json::Value = serde_json::from_str(&export.stdout).unwrap();
    let consent = &export["consents"][0];
    assert_eq!((&consent["how"], &consent["language"]), (&json!("button"), &json!("en")));
    let shown = test_box.run(["customers", "show", customer.as_str().unwrap()]);
    let text = test_box.run(["consent", "text"]).stdout;
    let (text, hash) = text.trim_end().rsplit_once("\n\n(en, ").unwrap();
    assert_eq!(hash.trim_end_matches(')'), consent["text_hash"]);
    assert_contains(&shown.stdout, &["press of the button", hash.trim_end_matches(')'), text]);

    let is_withdrawn = (0..VISITS_MAX).any(|_| {
        subscriber.visit("arrived");
        let held = test_box.run(["button", "hold", "6"]);
        assert_eq!(held.code, Some(0), "{}", held.stderr);
        subscriber
            .received()
            .into_iter()
            .any(|message| message.leaf == "enrolment" && message.json()["event"] == "withdrawn")
    });
    assert!(is_withdrawn, "not withdrawn in {VISITS_MAX} visits");
    assert_eq!(subscriber.enrolment("withdrawn")["customer"], customer);
    subscriber.state("no customer", |s| s["customers"] == 0);
    daemon.stop();
}

#[test]
fn button_press_without_simulated_panel_fails_with_remedy() {
    let broker = Mosquitto::start();
    let test_box = TestBox::with_visitor(&broker);
    let daemon = test_box.start();
    daemon.wait_until_ready();
    for arguments in [&["button", "press"][..], &["button", "hold", "6"]] {
        let failed = test_box.run(arguments);
        assert_eq!(failed.code, Some(1), "{}", failed.stderr);
        assert_contains(
            &failed.stderr,
            &["panel.driver is not \"simulated\"", "set panel.driver = \"simulated\" and restart"],
        );
    }
    daemon.stop();
    let failed = test_box.run(["button", "press"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert_contains(&failed.stderr, &["no daemon runs at", "instored run"]);
}

#[test]
fn button_hold_with_duration_out_of_range_is_rejected() {
    let test_box = TestBox::new(9, "/dev/video99");
    for seconds in ["0", "0.09", "61", "-1", "long"] {
        let rejected = test_box.run(["button", "hold", "--", seconds]);
        assert_eq!(rejected.code, Some(2), "{seconds}: {}", rejected.stderr);
        assert_contains(&rejected.stderr, &["seconds from 0.1 to 60"]);
    }
}
