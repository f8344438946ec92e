//! Tests against a real broker. This file contains their shared helpers.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use confique::Config as _;
use ed25519_dalek::{Signer as _, SigningKey};
use instored_domain::{
    BoxId, BoxState, CameraState, Command, CommandFailure, CommandFailureCode, CommandResponse,
    CustomerId, CustomerRef, EmbeddingCount, EnrolmentEvent, EnrolmentStep, EventId, FaceCount,
    Mode, ModelId, OUTBOX_LIFETIME, RetentionStatus, VisitEvent, VisitKind,
};
use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use uuid::Uuid;

use self::mosquitto_clients::{MosquittoSub, TIMEOUT, mosquitto_pub};
use super::broker::free_port;
use super::signature::verify;
use super::*;

mod connection;
mod delivery;
mod mosquitto_clients;
mod publisher;
mod rotation;
mod subscriber;

fn settings(port: u16) -> Settings {
    let mut settings = Settings::builder().load().unwrap();
    settings.port = port;
    settings
}

fn box_id() -> BoxId {
    "door-1".parse().unwrap()
}

fn public_key(seed: u8) -> PublicKey {
    let private_key = SigningKey::from_bytes(&[seed; 32]);
    PublicKey::from_bytes(private_key.verifying_key().as_bytes()).unwrap()
}

fn signer(seed: u8) -> Signer {
    signer_with_endorsements(seed, vec![])
}

fn signer_with_endorsements(seed: u8, endorsements: Vec<KeyEndorsement>) -> Signer {
    let private_key = SigningKey::from_bytes(&[seed; 32]);
    let announcement = PublicKeyAnnouncement {
        key_id: format!("key-{seed}"),
        ed25519: public_key(seed),
        endorsements,
    };
    Signer::new(announcement, Arc::new(move |bytes| private_key.sign(bytes).to_bytes()))
}

fn state(customers: u64) -> BoxState {
    BoxState {
        mode: Mode::Watching,
        camera: CameraState::Streaming,
        model: ModelId("test".into()),
        customers,
        rejected_records: 0,
        embeddings: EmbeddingCount { enrolment: 5, recognition: 12 },
        faces: FaceCount::default(),
        suspected_attacks: 0,
        visits_today: 0,
        not_me_reports: 0,
        rejected_commands: 0,
        retention: RetentionStatus::Running,
        due_customers: 0,
        version: "0".into(),
        issued: Timestamp::UNIX_EPOCH,
    }
}

/// Returns an arrival of customer `number`, with the id `number`, that expires after
/// `lifetime_seconds`.
fn visit(number: u128, lifetime_seconds: i64) -> VisitEvent {
    let issued = Timestamp::now();
    VisitEvent {
        id: EventId(Uuid::from_u128(number)),
        event: VisitKind::Arrived,
        customer: CustomerRef { id: CustomerId(Uuid::from_u128(number)), name: None },
        visits: 1,
        orders: vec![],
        recommendations: vec![],
        issued,
        expires: issued + SignedDuration::from_secs(lifetime_seconds),
    }
}

/// Box with a running connection.
struct TestBox {
    publisher: Publisher,
    commands: mpsc::Receiver<ReceivedCommand>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestBox {
    fn start(port: u16) -> Self {
        Self::start_with(&settings(port))
    }

    fn start_with(settings: &Settings) -> Self {
        Self::start_with_signer(settings, signer(1))
    }

    fn start_with_signer(settings: &Settings, signer: Signer) -> Self {
        Self::start_again(settings, signer, 1)
    }

    fn start_again(settings: &Settings, signer: Signer, start_number: u32) -> Self {
        let BoxConnection { publisher, commands, connection, .. } =
            connect(settings, &box_id(), signer, start_number).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(connection.run(async {
            let _ = stopped.await;
        }));
        Self { publisher, commands, stop: Some(stop), task }
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        timeout(Duration::from_secs(5), &mut self.task).await.unwrap().unwrap();
    }

    async fn next_command(&mut self) -> ReceivedCommand {
        timeout(TIMEOUT, self.commands.recv()).await.unwrap().unwrap()
    }
}

/// Display with a running connection.
struct TestDisplay {
    events: mpsc::Receiver<BoxEvent>,
    client: CommandClient,
    task: JoinHandle<()>,
}

impl TestDisplay {
    fn start(port: u16, trust: impl Into<TrustStore>) -> Self {
        let (events, client, connection) = subscribe(&settings(port), None, trust).unwrap();
        let task = tokio::spawn(connection.run(std::future::pending()));
        Self { events, client, task }
    }

    async fn next(&mut self) -> BoxEvent {
        timeout(TIMEOUT, self.events.recv()).await.expect("no event in time").unwrap()
    }

    /// Returns the next event that is a visit or an enrolment.
    async fn next_visit_or_enrolment(&mut self) -> BoxEvent {
        loop {
            let event = self.next().await;
            if matches!(event, BoxEvent::Visit(..) | BoxEvent::Enrolment(..)) {
                return event;
            }
        }
    }

    /// Reads events until `expected` arrives.
    async fn wait_for(&mut self, expected: &BoxEvent) {
        while self.next().await != *expected {}
    }
}

impl Drop for TestDisplay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// TCP proxy to the broker. A test can close and open it.
struct Proxy {
    port: u16,
    is_open: watch::Sender<bool>,
    attempts: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Proxy {
    async fn start(broker_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open_sender, open_receiver) = watch::channel(true);
        let (attempt_count, attempts) = watch::channel(0);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                attempt_count.send_modify(|count| *count += 1);
                let mut is_open = open_receiver.clone();
                connections.spawn(async move {
                    if !*is_open.borrow_and_update() {
                        return;
                    }
                    let address = (Ipv4Addr::LOCALHOST, broker_port);
                    let Ok(mut broker) = TcpStream::connect(address).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut broker) => {}
                        _ = is_open.wait_for(|is_open| !is_open) => {}
                    }
                });
            }
        });
        Self { port, is_open: open_sender, attempts, task }
    }

    fn close(&self) {
        self.is_open.send_replace(false);
    }

    fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Waits for `additional` connection attempts after this call.
    async fn wait_for_attempts(&mut self, additional: usize) {
        let before = *self.attempts.borrow();
        timeout(TIMEOUT, self.attempts.wait_for(|count| *count >= before + additional))
            .await
            .unwrap()
            .unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
