//! Start of the daemon: opens the vault, loads the gallery, and connects all parts.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use instored_domain::{CustomerId, Embedding, ModelId, ShoppingLists, TillAssignments};
use instored_mqtt::{BoxConnection, Signer};
use instored_recognition::{Mode, Recogniser};
use instored_vault::{KeyStore, Vault, VaultError};
use jiff::{SignedDuration, Timestamp, Zoned};
use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot};
use tokio::task::block_in_place;

use super::admin_api::{self, Request};
use super::admin_socket::AdminSocket;
use super::compaction::Compaction;
use super::controller::{Controller, initial_state};
use super::daily_visits::DailyVisits;
use super::maintenance::RetentionSchedule;
use super::metrics::{self, Metrics};
use super::panel_threads::{LedHandle, start_button_thread};
use super::recommendations::Recommendations;
use super::retention::Retention;
use super::simulated_button::SimulatedButton;
use super::systemd::{SupervisedPart, WATCHDOG_INTERVAL, Watchdog};
use super::vision_worker::{StartedVision, VisionCommand, VisionWorker};
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
    let recommendations = block_in_place(|| Recommendations::load(&vault))?;
    let now = Zoned::now();
    let customers = block_in_place(|| vault.customers())?.records;
    let mut daily_visits = DailyVisits::new(&customers, &now);
    let mut state = initial_state(model, gallery.len() as u64, rejected_records);
    state.visits_today = daily_visits.count(&now);
    for (customer, templates) in gallery {
        vision.send(VisionCommand::AddCustomer { customer, templates, track: None });
    }

    let BoxConnection { publisher, commands, delivered, connection } =
        instored_mqtt::connect(&config.mqtt, &config.box_name, signer(&vault)?)?;
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

    let shop = config.shop.clone();
    let till_lifetime = SignedDuration::from_mins(shop.at_till_minutes.into());
    let list_lifetime = SignedDuration::from_hours(shop.list_hours.into());
    let controller = Controller {
        vault,
        publisher,
        vision,
        led,
        simulated_button: SimulatedButton::new(parts.simulated_panel),
        shop,
        box_id: config.box_name.clone(),
        state,
        greeted: HashMap::new(),
        enrolment: None,
        till_assignments: TillAssignments::new(till_lifetime),
        shopping_lists: ShoppingLists::new(list_lifetime),
        daily_visits,
        recommendations,
        compaction: Compaction::default(),
        retention_schedule: RetentionSchedule::default(),
        retention: Retention::new(&customers),
        outbox_position: 0,
        has_face_in_view: false,
        is_hold_aborted: false,
        is_on_request: config.recognition.mode == Mode::OnRequest,
        enrolment_offer_expires: None,
    };
    let (background_sender, background) = mpsc::unbounded_channel();
    let mut daemon = Daemon {
        controller,
        inputs: Inputs {
            vision: vision_events,
            button,
            commands,
            delivered,
            admin,
            background,
            shop: parts.shop_updates,
            maintenance: tokio::time::interval(MAINTENANCE_INTERVAL),
            heartbeat: tokio::time::interval(WATCHDOG_INTERVAL),
        },
        watchdog,
        metrics,
        currency: config.shop.currency,
        background: background_sender,
        admin_socket,
        vision_thread,
        mqtt_task,
        stop_mqtt,
    };
    daemon.controller.send_outbox();
    announce_start(&mut daemon.controller);
    resume_interrupted_work(&mut daemon)?;
    Ok(daemon)
}

/// Publishes the first state and reports readiness.
fn announce_start(controller: &mut Controller) {
    controller.set_idle();
    tracing::info!(
        box_name = %controller.box_id,
        model = %controller.state.model,
        customers = controller.state.customers,
        "ready"
    );
    systemd::notify(NotifyState::Ready);
}

/// Continues a compaction and a key rotation that the last run did not complete.
fn resume_interrupted_work(daemon: &mut Daemon) -> Result<(), DaemonError> {
    let controller = &mut daemon.controller;
    if controller.vault.is_compaction_due()? {
        controller.compaction.request(&controller.vault);
    }
    if controller.vault.is_rotation_pending() {
        daemon.start_background_request(Request::RotateKeys, oneshot::channel().0);
    }
    Ok(())
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
