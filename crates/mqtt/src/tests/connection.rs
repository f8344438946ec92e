//! Tests with unreachable brokers, rejected connections, wrong certificates and invalid settings.

use std::sync::Once;

use super::*;

/// Log lines of this thread, captured until the guard of [`Log::capture`] is dropped.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        // With a single subscriber, tracing would cache a call site as disabled if the thread of
        // another test reached it first. A second, global subscriber prevents this.
        static GLOBAL_SUBSCRIBER: Once = Once::new();
        GLOBAL_SUBSCRIBER.call_once(|| {
            let global = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
            tracing::subscriber::set_global_default(global).unwrap();
        });
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
async fn box_stops_cleanly_while_broker_disconnects() {
    let broker = Broker::start().unwrap();
    // The broker receives the final message in some rounds only. The box has to stop in all rounds.
    for _ in 0..12 {
        let proxy = Proxy::start(broker.port()).await;
        let subscription = MosquittoSub::start(broker.port(), "instored/+/availability");
        let mut test_box = TestBox::start(proxy.port);
        while subscription.next().payload != "online" {}
        test_box.stop.take().unwrap().send(()).unwrap();
        proxy.close();
        timeout(TIMEOUT, &mut test_box.task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn unreachable_broker_is_retried_and_logged_once() {
    let log = Log::default();
    let _guard = log.capture();
    let broker = Broker::start().unwrap();
    let mut proxy = Proxy::start(broker.port()).await;
    proxy.close();
    let test_box = TestBox::start(proxy.port);
    test_box.publisher.publish_visit(&visit(1, 60));
    proxy.wait_for_attempts(3).await;
    assert_eq!(log.text().matches("no connection to the MQTT broker").count(), 1, "{}", log.text());

    let mut display = TestDisplay::start(broker.port(), Trust::Pinned(public_key(1)));
    display.wait_for(&BoxEvent::BrokerConnection(true)).await;
    proxy.open();
    let BoxEvent::Visit(_, event) = display.next_visit_or_enrolment().await else { panic!() };
    assert_eq!(event.id, EventId(Uuid::from_u128(1)));
    assert_eq!(log.text().matches("again after").count(), 1, "{}", log.text());
    assert!(!log.text().contains("00000000-0000"), "payloads are not logged: {}", log.text());
}

#[tokio::test]
async fn two_boxes_with_same_name_are_reported_and_slowed_down() {
    let log = Log::default();
    let _guard = log.capture();
    let broker = Broker::start().unwrap();
    let boxes = [TestBox::start(broker.port()), TestBox::start(broker.port())];
    let is_reported = async {
        while !log.text().contains("`box_name`") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(TIMEOUT, is_reported).await.unwrap_or_else(|_| panic!("{}", log.text()));
    assert!(log.text().contains("client id instored-door-1"), "{}", log.text());
    let connections =
        || boxes.iter().map(|test_box| test_box.publisher.statistics().connections).sum::<u64>();
    let before = connections();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(connections() <= before + 1, "{before} {}", connections());
}

/// Runs a connection until it logs a failed attempt, and returns the log.
async fn first_warning(settings: &Settings) -> String {
    let log = Log::default();
    let _guard = log.capture();
    let BoxConnection { connection, .. } = connect(settings, &box_id(), signer(1), 1).unwrap();
    let is_logged = async {
        while !log.text().contains("Trying again") {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, connection.run(is_logged)).await.unwrap();
    log.text()
}

#[tokio::test]
async fn failed_connection_logs_its_cause() {
    let closed_port = settings(free_port().unwrap());
    assert!(first_warning(&closed_port).await.contains("nothing listens there"));

    let strict = Broker::start_with("allow_anonymous false", |_| {}).unwrap();
    assert!(first_warning(&settings(strict.port())).await.contains("rejects this account"));

    let unknown_host = Settings { host: "no-such-host.invalid".into(), ..closed_port };
    let warning = first_warning(&unknown_host).await;
    assert!(warning.contains("cannot be resolved"), "{warning}");
}

/// Writes the certificates of an authority, two servers and a client into `folder`: The
/// certificate `broker` is valid for 127.0.0.1, the certificate `wrong_host` for another host only.
fn certificates(folder: &Path) {
    let parameters = |names: Vec<String>, name: &str| {
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters
    };
    let mut authority = parameters(vec![], "authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let write = |name: &str, pem: String| std::fs::write(folder.join(name), pem).unwrap();
    write("ca.pem", authority_certificate.pem());
    let issuer = Issuer::new(authority, authority_key);
    for (name, host) in
        [("broker", "127.0.0.1"), ("wrong_host", "broker.example"), ("client", "door-1")]
    {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters(vec![host.to_owned()], name).signed_by(&key, &issuer).unwrap();
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

#[tokio::test]
async fn tls_requires_valid_certificates_of_both_sides() {
    let lines = "allow_anonymous true\ncafile DIR/ca.pem\ncertfile DIR/broker.pem\n\
                 keyfile DIR/broker.key\nrequire_certificate true";
    let broker = Broker::start_with(lines, certificates).unwrap();
    let tls_settings = |broker: &Broker| {
        let file = |name: &str| Some(broker.folder().join(name));
        Settings {
            tls: true,
            ca_file: file("ca.pem"),
            client_cert: file("client.pem"),
            client_key: file("client.key"),
            ..settings(broker.port())
        }
    };
    let valid = tls_settings(&broker);
    let trust = Trust::Pinned(public_key(1));
    let (mut events, _client, connection) = subscribe(&valid, None, trust).unwrap();
    let task = tokio::spawn(connection.run(std::future::pending()));
    let event = timeout(TIMEOUT, events.recv()).await.unwrap();
    assert_eq!(event, Some(BoxEvent::BrokerConnection(true)));
    task.abort();

    let other_folder = tempfile::tempdir().unwrap();
    certificates(other_folder.path());
    let wrong_authority =
        Settings { ca_file: Some(other_folder.path().join("ca.pem")), ..valid.clone() };
    assert!(first_warning(&wrong_authority).await.contains("TLS failed"));
    let lines = lines.replace("DIR/broker", "DIR/wrong_host");
    let wrong_host = Broker::start_with(&lines, certificates).unwrap();
    assert!(first_warning(&tls_settings(&wrong_host)).await.contains("TLS failed"));
    let no_client_certificate = Settings { client_cert: None, client_key: None, ..valid };
    assert!(first_warning(&no_client_certificate).await.contains("TLS failed"));
}

#[test]
fn invalid_settings_are_rejected() {
    let connect_error = |change: fn(&mut Settings)| {
        let mut settings = settings(1883);
        change(&mut settings);
        connect(&settings, &box_id(), signer(1), 1).err().map(|error| error.to_string())
    };
    assert_eq!(connect_error(|_| {}), None);
    let assert_contains = |error: Option<String>, part: &str| {
        assert!(error.as_ref().is_some_and(|error| error.contains(part)), "{error:?}");
    };
    assert_contains(
        connect_error(|settings| settings.keep_alive_seconds = 0),
        "keep_alive_seconds",
    );
    assert_contains(connect_error(|settings| settings.ca_file = Some("ca.pem".into())), "tls");
    assert_contains(
        connect_error(|settings| settings.password_file = Some("p".into())),
        "username",
    );
    assert_contains(
        connect_error(|settings| {
            (settings.username, settings.password_file) =
                (Some("u".into()), Some("/nonexistent".into()));
        }),
        "/nonexistent",
    );
    assert_contains(
        connect_error(|settings| {
            (settings.tls, settings.client_key) = (true, Some("/nonexistent".into()));
        }),
        "client_cert",
    );
}

#[test]
fn broker_with_invalid_configuration_reports_its_log() {
    let error = Broker::start_with("allow_anonymous perhaps", |_| {}).err().unwrap().to_string();
    assert!(error.contains("allow_anonymous"), "{error}");
}

#[test]
fn dropped_broker_frees_port_and_folder() {
    let broker = Broker::start().unwrap();
    let (port, folder) = (broker.port(), broker.folder().to_owned());
    drop(broker);
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert!(!folder.exists());
}

#[test]
fn broker_ends_with_thread_that_started_it() {
    let started = std::thread::spawn(|| std::mem::ManuallyDrop::new(Broker::start().unwrap()));
    let port = started.join().unwrap().port();
    let start = std::time::Instant::now();
    while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
        assert!(start.elapsed() < TIMEOUT, "the broker still runs after its thread ended");
        std::thread::yield_now();
    }
}
