//! The one place that knows every part: it wires them, runs them, and takes them down.
//!
//! Threads: `capture` waits for the camera, `vision` looks at the newest frame, `button` and
//! `light` drive the panel; everything else is tokio. What the threads tell is acted on by one
//! loop, one thing at a time, at the `desk`.

pub mod admin_api;
mod admin_socket;
mod commands;
mod compaction;
mod controller;
mod daily_visits;
pub mod display_bridge;
mod enrolment_flow;
mod frame_slot;
mod maintenance;
mod metrics;
mod panel_threads;
mod recommendations;
mod vision_worker;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, Zoned};
use tokio::sync::{mpsc, oneshot};
use tokio::task::block_in_place;

pub use admin_socket::send_admin_request;
pub use frame_slot::Delivery;
pub use vision_worker::OpenCamera;

use instored_domain::{CustomerId, Embedding, ModelId, ShoppingLists, TillAssignments};
use instored_mqtt::{MqttError, PublicKeyAnnouncement, Signer};
use instored_panel::{Button, StatusLed};
use instored_recognition::Recogniser;
use instored_vault::{Actor, KeyStore, Vault, VaultError};
use instored_vision::VisionError;

use crate::config::{Config, Shop};
use admin_api::{Request, Response};
use commands::act;
use compaction::Compaction;
use controller::Controller;
use daily_visits::DailyVisits;
use metrics::Metrics;
use panel_threads::LedHandle;
use recommendations::Recommendations;
use vision_worker::{Opened, VisionEvent, VisionWorker};

/// The parts that differ between a shop's box, the demonstration and the tests.
pub struct Parts {
    /// Opens the camera.
    pub camera: OpenCamera,
    /// Whether frames may be skipped.
    pub delivery: Delivery,
    /// The button.
    pub button: Box<dyn Button>,
    /// The light.
    pub light: Box<dyn StatusLed>,
    /// What the shop shows and asks, whenever it is set anew.
    pub shop: mpsc::UnboundedReceiver<Shop>,
}

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DaemonError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Vision(#[from] VisionError),
    #[error(transparent)]
    Bus(#[from] MqttError),
    #[error("cannot make the folder {path}: {source}; check who owns the folder above")]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot open the control socket {path}: {source}; is runtime_dir there and yours?")]
    Socket { path: PathBuf, source: io::Error },
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    #[error("the {0} thread broke down; the log above says why")]
    Broken(&'static str),
}

/// Time that is left for each part to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1900);
/// How often the desk looks after what nobody asks for.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);
/// At least so long between two signs of life.
const WATCHDOG_INTERVAL: Duration = Duration::from_secs(1);

/// Opens the vault of a box, with its keys; makes what is not there.
///
/// # Errors
/// When a folder, a key or the vault cannot be opened.
pub fn open_vault(config: &Config) -> Result<Vault, DaemonError> {
    make_folder(&config.state_dir)?;
    let path = config.vault_path();
    let (keys, made) = KeyStore::load_or_create(&config.key_folders(), &path)?;
    for key in made {
        tracing::warn!(
            "a new key was made in {}: whoever can read this file can sign as this box, or read \
             the vault; keep a copy of it apart from the vault",
            key.display()
        );
    }
    let vault = Vault::open(&path, keys, config.box_name.clone(), Timestamp::now())?;
    for notice in vault.warnings() {
        tracing::error!("{notice}");
    }
    Ok(vault)
}

/// Runs the box until `shutdown`, or until a replay is over.
///
/// # Errors
/// When a part cannot start. What fails later is reported and tried again.
pub async fn run(
    config: &Config,
    parts: Parts,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let vault = Arc::new(block_in_place(|| open_vault(config))?);
    let (models, rules) = (config.vision.clone(), config.recognition.clone());
    let load = move || Recogniser::new(&models, &rules);
    let Parts { camera, delivery, button, light, shop: mut set_anew } = parts;
    let mut figures = Metrics::default();
    let seen = figures.seen.clone();
    let Opened { eyes, model, mut glimpses, vision } =
        block_in_place(|| VisionWorker::open(load, camera, delivery, sign_of_life(), seen))?;
    let (gallery, refused) = block_in_place(|| enrolled(&vault, &model))?;
    let advisor = block_in_place(|| Recommendations::of(&vault))?;
    let mut today = DailyVisits::of(&block_in_place(|| vault.customers())?.records, &Zoned::now());
    let mut state = controller::first_state(model, gallery.len() as u64, refused);
    state.visits_today = today.count(&Zoned::now());
    for (customer, templates) in gallery {
        eyes.ask(vision_worker::VisionCommand::Admit { customer, templates, track: None });
    }

    let signer = signer_of(&vault);
    let (publisher, mut commands, connection) =
        instored_mqtt::connect(&config.mqtt, &config.box_name, signer)?;
    let (stop_bus, bus_stopping) = tokio::sync::oneshot::channel::<()>();
    let bus = tokio::spawn(connection.run(async {
        let _ = bus_stopping.await;
    }));

    if let Some(listen) = config.metrics.listen {
        figures.read_at_each_look(publisher.clone(), eyes.clone());
        metrics::serve(listen, std::mem::take(&mut figures.registry)).await;
    }

    make_folder(&config.runtime_dir)?;
    let path = config.socket_path();
    let (tell, mut asked) = mpsc::channel(8);
    let socket = admin_socket::Socket::open(&path, tell)
        .map_err(|source| DaemonError::Socket { path, source })?;

    let mut presses =
        panel_threads::start_button_thread(button, &config.panel).map_err(DaemonError::Thread)?;
    let lamp = LedHandle::new(light).map_err(DaemonError::Thread)?;

    let mut desk = Controller {
        vault,
        publisher,
        eyes: eyes.clone(),
        lamp,
        shop: config.shop.clone(),
        box_id: config.box_name.clone(),
        state,
        greeted: HashMap::new(),
        enrolling: None,
        tills: TillAssignments::new(SignedDuration::from_mins(config.shop.at_till_minutes.into())),
        lists: ShoppingLists::new(SignedDuration::from_hours(config.shop.list_hours.into())),
        today,
        advisor,
        chores: Compaction::default(),
        looking: false,
        let_go: false,
        on_request: config.recognition.mode == instored_recognition::Mode::OnRequest,
        offered_until: None,
    };
    desk.rest();
    tracing::info!(
        box_name = %config.box_name, model = %desk.state.model, customers = desk.state.customers, "ready"
    );
    notify(&[sd_notify::NotifyState::Ready]);

    if desk.vault.is_compaction_due()? {
        desk.chores.sweep(&desk.vault);
    }
    let (done, mut ready) = mpsc::unbounded_channel();
    let vault = Arc::clone(&desk.vault);
    let beside = |request: Request, reply| {
        let (vault, done) = (Arc::clone(&vault), done.clone());
        let currency = config.shop.currency;
        tokio::task::spawn_blocking(move || {
            let answer = admin_api::answer(&vault, request, act(Actor::Operator), currency);
            // The loop has ended when nobody listens.
            let _ = done.send((answer, reply));
        });
    };
    if desk.vault.is_rotation_pending() {
        beside(Request::RotateKeys, oneshot::channel().0);
    }

    let mut now_and_then = tokio::time::interval(MAINTENANCE_INTERVAL);
    let mut shutdown = std::pin::pin!(shutdown);
    let ended = loop {
        tokio::select! {
            () = &mut shutdown => break Ok(()),
            glimpse = glimpses.recv() => match glimpse {
                Some(VisionEvent::Ended) | None => break Ok(()),
                Some(VisionEvent::Crashed) => break Err(DaemonError::Broken("vision")),
                Some(glimpse) => {
                    figures.glimpse(glimpse, |glimpse| block_in_place(|| desk.glimpse(glimpse)));
                }
            },
            Some(press) = presses.recv() => block_in_place(|| desk.press(press)),
            Some(inbound) = commands.recv() => {
                let answer = block_in_place(|| desk.command(inbound.command));
                figures.command(answer.is_ok());
                if let Some(reply) = inbound.reply_to {
                    desk.publisher.respond(reply, &answer);
                }
            }
            Some((request, reply)) = asked.recv() => {
                if request.takes_long() {
                    beside(request, reply);
                } else {
                    // Whoever asked and went away does not need the answer.
                    let _ = reply.send(block_in_place(|| desk.operator(request)));
                }
            }
            Some((answer, reply)) = ready.recv() => {
                if let Ok(Response::Rotated(_)) = answer {
                    desk.publisher.rotate_key(signer_of(&desk.vault));
                }
                let _ = reply.send(answer);
            }
            Some(shop) = set_anew.recv() => desk.set_anew(shop),
            _ = now_and_then.tick() => block_in_place(|| desk.tend()),
        }
    };

    let made = desk.eyes.embeddings();
    tracing::info!(
        enrolment = made.enrolment,
        recognition = made.recognition,
        "stopping; embeddings made since the start, by purpose"
    );
    desk.publish_state();
    notify(&[sd_notify::NotifyState::Stopping]);
    drop(socket);
    eyes.close();
    let _ = stop_bus.send(());
    let threads = tokio::task::spawn_blocking(move || vision.join());
    let farewell = async {
        let _ = tokio::join!(bus, threads);
    };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, farewell).await.is_err() {
        tracing::warn!("not every part ended in time");
    }
    ended
}

type Gallery = BTreeMap<CustomerId, Vec<Embedding>>;

/// The templates in the vault that hold, a customer each, and how many records do not.
fn enrolled(vault: &Vault, model: &ModelId) -> Result<(Gallery, u64), DaemonError> {
    let mut gallery = Gallery::new();
    let mut others = 0u64;
    let refused = vault.for_each_template(|template| {
        if template.model == *model {
            gallery.entry(template.customer).or_default().push(template.embedding);
        } else {
            others += 1;
        }
    })?;
    for refused in &refused {
        tracing::error!("{refused}");
    }
    if others > 0 {
        tracing::warn!(
            "{others} templates were made by another model than {model} and are not used: set \
             vision.embedder back, or have these customers enrol again"
        );
    }
    Ok((gallery, (refused.len() + vault.warnings().len()) as u64))
}

fn signer_of(vault: &Arc<Vault>) -> Signer {
    let PublicKeyAnnouncement { key_id, ed25519 } = admin_api::key_note(vault);
    let signing = Arc::clone(vault);
    Signer::new(key_id, ed25519, Arc::new(move |bytes: &[u8]| signing.signing_key().sign(bytes)))
}

fn make_folder(path: &std::path::Path) -> Result<(), DaemonError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| DaemonError::Folder { path: path.to_owned(), source })
}

/// Feeds systemd's watchdog when it is called, at most once a second.
fn sign_of_life() -> impl Fn() + Send + 'static {
    let last = std::cell::Cell::new(None::<Instant>);
    move || {
        if last.get().is_none_or(|t| t.elapsed() >= WATCHDOG_INTERVAL) {
            last.set(Some(Instant::now()));
            notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        tracing::warn!("systemd could not be told: {e}");
    }
}
