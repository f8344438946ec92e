//! `instored setup`: accounts of the broker, token of the page, and their removal.
//!
//! | Module | Content |
//! |---|---|
//! | `options` | values of the configuration that the set-up needs |
//! | `services` | restarts of the services |
//! | `report` | printed result |

mod options;
mod report;
mod services;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use instored_setup::{Layout, Plan, Role, plan};
use jiff::Zoned;

use super::broker_probe;
use crate::config::Config;
use crate::daemon::admin_api::{self, Response};
use crate::daemon::send_admin_request;
use crate::output::{print_error, print_line};
pub(super) use options::access_policy;
use services::Services;

/// Arguments of the set-up.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Number of displays, each with an account of its own [default: 1, or the number set up before]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=99))]
    displays: Option<u16>,
    /// Number of tills, each with an account of its own [default: 1, or the number set up before]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=99))]
    tills: Option<u16>,
    /// Address of this machine in the shop's network, by which displays and tills on other machines connect to
    /// the broker with TLS; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    remote: Vec<String>,
    /// Delete everything that `instored setup` wrote, except files that were changed since
    #[arg(long, conflicts_with_all = ["displays", "tills", "remote"])]
    undo: bool,
    /// Folder below which all files are written, without a restart of services
    #[arg(long, value_name = "FOLDER", hide = true)]
    prefix: Option<PathBuf>,
    /// Port of the broker for other machines
    #[arg(long, value_name = "PORT", default_value_t = BROKER_TLS_PORT, hide = true)]
    tls_port: u16,
}

/// Port of the broker for other machines, by convention.
pub(super) const BROKER_TLS_PORT: u16 = 8883;
/// Maximum time until the broker accepts an account after its start.
const BROKER_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum time for a connection to a running broker.
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time until the box answers after its start.
const BOX_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Folders of programs that only root has in its `PATH`.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Runs `instored setup`.
pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(arguments.prefix.clone());
    ensure!(
        !layout.is_system() || rustix::process::geteuid().is_root(),
        "`instored setup` changes the configuration of the broker and the services: run `sudo instored setup`"
    );
    let services = Services::new(layout.is_system());
    if arguments.undo {
        return undo(&layout, &services);
    }
    ensure!(
        is_installed("mosquitto") && is_installed("mosquitto_passwd"),
        "the broker mosquitto is not installed: run `sudo apt install mosquitto`"
    );
    let mut request = options::request(arguments, config)?;
    request.box_key = key_of_running_box(config);
    let today = Zoned::now().date();
    let mut planned = plan(&layout, &request, today)?;
    let mut changes = write(&planned, &layout, &services, config)?;
    if services.are_managed() && request.has_box_key && services.start("instored").is_ok() {
        // A box that has just started may have a new vault, and so a new key.
        request.box_key = key_of_started_box(config);
        planned = plan(&layout, &request, today)?;
        let added: Vec<_> = planned.changes().into_iter().map(Path::to_owned).collect();
        planned.apply()?;
        if !added.is_empty() {
            services.reload_units()?;
        }
        changes
            .extend(added.into_iter().filter(|path| !changes.contains(path)).collect::<Vec<_>>());
    }
    if changes.iter().any(|path| *path == layout.drop_in("instored-display")) {
        services.restart_if_running("instored-display")?;
    }
    report::print(&layout, &request, &planned, &changes, config)?;
    if let Some(advice) = services.restart_advice(&changes) {
        print_line(advice)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the files of a plan, and restarts broker and box. If the broker does not accept the new accounts,
/// all files get their previous content again. Returns the written files.
fn write(
    planned: &Plan,
    layout: &Layout,
    services: &Services,
    config: &Config,
) -> anyhow::Result<Vec<PathBuf>> {
    let changes: Vec<_> = planned.changes().into_iter().map(Path::to_owned).collect();
    let applied = planned.apply()?;
    // After an interrupted set-up, the files are complete, but the broker may not have read them.
    let is_active = || {
        changes.is_empty()
            && accepts_account(layout, config, ACTIVE_TIMEOUT).is_ok_and(|is_accepted| is_accepted)
    };
    if !services.are_managed() || is_active() {
        return Ok(changes);
    }
    let started = services
        .reload_units()
        .and_then(|()| services.restart("mosquitto"))
        .and_then(|()| check_broker(layout, config));
    if let Err(error) = started {
        let restored = applied.roll_back().map_err(anyhow::Error::from);
        let restarted = services.reload_units().and_then(|()| services.restart("mosquitto"));
        for problem in [restored, restarted].into_iter().filter_map(Result::err) {
            print_error(format_args!("instored: {problem:#}"));
        }
        return Err(
            error.context("nothing is set up: the broker does not work with the new accounts")
        );
    }
    if let Err(error) = services.restart("instored") {
        print_error(format_args!(
            "instored: {error:#}; the accounts are set up; correct the fault (`journalctl -u instored -n 50`), \
             then run `sudo instored setup` again"
        ));
    }
    Ok(changes)
}

/// Checks that the broker accepts an account, and no client without one.
fn check_broker(layout: &Layout, config: &Config) -> anyhow::Result<()> {
    ensure!(
        accepts_account(layout, config, BROKER_TIMEOUT)?,
        "the broker accepts no account: is another broker running on port {}? See `journalctl -u mosquitto -n \
         50`",
        config.mqtt.port
    );
    ensure!(
        !broker_probe::accepts_anonymous(&config.mqtt, &config.box_name)?,
        "the broker still accepts clients without an account: is another broker running on port {}?",
        config.mqtt.port
    );
    Ok(())
}

/// Returns true if the broker accepts an account of the set-up within `timeout`.
fn accepts_account(layout: &Layout, config: &Config, timeout: Duration) -> anyhow::Result<bool> {
    let account = Role::Doctor.account(&config.box_name, 1).name;
    let mut settings = config.mqtt.clone();
    settings.password_file = Some(layout.password(&account));
    settings.username = Some(account);
    broker_probe::connects(&settings, &config.box_name, timeout)
}

/// Returns the public key of the box, or `None` if the box does not run.
fn key_of_running_box(config: &Config) -> Option<String> {
    match send_admin_request(&config.socket_path(), &admin_api::Request::Key) {
        Ok(Some(Ok(Response::Key(key)))) => Some(key.ed25519.to_string()),
        _ => None,
    }
}

/// Waits until the started box answers. Returns its public key, or `None` if it does not answer.
fn key_of_started_box(config: &Config) -> Option<String> {
    let start = Instant::now();
    loop {
        let key = key_of_running_box(config);
        if key.is_some() || start.elapsed() > BOX_TIMEOUT {
            return key;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Deletes the files of the set-up, and restarts the services.
fn undo(layout: &Layout, services: &Services) -> anyhow::Result<ExitCode> {
    let Some(undone) = instored_setup::undo(layout)? else {
        print_line("nothing to undo: `instored setup` has written no files here")?;
        return Ok(ExitCode::SUCCESS);
    };
    report::print_undo(&undone)?;
    services.reload_units()?;
    let units = ["mosquitto", "instored", "instored-display"];
    let failures: Vec<_> = units
        .iter()
        .filter_map(|unit| services.restart_if_running(unit).err())
        .map(|error| format!("{error:#}"))
        .collect();
    if !failures.is_empty() {
        bail!("the set-up is undone, but {}", failures.join("; "));
    }
    if let Some(advice) = services.restart_advice(&undone.deleted) {
        print_line(advice)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from));
    folders.into_iter().any(|folder| folder.join(program).is_file())
}
