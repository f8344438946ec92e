//! `instored run`: the box itself.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::daemon::{self, Delivery, Parts};
use crate::{camera, panel};

pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(async {
        let stop = stop_signal()?;
        let (button, light) = panel::open(&config.panel)?;
        let settings = config.camera.clone();
        let parts = Parts {
            camera: Box::new(move || camera::open(&settings)),
            delivery: Delivery::Newest,
            button,
            light,
        };
        daemon::run(config, parts, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
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
