//! Promised events of a box that has no broker for longer than an event lives.

use std::time::Duration;

use crate::support::mosquitto::Mosquitto;
use crate::support::test_box::TestBox;

/// Lifetime of other events in these tests, in seconds.
const GREETING_SECONDS: &str = "1";

#[test]
fn deletion_without_daemon_is_announced_at_next_start() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (test_box, daemon, done) = TestBox::with_customer(&broker, &mut subscriber, &[]);
    let customer = done["customer"]["id"].as_str().unwrap();
    daemon.stop();
    let forgotten = test_box.run(["customers", "forget", customer]);
    assert_eq!(forgotten.code, Some(0), "{}", forgotten.stderr);
    let daemon = test_box.start();
    assert_eq!(subscriber.enrolment("withdrawn")["customer"], customer);
    daemon.stop();
}

#[test]
fn claim_code_survives_an_outage_and_a_restart() {
    let mut broker = Mosquitto::start();
    let mut test_box = TestBox::with_visitor(&broker);
    test_box.set("INSTORED_PANEL_DRIVER", "simulated");
    test_box.set("INSTORED_SHOP_GREETING_SECONDS", GREETING_SECONDS);
    let daemon = test_box.start();
    daemon.wait_for_log("the camera is streaming");
    broker.stop();
    for _ in 0..2 {
        let pressed = test_box.run(["button", "press"]);
        assert_eq!(pressed.code, Some(0), "{}", pressed.stderr);
    }
    daemon.wait_for_log("a customer enrolled");
    std::thread::sleep(Duration::from_secs(3));
    daemon.stop();

    broker.restart();
    let mut subscriber = broker.subscribe();
    let daemon = test_box.start();
    let done = subscriber.enrolment("done");
    assert!(done["claim_code"].is_string() && done["receipt"].is_string(), "{done}");
    let customer = done["customer"]["id"].as_str().unwrap().to_owned();
    daemon.stop();
    // The counter finds the customer by either code.
    for code in [&done["claim_code"], &done["receipt"]] {
        let shown = test_box.run(["customers", "show", code.as_str().unwrap()]);
        assert!(shown.stdout.contains(&customer), "{}", shown.stderr);
    }
    let unknown = test_box.run(["customers", "forget", "0000-0000"]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.stdout);

    // A deletion outlives the customer. An acknowledged message is not sent again.
    broker.stop();
    let daemon = test_box.start();
    daemon.wait_until_ready();
    let forgotten = test_box.run(["customers", "forget", done["receipt"].as_str().unwrap()]);
    assert_eq!(forgotten.code, Some(0), "{}", forgotten.stderr);
    std::thread::sleep(Duration::from_secs(3));
    daemon.stop();
    broker.restart();
    let mut subscriber = broker.subscribe();
    let daemon = test_box.start();
    assert_eq!(subscriber.enrolment("withdrawn")["customer"], customer.as_str());
    let repeated = subscriber.received().into_iter().filter(|m| m.json()["event"] == "done");
    assert_eq!(repeated.count(), 0, "the claim code was announced again");
    daemon.stop();
}
