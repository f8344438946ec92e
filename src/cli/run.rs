//! `instored run`: the daemon.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{Config, ConfigError};
use crate::daemon::{self, Delivery, Parts};
use crate::hardware;

/// Runs the daemon. `load` reads the configuration at start and again at every SIGHUP.
pub(super) fn run(
    load: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
) -> anyhow::Result<ExitCode> {
    let config = load()?;
    super::memory::lock();
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let stop = stop_signal()?;
        let shop_updates = reload_on_hangup(config.clone(), load)?;
        let (panel, simulated_panel) = hardware::open_panel(&config.panel);
        let parts = Parts {
            open_camera: Box::new(hardware::camera_opener(config.camera.clone())),
            delivery: Delivery::Newest,
            panel,
            simulated_panel,
            shop_updates,
        };
        daemon::run(&config, parts, stop).await?;
        Ok(ExitCode::SUCCESS)
    });
    // Tasks that have not ended within `SHUTDOWN_TIMEOUT` are aborted. The vault is always consistent.
    runtime.shutdown_background();
    result
}

/// Creates the async runtime: one worker for tasks that wait for the disk, one for all others.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

/// Returns a future that is ready after SIGTERM or SIGINT.
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Reads the configuration again at every SIGHUP, and sends its section `[shop]`. Only this section
/// can change while the daemon runs.
fn reload_on_hangup(
    mut current: Config,
    load: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
) -> anyhow::Result<mpsc::UnboundedReceiver<instored_controller::Settings>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let reloaded = match load() {
                Ok(reloaded) => reloaded,
                Err(error) => {
                    tracing::error!("{error}; the previous configuration remains active");
                    continue;
                }
            };
            let unapplied = reloaded.sections_changed_besides_shop(&current);
            if !unapplied.is_empty() {
                tracing::warn!(
                    "{} changed: restart the daemon to apply this",
                    unapplied.join(", ")
                );
            }
            current = reloaded;
            if sender.send(current.shop.clone()).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
