//! Start of the daemon: opens the vault, loads the gallery, and connects all parts.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use instored_consent::ConsentTexts;
use instored_controller::{Controller, Counters, InitialData, Readings, Rules, VisionCommand};
use instored_domain::{CustomerId, Embedding, ModelId};
use instored_mqtt::{BoxConnection, Signer};
use instored_recognition::{Mode, Recogniser};
use instored_recommend::{Catalogue, Recommender};
use instored_vault::{KeyStore, Vault, VaultError};
use jiff::{Timestamp, Zoned};
use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot};
use tokio::task::block_in_place;
use uuid::Uuid;

use super::admin_api::{self, Request};
use super::admin_socket::AdminSocket;
use super::compaction::Compaction;
use super::metrics::{self, Metrics};
use super::panel_threads::{LedHandle, start_button_thread};
use super::simulated_button::SimulatedButton;
use super::store_worker::StoreWorker;
use super::systemd::{SupervisedPart, WATCHDOG_INTERVAL, Watchdog};
use super::vision_worker::{StartedVision, VisionWorker};
use super::{Daemon, DaemonError, Inputs, MAINTENANCE_INTERVAL, Parts, systemd};
use crate::config::Config;

/// Maximum number of admin requests that wait for the main loop.
const ADMIN_QUEUE_LENGTH: usize = 8;

/// Templates of each customer.
type Gallery = BTreeMap<CustomerId, Vec<Embedding>>;

/// Opens the vault of a box with its keys. Creates the vault and the keys that do not exist.
///
/// # Errors
/// Returns an error if a folder, a key or the vault cannot be opened.
pub fn open_vault(config: &Config) -> Result<Vault, DaemonError> {
    create_folder(&config.state_dir)?;
    let path = config.vault_path();
    let (keys, created) = KeyStore::load_or_create(&config.key_folders(), &path)?;
    for key in created {
        tracing::warn!(
            "a new key was created in {}: a person who can read this file can sign as this box or \
             read the vault; keep a copy of the key apart from the vault",
            key.display()
        );
    }
    let vault = Vault::open(&path, keys, config.box_name.clone(), Timestamp::now())?;
    for warning in vault.warnings() {
        tracing::error!("{warning}");
    }
    Ok(vault)
}

/// Starts all parts of the box.
pub(super) async fn start(config: &Config, parts: Parts) -> Result<Daemon, DaemonError> {
    let vault = Arc::new(block_in_place(|| open_vault(config))?);
    if let Err(error) = admin_api::delete_abandoned_backups(&config.state_dir) {
        tracing::warn!("cannot delete abandoned backups: {error}");
    }
    let watchdog = Watchdog::systemd();
    let vision_watchdog = watchdog.clone();
    let mut metrics = Metrics::default();
    let (models, rules) = (config.vision.clone(), config.recognition.clone());
    let StartedVision { worker: vision, model, events: vision_events, thread: vision_thread } =
        block_in_place(|| {
            VisionWorker::start(
                move || Recogniser::new(&models, &rules),
                parts.open_camera,
                parts.delivery,
                move || vision_watchdog.report(SupervisedPart::Vision),
                metrics.vision.clone(),
            )
        })?;
    let (gallery, rejected_records) = block_in_place(|| load_gallery(&vault, &model))?;
    let data = block_in_place(|| load_data(&vault, model, rejected_records))?;
    for (customer, templates) in gallery {
        vision.send(VisionCommand::AddCustomer { customer, templates, track: None });
    }

    let BoxConnection { publisher, commands, delivered, connection } = instored_mqtt::connect(
        &config.mqtt,
        &config.box_name,
        signer(&vault)?,
        block_in_place(|| start_number(&vault)),
    )?;
    let (stop_mqtt, mqtt_stopped) = oneshot::channel::<()>();
    let mqtt_task = tokio::spawn(connection.run(async {
        // The signal is that `stop_mqtt` is dropped. The receiver then returns an error.
        let _ = mqtt_stopped.await;
    }));
    if let Some(listen) = config.metrics.listen {
        let panel = parts.panel.monitor.clone();
        metrics.register_collectors(publisher.clone(), vision.clone(), panel);
        metrics::serve(listen, std::mem::take(&mut metrics.registry)).await;
    }

    let (admin_sender, admin) = mpsc::channel(ADMIN_QUEUE_LENGTH);
    create_folder(&config.runtime_dir)?;
    let path = config.socket_path();
    let admin_socket = AdminSocket::open(&path, admin_sender)
        .map_err(|source| DaemonError::Socket { path, source })?;
    let button =
        start_button_thread(parts.panel.button, &config.panel).map_err(DaemonError::Thread)?;
    let led = LedHandle::new(parts.panel.led).map_err(DaemonError::Thread)?;

    let (store_sender, stored) = mpsc::unbounded_channel();
    let box_id = config.box_name.clone();
    let (store, store_thread) =
        StoreWorker::start(Arc::clone(&vault), box_id.clone(), store_sender)
            .map_err(DaemonError::Thread)?;

    let started = Instant::now();
    let readings =
        Readings { now: Zoned::now(), uptime: Duration::ZERO, counters: Counters::default() };
    let rules = Rules {
        is_on_request: config.recognition.mode == Mode::OnRequest,
        confirmation: config.enrolment.confirm,
        consent_texts: ConsentTexts::load(&config.enrolment)?,
    };
    let (controller, effects) =
        Controller::start(config.shop.clone(), box_id.clone(), rules, data, Uuid::new_v4, readings);
    let (result_sender, results) = mpsc::unbounded_channel();
    let mut daemon = Daemon {
        controller,
        started,
        vault,
        box_id,
        publisher,
        vision,
        led,
        simulated_button: SimulatedButton::new(parts.simulated_panel),
        compaction: Compaction::default(),
        store,
        pending_operations: 0,
        is_command_in_progress: false,
        clients: HashMap::new(),
        last_client: 0,
        results: result_sender,
        inputs: Inputs {
            vision: vision_events,
            button,
            commands,
            delivered,
            admin,
            stored,
            results,
            shop: parts.shop_updates,
            maintenance: tokio::time::interval(MAINTENANCE_INTERVAL),
            heartbeat: tokio::time::interval(WATCHDOG_INTERVAL),
        },
        watchdog,
        metrics,
        admin_socket,
        vision_thread,
        store_thread,
        mqtt_task,
        stop_mqtt,
    };
    daemon.perform(effects);
    announce_start(&daemon);
    resume_interrupted_work(&mut daemon)?;
    Ok(daemon)
}

/// Reports that the box is ready.
fn announce_start(daemon: &Daemon) {
    let state = daemon.controller.state();
    tracing::info!(
        box_name = %daemon.box_id,
        model = %state.model,
        customers = state.customers,
        "ready"
    );
    systemd::notify(NotifyState::Ready);
}

/// Continues a compaction and a key rotation that the last run did not complete.
fn resume_interrupted_work(daemon: &mut Daemon) -> Result<(), DaemonError> {
    if daemon.vault.is_compaction_due()? {
        daemon.compaction.request(&daemon.vault);
    }
    if daemon.vault.is_rotation_pending() {
        daemon.start_background_request(Request::RotateKeys, oneshot::channel().0);
    }
    Ok(())
}

/// Reads the data that the controller keeps in memory.
fn load_data(
    vault: &Vault,
    model: ModelId,
    rejected_records: u64,
) -> Result<InitialData, DaemonError> {
    let mut recommender = Recommender::default();
    let rejected_orders = vault.for_each_order_history(|_, orders| {
        for order in orders {
            recommender.add_order(order);
        }
    })?;
    let products = vault.products()?;
    let customers = vault.customers()?;
    for rejected in rejected_orders.iter().chain(&products.rejected).chain(&customers.rejected) {
        tracing::error!("{rejected}");
    }
    let catalogue: Catalogue = products.records.into_iter().collect();
    let rejected_records = rejected_records + customers.rejected.len() as u64;
    let customers = customers.records;
    Ok(InitialData { model, customers, rejected_records, recommender, catalogue })
}

/// Returns the verified templates of `model` by customer, and the number of rejected records.
fn load_gallery(vault: &Vault, model: &ModelId) -> Result<(Gallery, u64), DaemonError> {
    let mut gallery = Gallery::new();
    let mut unused = 0u64;
    let rejected = vault.for_each_template(|template| {
        if template.model == *model {
            gallery.entry(template.customer).or_default().push(template.embedding);
        } else {
            unused += 1;
        }
    })?;
    for rejected in &rejected {
        tracing::error!("{rejected}");
    }
    if unused > 0 {
        tracing::warn!(
            "{unused} templates of another model than {model} are not used: restore the previous \
             value of vision.embedder, or let these customers enrol again"
        );
    }
    Ok((gallery, (rejected.len() + vault.warnings().len()) as u64))
}

/// Returns the number of this start. If it cannot be stored, because the disk is full or damaged, the clock
/// alone determines it.
fn start_number(vault: &Vault) -> u32 {
    let now = Timestamp::now();
    vault.next_start_number(now).unwrap_or_else(|error| {
        tracing::warn!(
            "displays ignore the messages of this box if its clock was set back since the last start: \
             the number of this start cannot be stored ({error})"
        );
        instored_vault::lowest_start_number(now)
    })
}

/// Returns a signer with the vault's current signing key. A later rotation does not change the key of
/// this signer, so that key id and signature of an event always match.
pub(super) fn signer(vault: &Vault) -> Result<Signer, VaultError> {
    let key = vault.signing_key();
    let announcement = admin_api::public_key_announcement(vault, &key)?;
    Ok(Signer::new(announcement, Arc::new(move |bytes| key.sign(bytes))))
}

/// Creates a folder that only the daemon's user can enter.
fn create_folder(path: &Path) -> Result<(), DaemonError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| DaemonError::Folder { path: path.to_owned(), source })
}
