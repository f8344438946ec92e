//! Restarts of the services after a change of their files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Folder that exists while systemd manages the services.
const SYSTEMD_FOLDER: &str = "/run/systemd/system";

/// Services of this machine. Without systemd, and below a prefix, no service is restarted.
pub(super) struct Services {
    is_system: bool,
    are_managed: bool,
}

impl Services {
    /// Checks that systemd manages the services. Below a prefix, it does not.
    pub fn new(is_system: bool) -> Self {
        Self { is_system, are_managed: is_system && Path::new(SYSTEMD_FOLDER).exists() }
    }

    /// Returns true if services are restarted.
    pub fn are_managed(&self) -> bool {
        self.are_managed
    }

    /// Makes systemd read changed drop-in files.
    pub fn reload_units(&self) -> anyhow::Result<()> {
        self.systemctl(&["daemon-reload"])
    }

    /// Starts or restarts a service, and waits until it is ready.
    pub fn restart(&self, unit: &str) -> anyhow::Result<()> {
        self.systemctl(&["restart", unit])
    }

    /// Starts a service that does not run, and waits until it is ready.
    pub fn start(&self, unit: &str) -> anyhow::Result<()> {
        self.systemctl(&["start", unit])
    }

    /// Restarts a service if it runs.
    pub fn restart_if_running(&self, unit: &str) -> anyhow::Result<()> {
        self.systemctl(&["try-restart", unit])
    }

    /// Returns the sentence for a machine without systemd if files were changed.
    pub fn restart_advice(&self, changes: &[PathBuf]) -> Option<&'static str> {
        (self.is_system && !self.are_managed && !changes.is_empty()).then_some(
            "\nsystemd does not run here, so no service was restarted: restart mosquitto, `instored run` and \
             `instored display` yourself, the latter two with the credentials and the environment of the files \
             setup.conf",
        )
    }

    fn systemctl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        if !self.are_managed {
            return Ok(());
        }
        let command = arguments.join(" ");
        let output = Command::new("systemctl")
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run `systemctl {command}`"))?;
        let message = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`systemctl {command}` failed: {}", message.trim());
        Ok(())
    }
}
