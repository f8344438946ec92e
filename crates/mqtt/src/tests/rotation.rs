//! Tests for rotations of the signing key. A display accepts a new key only with valid endorsements.

use instored_domain::key_endorsement_message;

use super::*;

/// Returns the endorsement of the key `new` by the key `old`, signed with the key `signing`. Each key is
/// given by its seed.
fn endorsement(box_name: &str, old: u8, new: u8, signing: u8) -> KeyEndorsement {
    let key = |seed| SigningKey::from_bytes(&[seed; 32]);
    let public = |seed| *key(seed).verifying_key().as_bytes();
    let message = key_endorsement_message(&box_name.parse().unwrap(), &public(old), &public(new));
    let signature = key(signing).sign(&message).to_bytes();
    KeyEndorsement::new(public_key(old), public_key(new), &signature)
}

/// Returns the signer for the key of the last seed, with the endorsements of a rotation through all
/// seeds.
fn rotated_signer(seeds: &[u8]) -> Signer {
    let pairs = seeds.windows(2).map(|pair| endorsement("door-1", pair[0], pair[1], pair[0]));
    signer_with_endorsements(*seeds.last().unwrap(), pairs.collect())
}

async fn assert_delivers(test_box: &TestBox, display: &mut TestDisplay, number: u128) {
    let event = visit(number, 60);
    test_box.publisher.publish_visit(&event);
    assert_eq!(display.next_visit_or_enrolment().await, BoxEvent::Visit(box_id(), event));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribed_display_accepts_rotated_keys() {
    for trust in [Trust::FirstUse, Trust::Pinned(public_key(1))] {
        let broker = Broker::start().unwrap();
        let test_box = TestBox::start(broker.port());
        let mut display = TestDisplay::start(broker.port(), trust);
        display.wait_for(&BoxEvent::Availability(box_id(), true)).await;
        assert_delivers(&test_box, &mut display, 1).await;
        test_box.publisher.rotate_key(rotated_signer(&[1, 2]));
        assert_delivers(&test_box, &mut display, 2).await;
        test_box.publisher.rotate_key(rotated_signer(&[1, 2, 3]));
        assert_delivers(&test_box, &mut display, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn display_with_old_pinned_key_accepts_rotated_key() {
    let broker = Broker::start().unwrap();
    let test_box = TestBox::start(broker.port());
    test_box.publisher.rotate_key(rotated_signer(&[1, 2]));
    test_box.publisher.rotate_key(rotated_signer(&[1, 2, 3]));
    test_box.publisher.publish_state(&state(1));
    for seed in [1, 2, 3] {
        let mut display = TestDisplay::start(broker.port(), Trust::Pinned(public_key(seed)));
        display.wait_for(&BoxEvent::State(box_id(), state(1))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn display_accepts_keys_rotated_during_broker_outage() {
    let mut broker = Broker::start().unwrap();
    let mut proxy = Proxy::start(broker.port()).await;
    let test_box = TestBox::start(proxy.port);
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.wait_for(&BoxEvent::Availability(box_id(), true)).await;
    proxy.close();
    proxy.wait_for_attempts(1).await;
    broker.restart().unwrap();
    display.wait_for(&BoxEvent::BrokerConnection(true)).await;
    // An event that was queued before the rotations has to be signed with the newest key.
    let event = visit(1, 60);
    test_box.publisher.publish_visit(&event);
    test_box.publisher.rotate_key(rotated_signer(&[1, 2]));
    test_box.publisher.rotate_key(rotated_signer(&[1, 2, 3]));
    proxy.open();
    assert_eq!(display.next_visit_or_enrolment().await, BoxEvent::Visit(box_id(), event));
    assert_delivers(&test_box, &mut display, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn display_accepts_rotated_key_of_restarted_box() {
    let broker = Broker::start().unwrap();
    let test_box = TestBox::start(broker.port());
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.wait_for(&BoxEvent::Availability(box_id(), true)).await;
    test_box.stop().await;
    let signer = rotated_signer(&[1, 2, 3]);
    let test_box = TestBox::start_again(&settings(broker.port()), signer, 2);
    display.wait_for(&BoxEvent::Availability(box_id(), true)).await;
    assert_delivers(&test_box, &mut display, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_endorsements_are_rejected() {
    let broker = Broker::start().unwrap();
    let test_box = TestBox::start(broker.port());
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.wait_for(&BoxEvent::Availability(box_id(), true)).await;
    let valid = endorsement("door-1", 1, 2, 1);
    let changed = KeyEndorsement { ed25519: public_key(3), ..valid.clone() };
    let malformed = KeyEndorsement { sig: "!".into(), ..valid.clone() };
    let many = vec![endorsement("door-1", 4, 5, 4); 200].into_iter().chain([valid.clone()]);
    for (fault, seed, endorsements) in [
        ("no endorsement", 2, vec![]),
        ("endorsement of another key", 3, vec![valid]),
        (
            "gap in the chain",
            4,
            vec![endorsement("door-1", 1, 2, 1), endorsement("door-1", 3, 4, 3)],
        ),
        ("wrong order", 3, vec![endorsement("door-1", 2, 3, 2), endorsement("door-1", 1, 2, 1)]),
        ("signed by the new key", 2, vec![endorsement("door-1", 1, 2, 2)]),
        ("key endorses itself", 2, vec![endorsement("door-1", 2, 2, 2)]),
        ("another box", 2, vec![endorsement("door-2", 1, 2, 1)]),
        ("changed key", 3, vec![changed]),
        ("malformed signature", 2, vec![malformed]),
        ("too many endorsements", 2, many.collect()),
    ] {
        let forger = signer_with_endorsements(seed, endorsements);
        let payload = serde_json::to_string(forger.announcement()).unwrap();
        mosquitto_pub(broker.port(), "instored/door-1/key", &payload, &[]);
        assert_eq!(display.next().await, BoxEvent::Availability(box_id(), false), "{fault}");
    }
    // The display still trusts the first key.
    assert_delivers(&test_box, &mut display, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_id_and_signature_match_during_rotations() {
    const EVENTS: u128 = 200;
    let broker = Broker::start().unwrap();
    let visits = MosquittoSub::start(broker.port(), "instored/+/visit");
    let test_box = TestBox::start(broker.port());
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.wait_for(&BoxEvent::Availability(box_id(), true)).await;
    let publisher = test_box.publisher.clone();
    let rotations = std::thread::spawn(move || {
        for last in 2..20 {
            let seeds: Vec<u8> = (1..=last).collect();
            publisher.rotate_key(rotated_signer(&seeds));
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    for number in 0..EVENTS {
        test_box.publisher.publish_visit(&visit(number, 60));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rotations.join().unwrap();
    for number in 0..EVENTS {
        let BoxEvent::Visit(_, event) = display.next_visit_or_enrolment().await else { panic!() };
        assert_eq!(event.id, EventId(Uuid::from_u128(number)));
        let message = visits.next();
        let property = |name: &str| {
            let mut properties = message.user_properties.split_whitespace();
            properties.find_map(|property| property.strip_prefix(name)).unwrap().to_owned()
        };
        let seed = property("key:key-").parse().unwrap();
        let (signature, sequence) = (property("sig:"), property("seq:").parse().unwrap());
        let (key, payload) = (public_key(seed), message.payload.as_bytes());
        assert_eq!(verify(&key, &message.topic, sequence, payload, &signature), Ok(()));
    }
}
