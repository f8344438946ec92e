//! Tests for the messages that a box publishes and the commands that it receives.

use super::*;

const RESPONSE_TOPIC: [&str; 4] =
    ["-D", "publish", "response-topic", "instored/door-1/reply/till-7"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn availability_is_online_until_box_stops() {
    let broker = Broker::start().unwrap();
    let early = MosquittoSub::start(broker.port(), "instored/+/availability");
    let test_box = TestBox::start(broker.port());
    assert_eq!(early.next().payload, "online");
    test_box.stop().await;
    assert_eq!(early.next().payload, "offline");
    let late = MosquittoSub::start(broker.port(), "instored/+/availability");
    let message = late.next();
    assert_eq!((message.is_retained, message.payload.as_str()), (true, "offline"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn home_assistant_start_repeats_discovery_message() {
    const CONFIG_TOPIC: &str = "homeassistant/device/instored_door-1/config";
    let broker = Broker::start().unwrap();
    let subscription = MosquittoSub::start(broker.port(), "homeassistant/#");
    let test_box = TestBox::start(broker.port());
    let first = subscription.next_on("/config");
    assert_eq!(first.topic, CONFIG_TOPIC);
    assert!(first.payload.contains("binary_sensor"), "{}", first.payload);
    mosquitto_pub(broker.port(), "homeassistant/status", "offline", &[]);
    mosquitto_pub(broker.port(), "homeassistant/status", "online", &[]);
    assert_eq!(subscription.next_on("/config").payload, first.payload);
    test_box.stop().await;
    assert!(MosquittoSub::start(broker.port(), CONFIG_TOPIC).next().is_retained);

    let disabled = Settings { home_assistant: false, ..settings(broker.port()) };
    let test_box = TestBox::start_with(&disabled);
    assert_eq!(subscription.next_on("/config").payload, "");
    mosquitto_pub(broker.port(), "homeassistant/device/other/config", "{}", &["-r"]);
    // The retained message of the box was deleted, so the message of the other device arrives first.
    let retained = MosquittoSub::start(broker.port(), "homeassistant/device/+/config").next();
    assert_eq!(retained.topic, "homeassistant/device/other/config");
    test_box.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_commands_of_a_verb_are_rejected_and_counted() {
    let broker = Broker::start().unwrap();
    let responses = MosquittoSub::start(broker.port(), "instored/door-1/reply/till-7");
    let limited = Settings { commands_per_second: 1, ..settings(broker.port()) };
    let mut test_box = TestBox::start_with(&limited);
    let online = MosquittoSub::start(broker.port(), "instored/+/availability");
    online.next();
    // The limit is a burst of five commands, then one per second. Twenty commands exceed this limit,
    // unless `mosquitto_pub` takes about a second for each.
    for _ in 0..20 {
        mosquitto_pub(broker.port(), "instored/door-1/cmd/present", "", &RESPONSE_TOPIC);
    }
    let response: serde_json::Value = responses.next().json();
    assert_eq!(response["error"]["code"], "too_many");
    mosquitto_pub(broker.port(), "instored/door-1/cmd/enrol", "", &RESPONSE_TOPIC);
    let enrol = Command::Enrol { language: None };
    while test_box.next_command().await.command != enrol {}
    assert!(test_box.publisher.statistics().rejected_commands > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn will_is_published_when_connection_breaks() {
    let broker = Broker::start().unwrap();
    let subscription = MosquittoSub::start(broker.port(), "instored/+/availability");
    let test_box = TestBox::start(broker.port());
    assert_eq!(subscription.next().payload, "online");
    // The socket closes without a DISCONNECT.
    test_box.task.abort();
    assert_eq!(subscription.next().payload, "offline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn will_is_published_when_process_is_killed() {
    let broker = Broker::start().unwrap();
    let subscription = MosquittoSub::start(broker.port(), "wills");
    let will = ["--will-topic", "wills", "--will-payload", "gone", "--will-qos", "1"];
    let mut client = MosquittoSub::start_with(broker.port(), "other", &will);
    client.kill();
    assert_eq!(subscription.next().payload, "gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newest_state_is_retained() {
    let broker = Broker::start().unwrap();
    let early = MosquittoSub::start(broker.port(), "instored/+/state");
    let test_box = TestBox::start(broker.port());
    test_box.publisher.publish_state(&state(1));
    test_box.publisher.publish_state(&state(2));
    while early.next().payload != serde_json::to_string(&versioned(state(2))).unwrap() {}
    let late = MosquittoSub::start(broker.port(), "instored/+/state").next();
    assert!(late.is_retained);
    assert_eq!(late.json::<BoxState>(), state(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_is_signed_expires_and_is_not_retained() {
    let broker = Broker::start().unwrap();
    let subscription = MosquittoSub::start(broker.port(), "instored/door-1/visit");
    let test_box = TestBox::start(broker.port());
    test_box.publisher.publish_visit(&visit(1, 90));
    let message = subscription.next();
    let expiry: u32 = message.expiry_seconds.parse().unwrap();
    assert!((1..=90).contains(&expiry), "{expiry}");
    let properties: Vec<_> = message.user_properties.split_whitespace().collect();
    let property =
        |name| properties.iter().find_map(|property| property.strip_prefix(name)).unwrap();
    let (signature, sequence) = (property("sig:"), property("seq:").parse::<u64>().unwrap());
    assert_eq!(sequence >> 32, 1u64, "the start number");
    assert!(properties.contains(&"key:key-1"), "{properties:?}");
    let payload = message.payload.as_bytes();
    assert_eq!(verify(&public_key(1), &message.topic, sequence, payload, signature), Ok(()));

    let late = MosquittoSub::start(broker.port(), "instored/door-1/visit");
    mosquitto_pub(broker.port(), "instored/door-1/visit", "later", &[]);
    assert_eq!(late.next().payload, "later");
    let key = MosquittoSub::start(broker.port(), "instored/door-1/key").next();
    let announcement: PublicKeyAnnouncement = key.json();
    assert_eq!((announcement.key_id.as_str(), announcement.ed25519), ("key-1", public_key(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_broker_receives_state_and_unexpired_events_once() {
    let mut broker = Broker::start().unwrap();
    let mut proxy = Proxy::start(broker.port()).await;
    let subscription = MosquittoSub::start(broker.port(), "instored/#");
    let mut test_box = TestBox::start(proxy.port);
    test_box.publisher.publish_state(&state(1));
    subscription.next_on("/state");

    proxy.close();
    proxy.wait_for_attempts(1).await;
    broker.restart().unwrap();
    test_box.publisher.publish_state(&state(2));
    test_box.publisher.publish_visit(&visit(1, -1));
    test_box.publisher.publish_visit(&visit(2, 60));
    let subscription = MosquittoSub::start(broker.port(), "instored/#");
    proxy.open();

    assert_eq!(subscription.next_on("/availability").payload, "online");
    assert_eq!(subscription.next_on("/state").json::<BoxState>(), state(2));
    let next_visit = || subscription.next_on("/visit").json::<VisitEvent>().id;
    assert_eq!(next_visit(), EventId(Uuid::from_u128(2)), "the first visit has expired");
    test_box.publisher.publish_visit(&visit(3, 60));
    assert_eq!(next_visit(), EventId(Uuid::from_u128(3)), "the second visit was sent once");
    mosquitto_pub(broker.port(), "instored/door-1/cmd/present", "", &[]);
    assert_eq!(
        test_box.next_command().await.command,
        Command::Present { republishes_greetings: false }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn response_has_correlation_data_of_command() {
    let broker = Broker::start().unwrap();
    let subscription = MosquittoSub::start(broker.port(), "#");
    let mut test_box = TestBox::start(broker.port());
    subscription.next_on("/availability");
    let arguments = [&RESPONSE_TOPIC[..], &["-D", "publish", "correlation-data", "c-1"]].concat();
    mosquitto_pub(broker.port(), "instored/door-1/cmd/enrol", r#"{"language":"de"}"#, &arguments);
    let received = test_box.next_command().await;
    let enrol = Command::Enrol { language: Some("de".into()) };
    assert_eq!(received.command, enrol);
    test_box.publisher.respond(
        received.response_address.unwrap(),
        &Ok(CommandResponse::Enrolling {}),
        Timestamp::now(),
    );
    let response = subscription.next_on("instored/door-1/reply/till-7");
    assert_eq!(response.correlation_data, "c-1");
    assert_eq!(response.payload, r#"{"enrolling":{}}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_command_is_rejected() {
    let broker = Broker::start().unwrap();
    let subscription = MosquittoSub::start(broker.port(), "#");
    let _test_box = TestBox::start(broker.port());
    subscription.next_on("/availability");
    let too_long = format!("{{\"language\":\"{}\"}}", "x".repeat(65_536));
    let cases = [
        ("forget", "{", "malformed"),
        ("forget", "{}", "malformed"),
        ("dance", "{}", "unknown_command"),
        ("enrol", too_long.as_str(), "malformed"),
    ];
    for (verb, payload, code) in cases {
        let topic = format!("instored/door-1/cmd/{verb}");
        mosquitto_pub(broker.port(), &topic, payload, &RESPONSE_TOPIC);
        let response: serde_json::Value =
            subscription.next_on("instored/door-1/reply/till-7").json();
        assert_eq!(response["error"]["code"], code, "{verb} {response}");
        assert!(response["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_with_event_topic_as_response_topic_gets_no_response() {
    let broker = Broker::start().unwrap();
    let subscription = MosquittoSub::start(broker.port(), "#");
    let mut test_box = TestBox::start(broker.port());
    subscription.next_on("/availability");
    let arguments = ["-D", "publish", "response-topic", "instored/door-1/visit"];
    mosquitto_pub(broker.port(), "instored/door-1/cmd/present", "", &arguments);
    let received = test_box.next_command().await;
    assert_eq!(
        (received.command, received.response_address),
        (Command::Present { republishes_greetings: false }, None)
    );
}
