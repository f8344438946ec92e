//! `instored run`: the box itself.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{Config, ConfigError, Shop};
use crate::daemon::{self, Delivery, Parts};
use crate::hardware;

/// Runs the box, with the configuration that `load` reads now, and again at every SIGHUP.
pub(super) fn run(
    load: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
) -> anyhow::Result<ExitCode> {
    let config = load()?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let stop = stop_signal()?;
        let shop_updates = reload_on_hangup(config.clone(), load)?;
        let (panel, simulated_panel) = hardware::open_panel(&config.panel);
        let parts = Parts {
            open_camera: Box::new(hardware::camera_opener(config.camera.clone())),
            delivery: Delivery::Newest,
            button: panel.button,
            led: panel.led,
            simulated_panel,
            shop_updates,
        };
        daemon::run(&config, parts, stop).await?;
        Ok(ExitCode::SUCCESS)
    });
    // Background work that has not ended by now is abandoned: the vault is consistent at any time.
    runtime.shutdown_background();
    ended
}

/// Two workers: one for what waits for the disk, one for everything else.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Comes true when the program is asked to stop.
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

/// Reads the configuration at each SIGHUP and sends the settings that can change while the box runs.
fn reload_on_hangup(
    mut known: Config,
    load: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
) -> anyhow::Result<mpsc::UnboundedReceiver<Shop>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (tell, shop) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let reread = match load() {
                Ok(reread) => reread,
                Err(error) => {
                    tracing::error!("{error}; the box goes on with what it knows");
                    continue;
                }
            };
            let waiting = reread.changed_but_for_shop(&known);
            if !waiting.is_empty() {
                tracing::warn!("{} changed: restart the box for that", waiting.join(", "));
            }
            known = reread;
            if tell.send(known.shop.clone()).is_err() {
                return;
            }
        }
    });
    Ok(shop)
}
