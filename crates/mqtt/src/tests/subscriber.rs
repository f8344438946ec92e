//! Tests for the events that a display receives and the commands that it sends.

use super::*;

/// Publishes a message with a sequence number, signed by the key of `seed`.
fn publish_signed(
    broker: &Broker,
    seed: u8,
    topic: &str,
    sequence: u64,
    payload: &str,
    arguments: &[&str],
) {
    let properties = signer(seed).properties(topic, sequence, payload.as_bytes());
    let properties = properties.iter().flat_map(|(name, value)| {
        ["-D", "publish", "user-property", name.as_str(), value.as_str()]
    });
    let arguments: Vec<_> = arguments.iter().copied().chain(properties).collect();
    mosquitto_pub(broker.port(), topic, payload, &arguments);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn display_receives_each_valid_event_once() {
    let broker = Broker::start().unwrap();
    let test_box = TestBox::start(broker.port());
    test_box.publisher.publish_state(&state(1));
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.wait_for(&BoxEvent::State(box_id(), state(1))).await;

    // Five visits: unsigned, signed with another key, expired, valid, and a copy of the valid visit.
    let forged = serde_json::to_string(&versioned(visit(66, 60))).unwrap();
    mosquitto_pub(broker.port(), "instored/door-1/visit", &forged, &[]);
    publish_signed(&broker, 2, "instored/door-1/visit", u64::MAX, &forged, &[]);
    test_box.publisher.publish_visit(&visit(67, -1));
    let first = visit(1, 60);
    test_box.publisher.publish_visit(&first);
    test_box.publisher.publish_visit(&first);
    let issued = Timestamp::now();
    let step = EnrolmentEvent {
        id: EventId(Uuid::from_u128(2)),
        step: EnrolmentStep::Captured { count: 1, of: 3 },
        issued,
        expires: issued + SignedDuration::from_secs(60),
    };
    test_box.publisher.publish_enrolment(&step);
    assert_eq!(display.next_visit_or_enrolment().await, BoxEvent::Visit(box_id(), first));
    assert_eq!(display.next_visit_or_enrolment().await, BoxEvent::Enrolment(box_id(), step));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn box_with_untrusted_key_is_offline_until_it_has_trusted_key() {
    let broker = Broker::start().unwrap();
    let test_box = TestBox::start(broker.port());
    test_box.publisher.publish_state(&state(1));
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.wait_for(&BoxEvent::State(box_id(), state(1))).await;
    let availability = |is_online| BoxEvent::Availability(box_id(), is_online);
    let announce = |seed| {
        let payload = serde_json::to_string(&signer(seed).announcement()).unwrap();
        mosquitto_pub(broker.port(), "instored/door-1/key", &payload, &["-r"]);
    };

    announce(2);
    display.wait_for(&availability(false)).await;
    mosquitto_pub(broker.port(), "instored/door-1/availability", "online", &[]);
    assert_eq!(display.next().await, availability(false));
    let forged = serde_json::to_string(&versioned(visit(66, 60))).unwrap();
    publish_signed(&broker, 2, "instored/door-1/visit", u64::MAX, &forged, &[]);
    let valid = visit(3, 60);
    test_box.publisher.publish_visit(&valid);
    assert_eq!(display.next_visit_or_enrolment().await, BoxEvent::Visit(box_id(), valid));

    announce(1);
    mosquitto_pub(broker.port(), "instored/door-1/availability", "online", &[]);
    display.wait_for(&availability(true)).await;
    test_box.task.abort();
    display.wait_for(&availability(false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_older_state_is_ignored() {
    let broker = Broker::start().unwrap();
    let mut display = TestDisplay::start(broker.port(), Trust::Pinned(public_key(1)));
    display.wait_for(&BoxEvent::BrokerConnection(true)).await;
    let publish = |sequence, state: &BoxState| {
        let payload = serde_json::to_string(&versioned(state)).unwrap();
        publish_signed(&broker, 1, "instored/door-1/state", sequence, &payload, &["-r"]);
    };
    // The clock of the box is ahead at the second state; only the sequence number counts.
    let ahead = BoxState { issued: "2126-03-29T09:15:00Z".parse().unwrap(), ..state(2) };
    for (sequence, state, is_delivered) in [
        (1 << 32, state(1), true),
        ((1 << 32) + 1, ahead.clone(), true),
        (1 << 32, state(1), false),
        ((1 << 32) + 1, ahead, true),
        (2 << 32, state(3), true),
        ((1 << 32) + 2, state(4), false),
    ] {
        publish(sequence, &state);
        // The availability is always delivered and marks the end of this case.
        mosquitto_pub(broker.port(), "instored/door-1/availability", "online", &[]);
        if is_delivered {
            assert_eq!(display.next().await, BoxEvent::State(box_id(), state));
        }
        assert_eq!(display.next().await, BoxEvent::Availability(box_id(), true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn display_with_pinned_key_receives_events_of_that_key_only() {
    let broker = Broker::start().unwrap();
    let test_box = TestBox::start(broker.port());
    let mut other_display = TestDisplay::start(broker.port(), Trust::Pinned(public_key(2)));
    let mut display = TestDisplay::start(broker.port(), Trust::Pinned(public_key(1)));
    other_display.wait_for(&BoxEvent::Availability(box_id(), false)).await;
    display.wait_for(&BoxEvent::Availability(box_id(), true)).await;
    let event = visit(1, 60);
    test_box.publisher.publish_visit(&event);
    display.wait_for(&BoxEvent::Visit(box_id(), event)).await;
    test_box.stop().await;
    // The other display does not trust the key of the box and still reports the box as offline.
    assert_eq!(other_display.next().await, BoxEvent::Availability(box_id(), false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_client_returns_response_failure_or_timeout() {
    let broker = Broker::start().unwrap();
    let mut test_box = TestBox::start(broker.port());
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.wait_for(&BoxEvent::Availability(box_id(), true)).await;

    let client = display.client.clone();
    let send = async |command: Command| client.send(&box_id(), &command, TIMEOUT).await;
    let respond = async |response: Result<CommandResponse, CommandFailure>,
                         test_box: &mut TestBox| {
        let received = test_box.next_command().await;
        test_box.publisher.respond(received.response_address.unwrap(), &response, Timestamp::now());
    };
    let present = Ok(CommandResponse::Present(vec![]));
    let (result, ()) = tokio::join!(
        send(Command::Present { republishes_greetings: false }),
        respond(present.clone(), &mut test_box)
    );
    assert_eq!(result, present.map_err(CommandError::Rejected));

    let failure = CommandFailure::new(CommandFailureCode::NotFound, "no such customer");
    let code = "K7QM-3DXV".parse().unwrap();
    let forget = Command::Forget { customer: CustomerId(Uuid::from_u128(9)), code };
    let (result, ()) = tokio::join!(send(forget), respond(Err(failure.clone()), &mut test_box));
    assert_eq!(result, Err(CommandError::Rejected(failure)));

    let absent: BoxId = "door-2".parse().unwrap();
    let result = client
        .send(
            &absent,
            &Command::Present { republishes_greetings: false },
            Duration::from_millis(50),
        )
        .await;
    assert_eq!(result, Err(CommandError::NoResponse));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_display_ignores_repeated_events_and_other_keys() {
    let broker = Broker::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trust.json");
    let store = || TrustStore::load(Trust::FirstUse, &path).unwrap();
    let topic = "instored/door-1/visit";
    let announce = |seed| {
        let payload = serde_json::to_string(&signer(seed).announcement()).unwrap();
        mosquitto_pub(broker.port(), "instored/door-1/key", &payload, &["-r"]);
    };
    announce(1);
    let mut display = TestDisplay::start(broker.port(), store());
    let event = visit(1, 60);
    let payload = serde_json::to_string(&versioned(&event)).unwrap();
    display.wait_for(&BoxEvent::BrokerConnection(true)).await;
    publish_signed(&broker, 1, topic, 7, &payload, &[]);
    display.wait_for(&BoxEvent::Visit(box_id(), event)).await;
    display.task.abort();

    announce(2);
    let mut display = TestDisplay::start(broker.port(), store());
    display.wait_for(&BoxEvent::Availability(box_id(), false)).await;
    // A copy of the event, an event of the other key, and a later event of the stored key.
    publish_signed(&broker, 1, topic, 7, &payload, &[]);
    let forged = serde_json::to_string(&versioned(visit(66, 60))).unwrap();
    publish_signed(&broker, 2, topic, 9, &forged, &[]);
    let later = visit(2, 60);
    publish_signed(&broker, 1, topic, 8, &serde_json::to_string(&versioned(&later)).unwrap(), &[]);
    assert_eq!(display.next_visit_or_enrolment().await, BoxEvent::Visit(box_id(), later));
}
