//! What a display believes, and what it asks.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_display_hears_only_the_box() {
    let broker = Broker::start().unwrap();
    let test_box = TestBox::start(broker.port());
    test_box.publisher.state(&state(1));
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.until(&Heard::State(door(), state(1))).await;

    // Not signed; signed by another box; expired; and told before.
    let forged = serde_json::to_string(&payload(visit(66, 60))).unwrap();
    publish(broker.port(), "instored/door-1/visit", &forged, &[]);
    let sig = signer(2).0.properties("instored/door-1/visit", forged.as_bytes());
    let property = ["-D", "publish", "user-property", "sig", &sig[0].1];
    publish(broker.port(), "instored/door-1/visit", &forged, &property);
    test_box.publisher.visit(&visit(67, -1));
    let first = visit(1, 60);
    test_box.publisher.visit(&first);
    test_box.publisher.visit(&first);
    let issued = Timestamp::now();
    let step = EnrolmentEvent {
        id: EventId(Uuid::from_u128(2)),
        step: EnrolmentStep::Captured { count: 1, of: 3 },
        issued,
        expires: issued + SignedDuration::from_secs(60),
    };
    test_box.publisher.enrolment(&step);
    let mut events = vec![];
    while events.len() < 2 {
        match display.next().await {
            event @ (Heard::Visit(..) | Heard::Enrolment(..)) => events.push(event),
            Heard::List(..) | Heard::State(..) | Heard::Online(..) | Heard::Link(_) => {}
        }
    }
    assert_eq!(events, [Heard::Visit(door(), first), Heard::Enrolment(door(), step)]);

    // A second key, shown later, is not believed.
    let note = serde_json::to_string(&signer(2).0.note()).unwrap();
    publish(broker.port(), "instored/door-1/key", &note, &["-r"]);
    display.until(&Heard::Online(door(), false)).await;
    publish(broker.port(), "instored/door-1/availability", "online", &[]);
    assert_eq!(display.next().await, Heard::Online(door(), false));
    publish(broker.port(), "instored/door-1/visit", &forged, &property);
    let second = visit(3, 60);
    test_box.publisher.visit(&second);
    loop {
        if let event @ Heard::Visit(..) = display.next().await {
            assert_eq!(event, Heard::Visit(door(), second));
            break;
        }
    }
    // Until it shows the one that is known again.
    let note = serde_json::to_string(&signer(1).0.note()).unwrap();
    publish(broker.port(), "instored/door-1/key", &note, &["-r"]);
    publish(broker.port(), "instored/door-1/availability", "online", &[]);
    display.until(&Heard::Online(door(), true)).await;
    test_box.running.abort();
    display.until(&Heard::Online(door(), false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_display_believes_no_state_from_before_the_one_it_knows() {
    let broker = Broker::start().unwrap();
    let mut display = TestDisplay::start(broker.port(), Trust::Pinned(signer(1).1));
    display.until(&Heard::Link(true)).await;
    let say = |state: &BoxState| {
        let state = serde_json::to_string(&payload(state)).unwrap();
        let sig = signer(1).0.properties("instored/door-1/state", state.as_bytes());
        let property = ["-r", "-D", "publish", "user-property", "sig", &sig[0].1];
        publish(broker.port(), "instored/door-1/state", &state, &property);
    };
    let at = |time: &str, customers| BoxState { issued: time.parse().unwrap(), ..state(customers) };
    let (first, second) = (at("2026-03-29T09:15:00Z", 1), at("2026-03-29T09:15:00.5Z", 2));
    let ahead = at("2126-03-29T09:15:00Z", 3);
    for (said, news) in
        [(&first, true), (&second, true), (&first, false), (&ahead, true), (&second, false)]
    {
        say(said);
        // Comes after it, whatever becomes of it.
        publish(broker.port(), "instored/door-1/availability", "online", &[]);
        let heard = display.next().await;
        if news {
            assert_eq!(heard, Heard::State(door(), said.clone()));
            assert_eq!(display.next().await, Heard::Online(door(), true));
        } else {
            assert_eq!(heard, Heard::Online(door(), true));
        }
    }
    // The clock was set right.
    let right = BoxState { issued: Timestamp::now(), ..state(4) };
    say(&right);
    assert_eq!(display.next().await, Heard::State(door(), right));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_display_that_knows_the_key_believes_no_other() {
    let broker = Broker::start().unwrap();
    let test_box = TestBox::start(broker.port());
    let mut deceived = TestDisplay::start(broker.port(), Trust::Pinned(signer(2).1));
    let mut display = TestDisplay::start(broker.port(), Trust::Pinned(signer(1).1));
    deceived.until(&Heard::Online(door(), true)).await;
    display.until(&Heard::Online(door(), true)).await;
    let event = visit(1, 60);
    test_box.publisher.visit(&event);
    display.until(&Heard::Visit(door(), event)).await;
    test_box.stop().await;
    // All that the other one hears before the box has left.
    loop {
        match deceived.next().await {
            Heard::Online(_, false) => break,
            heard => assert_eq!(heard, Heard::Online(door(), true)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_display_asks_and_is_answered() {
    let broker = Broker::start().unwrap();
    let mut test_box = TestBox::start(broker.port());
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.until(&Heard::Online(door(), true)).await;

    let caller = display.caller.clone();
    let call = async |command: Command| caller.call(&door(), &command, PATIENCE).await;
    let answer = async |answer: Result<Answer, Refusal>, test_box: &mut TestBox| {
        let inbound = test_box.asked().await;
        test_box.publisher.reply(inbound.reply.unwrap(), &answer);
    };
    let (got, ()) =
        tokio::join!(call(Command::Present {}), answer(Ok(Answer::Present(vec![])), &mut test_box));
    assert_eq!(got, Ok(Answer::Present(vec![])));

    let refusal = Refusal::new(RefusalCode::NotFound, "no such customer");
    let forget = Command::Forget { customer: CustomerId(Uuid::from_u128(9)) };
    let (got, ()) = tokio::join!(call(forget), answer(Err(refusal.clone()), &mut test_box));
    assert_eq!(got, Err(CallError::Refused(refusal)));

    let nobody: BoxId = "door-2".parse().unwrap();
    let got = caller.call(&nobody, &Command::Present {}, Duration::from_millis(50)).await;
    assert_eq!(got, Err(CallError::NoAnswer));
}
