//! What a box says and is asked.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_is_online_until_it_stops() {
    let broker = Broker::start().unwrap();
    let watcher = Watcher::start(broker.port(), "instored/+/availability");
    let test_box = TestBox::start(broker.port());
    assert_eq!(watcher.next()[6], "online");
    test_box.stop().await;
    assert_eq!(watcher.next()[6], "offline");
    // Kept, for those who come later.
    let late = Watcher::start(broker.port(), "instored/+/availability");
    let message = late.next();
    assert_eq!((message[1].as_str(), message[6].as_str()), ("1", "offline"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn home_assistant_finds_a_box_again_whenever_it_starts_and_forgets_it_when_asked_to() {
    let broker = Broker::start().unwrap();
    const CONFIG: &str = "homeassistant/device/instored_door-1/config";
    let watcher = Watcher::start(broker.port(), "homeassistant/#");
    let test_box = TestBox::start(broker.port());
    let first = watcher.next_on("/config");
    assert!(first[0] == CONFIG && first[6].contains("binary_sensor"), "{first:?}");
    publish(broker.port(), "homeassistant/status", "offline", &[]);
    publish(broker.port(), "homeassistant/status", "online", &[]);
    assert_eq!(watcher.next_on("/config")[6], first[6]);
    test_box.stop().await;
    assert_eq!(Watcher::start(broker.port(), CONFIG).next()[1], "1", "retained");

    let unwelcome = Settings { home_assistant: false, ..settings(broker.port()) };
    let test_box = TestBox::start_with(&unwelcome);
    assert_eq!(watcher.next_on("/config")[6], "");
    publish(broker.port(), "homeassistant/device/other/config", "{}", &["-r"]);
    // Of the two nothing but the other one is kept.
    let kept = Watcher::start(broker.port(), "homeassistant/device/+/config").next();
    assert_eq!(kept[0], "homeassistant/device/other/config");
    test_box.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_commands_than_a_box_takes_are_refused_and_counted_and_the_others_are_not() {
    let broker = Broker::start().unwrap();
    let watcher = Watcher::start(broker.port(), "till/7");
    let slow = Settings { commands_per_second: 1, ..settings(broker.port()) };
    let mut test_box = TestBox::start_with(&slow);
    let online = Watcher::start(broker.port(), "instored/+/availability");
    online.next();
    let ask = ["-D", "publish", "response-topic", "till/7"];
    // Five at once and one more a second: twenty are too many, unless each takes a second.
    for _ in 0..20 {
        publish(broker.port(), "instored/door-1/cmd/present", "", &ask);
    }
    let answer: serde_json::Value = serde_json::from_str(&watcher.next()[6]).unwrap();
    assert_eq!(answer["error"]["code"], "too_many");
    publish(broker.port(), "instored/door-1/cmd/enrol", "", &ask);
    let enrol = Command::Enrol { language: None, another_person: false };
    while test_box.asked().await.command != enrol {}
    assert!(test_box.publisher.traffic().refused > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_that_vanishes_is_declared_offline() {
    let broker = Broker::start().unwrap();
    let watcher = Watcher::start(broker.port(), "instored/+/availability");
    let test_box = TestBox::start(broker.port());
    assert_eq!(watcher.next()[6], "online");
    // The socket closes without a DISCONNECT.
    test_box.running.abort();
    assert_eq!(watcher.next()[6], "offline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_will_of_a_killed_process_is_executed() {
    let broker = Broker::start().unwrap();
    let watcher = Watcher::start(broker.port(), "wills");
    let will = ["--will-topic", "wills", "--will-payload", "gone", "--will-qos", "1"];
    let mut testator = Watcher::start_with(broker.port(), "other", &will);
    testator.kill();
    assert_eq!(watcher.next()[6], "gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_state_waits_for_late_displays() {
    let broker = Broker::start().unwrap();
    let watcher = Watcher::start(broker.port(), "instored/+/state");
    let test_box = TestBox::start(broker.port());
    test_box.publisher.state(&state(1));
    test_box.publisher.state(&state(2));
    while watcher.next()[6] != serde_json::to_string(&payload(state(2))).unwrap() {}
    let late = Watcher::start(broker.port(), "instored/+/state").next();
    assert_eq!(late[1], "1", "retained");
    assert_eq!(serde_json::from_str::<BoxState>(&late[6]).unwrap(), state(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_signed_expire_and_are_not_kept() {
    let broker = Broker::start().unwrap();
    let watcher = Watcher::start(broker.port(), "instored/door-1/visit");
    let test_box = TestBox::start(broker.port());
    test_box.publisher.visit(&visit(1, 90));
    let message = watcher.next();
    let expiry: u32 = message[2].parse().unwrap();
    assert!((1..=90).contains(&expiry), "{expiry}");
    let properties: Vec<_> = message[5].split_whitespace().collect();
    let sig = properties.iter().find_map(|p| p.strip_prefix("sig:")).unwrap();
    assert!(properties.contains(&"key:key-1"), "{properties:?}");
    assert_eq!(verify(&signer(1).1, &message[0], message[6].as_bytes(), sig), Ok(()));

    // Nothing of it is left for who comes later: the next message is the first one seen.
    let late = Watcher::start(broker.port(), "instored/door-1/visit");
    publish(broker.port(), "instored/door-1/visit", "later", &[]);
    assert_eq!(late.next()[6], "later");
    // The key is, so that the signature can be checked.
    let key = Watcher::start(broker.port(), "instored/door-1/key").next();
    let note: KeyNote = serde_json::from_str(&key[6]).unwrap();
    assert_eq!((note.key_id.as_str(), note.ed25519), ("key-1", signer(1).1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_broker_is_told_everything_again() {
    let mut broker = Broker::start().unwrap();
    let mut gate = Gate::start(broker.port()).await;
    let watcher = Watcher::start(broker.port(), "instored/#");
    let mut test_box = TestBox::start(gate.port);
    test_box.publisher.state(&state(1));
    watcher.next_on("/state");

    gate.shut();
    gate.further_attempts(1).await;
    broker.restart();
    test_box.publisher.state(&state(2));
    test_box.publisher.visit(&visit(1, -1));
    test_box.publisher.visit(&visit(2, 60));
    let watcher = Watcher::start(broker.port(), "instored/#");
    gate.open();

    assert_eq!(watcher.next_on("/availability")[6], "online");
    assert_eq!(serde_json::from_str::<BoxState>(&watcher.next_on("/state")[6]).unwrap(), state(2));
    let first: VisitEvent = serde_json::from_str(&watcher.next_on("/visit")[6]).unwrap();
    assert_eq!(first.id, EventId(Uuid::from_u128(2)), "the expired one is not said");
    test_box.publisher.visit(&visit(3, 60));
    let second: VisitEvent = serde_json::from_str(&watcher.next_on("/visit")[6]).unwrap();
    assert_eq!(second.id, EventId(Uuid::from_u128(3)), "each is said once");
    publish(broker.port(), "instored/door-1/cmd/present", "", &[]);
    assert_eq!(test_box.asked().await.command, Command::Present {});
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_answered_with_its_correlation() {
    let broker = Broker::start().unwrap();
    let watcher = Watcher::start(broker.port(), "#");
    let mut test_box = TestBox::start(broker.port());
    watcher.next_on("/availability");
    let ask =
        ["-D", "publish", "response-topic", "till/7", "-D", "publish", "correlation-data", "c-1"];
    publish(broker.port(), "instored/door-1/cmd/enrol", r#"{"language":"de"}"#, &ask);
    let inbound = test_box.asked().await;
    assert_eq!(
        inbound.command,
        Command::Enrol { language: Some("de".into()), another_person: false }
    );
    test_box.publisher.reply(inbound.reply.unwrap(), &Ok(Answer::Enrolling {}));
    let answer = watcher.next_on("till/7");
    assert_eq!((answer[3].as_str(), answer[6].as_str()), ("c-1", r#"{"enrolling":{}}"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_command_is_refused() {
    let broker = Broker::start().unwrap();
    let watcher = Watcher::start(broker.port(), "#");
    let mut test_box = TestBox::start(broker.port());
    watcher.next_on("/availability");
    let ask = ["-D", "publish", "response-topic", "till/7"];
    let large = format!("{{\"language\":\"{}\"}}", "x".repeat(65_536));
    let cases = [
        ("forget", "{", "malformed"),
        ("forget", "{}", "malformed"),
        ("dance", "{}", "unknown_command"),
        ("enrol", large.as_str(), "malformed"),
    ];
    for (verb, payload, code) in cases {
        publish(broker.port(), &format!("instored/door-1/cmd/{verb}"), payload, &ask);
        let answer: serde_json::Value =
            serde_json::from_str(&watcher.next_on("till/7")[6]).unwrap();
        assert_eq!(answer["error"]["code"], code, "{verb} {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    // An answer must not look like an event; without a place to answer at, the command still counts.
    let posing = ["-D", "publish", "response-topic", "instored/door-1/visit"];
    publish(broker.port(), "instored/door-1/cmd/present", "", &posing);
    let inbound = test_box.asked().await;
    assert_eq!((inbound.command, inbound.reply), (Command::Present {}, None));
}
