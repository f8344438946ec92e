//! Brokers that are away, refuse, or are not who they should be; settings that cannot be meant.

use super::*;

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
    let broker = Broker::start().unwrap();
    // Whether the broker has heard the last words by then is a matter of luck: both happen.
    for _ in 0..12 {
        let gate = Gate::start(broker.port()).await;
        let watcher = Watcher::start(broker.port(), "instored/+/availability");
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
    let broker = Broker::start().unwrap();
    let mut gate = Gate::start(broker.port()).await;
    gate.shut();
    let test_box = TestBox::start(gate.port);
    test_box.publisher.visit(&visit(1, 60));
    gate.further_attempts(3).await;
    assert_eq!(log.text().matches("no connection to the MQTT broker").count(), 1, "{}", log.text());

    let mut display = TestDisplay::start(broker.port(), Trust::Pinned(signer(1).1));
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
    let nobody = settings(free_port().unwrap());
    assert!(first_warning(&nobody).await.contains("nothing listens there"));

    let strict = Broker::start_as("allow_anonymous false", |_| {}).unwrap();
    assert!(first_warning(&settings(strict.port())).await.contains("does not let this account in"));

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
    let broker = Broker::start_as(lines, certificates).unwrap();
    let known_at = |broker: &Broker| {
        let file = |name: &str| Some(broker.folder().join(name));
        Settings {
            tls: true,
            ca_file: file("ca.pem"),
            client_cert: file("client.pem"),
            client_key: file("client.key"),
            ..settings(broker.port())
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
    let elsewhere = Broker::start_as(&elsewhere, certificates).unwrap();
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

#[test]
fn a_broker_that_cannot_start_says_why() {
    let error = Broker::start_as("allow_anonymous perhaps", |_| {}).err().unwrap().to_string();
    assert!(error.contains("allow_anonymous"), "{error}");
}

#[test]
fn a_broker_that_is_dropped_frees_its_port_and_its_folder() {
    let broker = Broker::start().unwrap();
    let (port, folder) = (broker.port(), broker.folder().to_owned());
    drop(broker);
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert!(!folder.exists());
}

#[test]
fn a_broker_ends_with_whoever_started_it() {
    let started = std::thread::spawn(|| std::mem::ManuallyDrop::new(Broker::start().unwrap()));
    let port = started.join().unwrap().port();
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it outlives its parent");
        std::thread::yield_now();
    }
}
