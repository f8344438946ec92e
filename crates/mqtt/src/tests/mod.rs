//! The bus against a real broker: what the tests share.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use confique::Config as _;
use ed25519_dalek::{Signer as _, SigningKey};
use instored_domain::{
    Answer, BoxId, BoxState, CameraState, Command, CustomerId, CustomerRef, EmbeddingCount,
    EnrolmentEvent, EnrolmentStep, EventId, Mode, ModelId, Refusal, RefusalCode, VisitEvent,
    VisitKind,
};
use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use uuid::Uuid;

use self::clients::{PATIENCE, Watcher, publish};
use super::broker::{free_port, launch};
use super::*;

mod boxes;
mod clients;
mod displays;
mod trouble;

impl Broker {
    /// Starts it again on the same port; it remembers nothing.
    fn restart(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        self.server = launch(self.folder(), self.port()).unwrap();
    }
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
