//! The bus against real brokers: each behaviour once with mosquitto, once with the embedded one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use confique::Config as _;
use ed25519_dalek::{Signer as _, SigningKey};
use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use uuid::Uuid;

use super::mosquitto::{Mosquitto, PATIENCE, Watcher, free_port, publish};
use super::*;
use crate::domain::{
    Answer, BoxId, BoxState, CameraState, Command, CustomerId, CustomerRef, EmbeddingCount,
    EnrolmentEvent, EnrolmentStep, EventId, Mode, ModelId, Refusal, RefusalCode, VisitEvent,
    VisitKind,
};

enum TestBroker {
    Mosquitto(Mosquitto),
    Embedded(Option<Broker>, u16),
}

impl TestBroker {
    fn mosquitto() -> Self {
        Self::Mosquitto(Mosquitto::start())
    }

    async fn embedded() -> Self {
        let broker = Broker::start((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let port = broker.port();
        Self::Embedded(Some(broker), port)
    }

    fn port(&self) -> u16 {
        match self {
            Self::Mosquitto(mosquitto) => mosquitto.port,
            Self::Embedded(_, port) => *port,
        }
    }

    async fn restart(&mut self) {
        match self {
            Self::Mosquitto(mosquitto) => mosquitto.restart(),
            Self::Embedded(broker, port) => {
                broker.take().unwrap().stop().await;
                *broker = Some(Broker::start((Ipv4Addr::LOCALHOST, *port).into()).await.unwrap());
            }
        }
    }
}

macro_rules! against_both_brokers {
    ($($name:ident)*) => {
        mod with_mosquitto {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::TestBroker::mosquitto()).await;
            })*
        }
        mod with_the_embedded_broker {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::TestBroker::embedded().await).await;
            })*
        }
    };
}

against_both_brokers! {
    a_box_is_online_until_it_stops
    home_assistant_finds_a_box_again_whenever_it_starts_and_forgets_it_when_asked_to
    more_commands_than_a_box_takes_are_refused_and_counted_and_the_others_are_not
    a_box_that_vanishes_is_declared_offline
    the_will_of_a_killed_process_is_executed
    the_newest_state_waits_for_late_displays
    events_are_signed_expire_and_are_not_kept
    a_restarted_broker_is_told_everything_again
    a_command_is_answered_with_its_correlation
    what_is_no_command_is_refused
    a_display_hears_only_the_box
    a_display_believes_no_state_from_before_the_one_it_knows
    a_display_that_knows_the_key_believes_no_other
    a_display_asks_and_is_answered
}

fn settings(port: u16) -> Settings {
    let mut settings = Settings::builder().load().unwrap();
    settings.port = port;
    settings
}

fn door() -> BoxId {
    "door-1".parse().unwrap()
}

fn signer(seed: u8) -> (Signer, PublicKey) {
    let secret = SigningKey::from_bytes(&[seed; 32]);
    let public = PublicKey::from_bytes(secret.verifying_key().as_bytes()).unwrap();
    let sign = Arc::new(move |bytes: &[u8]| secret.sign(bytes).to_bytes());
    (Signer::new("key-1", public, sign), public)
}

fn state(customers: u64) -> BoxState {
    BoxState {
        mode: Mode::Watching,
        camera: CameraState::Streaming,
        model: ModelId("test".into()),
        customers,
        refused_templates: 0,
        embeddings: EmbeddingCount { enrolment: 5, recognition: 12 },
        suspected_pictures: 0,
        visits_today: 0,
        not_me: 0,
        refused_commands: 0,
        version: "0".into(),
        issued: Timestamp::UNIX_EPOCH,
    }
}

fn visit(number: u128, seconds: i64) -> VisitEvent {
    let issued = Timestamp::now();
    VisitEvent {
        id: EventId(Uuid::from_u128(number)),
        event: VisitKind::Arrived,
        customer: CustomerRef { id: CustomerId(Uuid::from_u128(7)), name: None },
        visits: 1,
        orders: vec![],
        recommendations: vec![],
        issued,
        expires: issued + SignedDuration::from_secs(seconds),
    }
}

/// A box whose connection runs.
struct TestBox {
    publisher: Publisher,
    inbound: mpsc::Receiver<Inbound>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl TestBox {
    fn start(port: u16) -> Self {
        Self::start_with(&settings(port))
    }

    fn start_with(settings: &Settings) -> Self {
        let (publisher, inbound, connection) = connect(settings, &door(), signer(1).0).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(connection.run(async {
            let _ = stopped.await;
        }));
        Self { publisher, inbound, stop: Some(stop), running }
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        timeout(Duration::from_secs(5), &mut self.running).await.unwrap().unwrap();
    }

    async fn asked(&mut self) -> Inbound {
        timeout(PATIENCE, self.inbound.recv()).await.unwrap().unwrap()
    }
}

/// A display whose connection runs.
struct TestDisplay {
    heard: mpsc::Receiver<Heard>,
    caller: Caller,
    running: JoinHandle<()>,
}

impl TestDisplay {
    fn start(port: u16, trust: Trust) -> Self {
        let (heard, caller, connection) = listen(&settings(port), None, trust).unwrap();
        let running = tokio::spawn(connection.run(std::future::pending()));
        Self { heard, caller, running }
    }

    async fn next(&mut self) -> Heard {
        timeout(PATIENCE, self.heard.recv()).await.expect("nothing was heard").unwrap()
    }

    async fn until(&mut self, wanted: &Heard) {
        while self.next().await != *wanted {}
    }
}

impl Drop for TestDisplay {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// A way to the broker that can be shut.
struct Gate {
    port: u16,
    open: watch::Sender<bool>,
    attempts: watch::Receiver<usize>,
    running: JoinHandle<()>,
}

impl Gate {
    async fn start(to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, is_open) = watch::channel(true);
        let (count, attempts) = watch::channel(0);
        let running = tokio::spawn(async move {
            let mut ways = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                count.send_modify(|count| *count += 1);
                let mut is_open = is_open.clone();
                ways.spawn(async move {
                    if !*is_open.borrow_and_update() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_open.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { port, open, attempts, running }
    }

    fn shut(&self) {
        self.open.send_replace(false);
    }

    fn open(&self) {
        self.open.send_replace(true);
    }

    async fn further_attempts(&mut self, more: usize) {
        let now = *self.attempts.borrow();
        timeout(PATIENCE, self.attempts.wait_for(|n| *n >= now + more)).await.unwrap().unwrap();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn a_box_is_online_until_it_stops(broker: TestBroker) {
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

async fn home_assistant_finds_a_box_again_whenever_it_starts_and_forgets_it_when_asked_to(
    broker: TestBroker,
) {
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

async fn more_commands_than_a_box_takes_are_refused_and_counted_and_the_others_are_not(
    broker: TestBroker,
) {
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

async fn a_box_that_vanishes_is_declared_offline(broker: TestBroker) {
    let watcher = Watcher::start(broker.port(), "instored/+/availability");
    let test_box = TestBox::start(broker.port());
    assert_eq!(watcher.next()[6], "online");
    // The socket closes without a DISCONNECT.
    test_box.running.abort();
    assert_eq!(watcher.next()[6], "offline");
}

async fn the_will_of_a_killed_process_is_executed(broker: TestBroker) {
    let watcher = Watcher::start(broker.port(), "wills");
    let will = ["--will-topic", "wills", "--will-payload", "gone", "--will-qos", "1"];
    let mut testator = Watcher::start_with(broker.port(), "other", &will);
    testator.kill();
    assert_eq!(watcher.next()[6], "gone");
}

async fn the_newest_state_waits_for_late_displays(broker: TestBroker) {
    let watcher = Watcher::start(broker.port(), "instored/+/state");
    let test_box = TestBox::start(broker.port());
    test_box.publisher.state(&state(1));
    test_box.publisher.state(&state(2));
    while watcher.next()[6] != serde_json::to_string(&payload(state(2))).unwrap() {}
    let late = Watcher::start(broker.port(), "instored/+/state").next();
    assert_eq!(late[1], "1", "retained");
    assert_eq!(serde_json::from_str::<BoxState>(&late[6]).unwrap(), state(2));
}

async fn events_are_signed_expire_and_are_not_kept(broker: TestBroker) {
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

async fn a_restarted_broker_is_told_everything_again(mut broker: TestBroker) {
    let mut gate = Gate::start(broker.port()).await;
    let watcher = Watcher::start(broker.port(), "instored/#");
    let mut test_box = TestBox::start(gate.port);
    test_box.publisher.state(&state(1));
    watcher.next_on("/state");

    gate.shut();
    gate.further_attempts(1).await;
    broker.restart().await;
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

async fn a_command_is_answered_with_its_correlation(broker: TestBroker) {
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

async fn what_is_no_command_is_refused(broker: TestBroker) {
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

async fn a_display_hears_only_the_box(broker: TestBroker) {
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
    publish(broker.port(), "instored/door-1/visit", &forged, &property);
    let second = visit(3, 60);
    test_box.publisher.visit(&second);
    loop {
        if let event @ Heard::Visit(..) = display.next().await {
            assert_eq!(event, Heard::Visit(door(), second));
            break;
        }
    }
    test_box.running.abort();
    display.until(&Heard::Online(door(), false)).await;
}

async fn a_display_believes_no_state_from_before_the_one_it_knows(broker: TestBroker) {
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

async fn a_display_that_knows_the_key_believes_no_other(broker: TestBroker) {
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

async fn a_display_asks_and_is_answered(broker: TestBroker) {
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

/// What was logged on this thread while the guard lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_that_is_stopped_while_its_broker_goes_away_ends_well() {
    let broker = Mosquitto::start();
    // Whether the broker has heard the last words by then is a matter of luck: both happen.
    for _ in 0..12 {
        let gate = Gate::start(broker.port).await;
        let watcher = Watcher::start(broker.port, "instored/+/availability");
        let mut test_box = TestBox::start(gate.port);
        while watcher.next()[6] != "online" {}
        test_box.stop.take().unwrap().send(()).unwrap();
        gate.shut();
        timeout(PATIENCE, &mut test_box.running).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_broker_that_is_away_at_the_start_is_tried_until_it_comes_and_logged_once() {
    let log = Log::default();
    let _guard = log.capture();
    let broker = Mosquitto::start();
    let mut gate = Gate::start(broker.port).await;
    gate.shut();
    let test_box = TestBox::start(gate.port);
    test_box.publisher.visit(&visit(1, 60));
    gate.further_attempts(3).await;
    assert_eq!(log.text().matches("no connection to the MQTT broker").count(), 1, "{}", log.text());

    let mut display = TestDisplay::start(broker.port, Trust::Pinned(signer(1).1));
    display.until(&Heard::Link(true)).await;
    gate.open();
    loop {
        if let Heard::Visit(_, event) = display.next().await {
            assert_eq!(event.id, EventId(Uuid::from_u128(1)));
            break;
        }
    }
    assert_eq!(log.text().matches("again after").count(), 1, "{}", log.text());
    assert!(!log.text().contains("00000000-0000"), "payloads are not logged: {}", log.text());
}

async fn first_warning(settings: &Settings) -> String {
    let log = Log::default();
    let _guard = log.capture();
    let (_publisher, _inbound, connection) = connect(settings, &door(), signer(1).0).unwrap();
    let said = async {
        while !log.text().contains("Trying again") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, connection.run(said)).await.unwrap();
    log.text()
}

#[tokio::test]
async fn the_log_says_what_is_wrong_with_the_broker() {
    let nobody = settings(free_port());
    assert!(first_warning(&nobody).await.contains("nothing listens there"));

    let strict = Mosquitto::start_with("allow_anonymous false");
    assert!(first_warning(&settings(strict.port)).await.contains("does not let this account in"));

    let nowhere = Settings { host: "no-such-host.invalid".into(), ..nobody };
    let warning = first_warning(&nowhere).await;
    assert!(warning.contains("cannot be resolved"), "{warning}");
}

/// Puts the files of an authority, a broker at 127.0.0.1, one elsewhere and a client into `folder`.
fn certificates(folder: &Path) {
    let named = |names: Vec<String>, name: &str| {
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters
    };
    let mut parameters = named(vec![], "authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = parameters.self_signed(&authority_key).unwrap();
    let write = |name: &str, pem: String| std::fs::write(folder.join(name), pem).unwrap();
    write("ca.pem", authority.pem());
    let issuer = Issuer::new(parameters, authority_key);
    for (name, host) in
        [("broker", "127.0.0.1"), ("elsewhere", "broker.example"), ("client", "door-1")]
    {
        let key = KeyPair::generate().unwrap();
        let certificate = named(vec![host.to_owned()], name).signed_by(&key, &issuer).unwrap();
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

#[tokio::test]
async fn tls_needs_both_ends_to_prove_themselves() {
    let lines = "allow_anonymous true\ncafile DIR/ca.pem\ncertfile DIR/broker.pem\n\
                 keyfile DIR/broker.key\nrequire_certificate true";
    let broker = Mosquitto::start_prepared(lines, certificates);
    let known_at = |broker: &Mosquitto| {
        let file = |name: &str| Some(broker.directory().join(name));
        Settings {
            tls: true,
            ca_file: file("ca.pem"),
            client_cert: file("client.pem"),
            client_key: file("client.key"),
            ..settings(broker.port)
        }
    };
    let good = known_at(&broker);
    let trust = Trust::Pinned(signer(1).1);
    let (mut heard, _caller, connection) = listen(&good, None, trust).unwrap();
    let running = tokio::spawn(connection.run(std::future::pending()));
    assert_eq!(timeout(PATIENCE, heard.recv()).await.unwrap(), Some(Heard::Link(true)));
    running.abort();

    let stranger = tempfile::tempdir().unwrap();
    certificates(stranger.path());
    let deceived = Settings { ca_file: Some(stranger.path().join("ca.pem")), ..good.clone() };
    assert!(first_warning(&deceived).await.contains("TLS failed"));
    let elsewhere = lines.replace("DIR/broker", "DIR/elsewhere");
    let elsewhere = Mosquitto::start_prepared(&elsewhere, certificates);
    assert!(first_warning(&known_at(&elsewhere)).await.contains("TLS failed"));
    let anonymous = Settings { client_cert: None, client_key: None, ..good };
    assert!(first_warning(&anonymous).await.contains("TLS failed"));
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let refused = |change: fn(&mut Settings)| {
        let mut settings = settings(1883);
        change(&mut settings);
        connect(&settings, &door(), signer(1).0).err().map(|error| error.to_string())
    };
    assert_eq!(refused(|_| {}), None);
    let contains = |error: Option<String>, part: &str| {
        assert!(error.as_ref().is_some_and(|error| error.contains(part)), "{error:?}");
    };
    contains(refused(|s| s.keep_alive_seconds = 0), "keep_alive_seconds");
    contains(refused(|s| s.ca_file = Some("ca.pem".into())), "tls");
    contains(refused(|s| s.password_file = Some("p".into())), "username");
    contains(
        refused(|s| {
            (s.username, s.password_file) = (Some("u".into()), Some("/nonexistent".into()))
        }),
        "/nonexistent",
    );
    contains(
        refused(|s| (s.tls, s.client_key) = (true, Some("/nonexistent".into()))),
        "client_cert",
    );
}

#[tokio::test]
async fn the_embedded_broker_stays_on_this_machine_and_frees_its_port() {
    assert!(Broker::start((Ipv4Addr::UNSPECIFIED, 0).into()).await.is_err());
    let broker = Broker::start((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = broker.address();
    assert!(Broker::start(address).await.is_err(), "the port is taken");
    broker.stop().await;
    Broker::start(address).await.unwrap().stop().await;
}
