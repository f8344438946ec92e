//! Box under test: its folders, its daemon and its command line.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::full_disk::SmallDisk;

/// Portraits of the people who enter the shop.
const PORTRAITS: [&str; 4] =
    ["person_a_1.jpg", "person_b_1.jpg", "impostor_1.jpg", "impostor_2.jpg"];
/// Passphrase of the backups.
const PASSPHRASE: &str = "correct horse battery staple";
/// Maximum time of a command, in seconds.
const COMMAND_SECONDS_MAX: &str = "150";
/// Maximum time until the daemon is ready, and until it ends after SIGTERM.
const DAEMON_TIMEOUT: Duration = Duration::from_secs(300);
/// Parts of the log of a daemon that is ready and can enrol.
const READY: [&str; 2] = ["ready box_name", "the camera is streaming"];
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Library that changes the clock of a process, from the Debian package `faketime`.
const FAKETIME: &str = "faketime/libfaketime.so.1";

/// Box with temporary folders. The fields are dropped in this order.
pub struct TestBox {
    daemon: Option<Child>,
    pub disk: Option<SmallDisk>,
    folder: TempDir,
    mqtt_port: u16,
    portrait: usize,
    /// Settings as environment variables, which override the configuration file.
    settings: Vec<(&'static str, String)>,
    starts: u32,
}

/// Program that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Result of a start of the daemon.
pub enum Start {
    Ready,
    /// The daemon ended, with this log.
    Ended(String),
}

/// Returns a command that is killed when this process ends.
pub fn ended_with_parent(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Returns the path of the program under test.
pub fn program() -> PathBuf {
    let built = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../release/instored");
    std::env::var_os("INSTORED_PROGRAM").map_or_else(built, PathBuf::from)
}

/// Returns the path of the library that changes the clock, if it is installed.
pub fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?;
    let mut found = folders.flatten().map(|folder| folder.path().join(FAKETIME));
    found.find(|path| path.exists())
}

impl TestBox {
    /// Creates a box that connects to the broker on this port.
    pub fn new(mqtt_port: u16) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("instored-walk-").tempdir()?;
        let disk = SmallDisk::mount(&folder.path().join("disk"))?;
        fs::write(folder.path().join("passphrase"), PASSPHRASE)?;
        let test_box = Self {
            daemon: None,
            disk,
            folder,
            mqtt_port,
            portrait: 0,
            settings: Vec::new(),
            starts: 0,
        };
        test_box.write_config()?;
        Ok(test_box)
    }

    fn write_config(&self) -> Result<()> {
        let portrait = PORTRAITS[self.portrait % PORTRAITS.len()];
        let portrait = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../crates/simulation/portraits")
            .join(portrait);
        ensure!(portrait.exists(), "{} is missing", portrait.display());
        let configuration = format!(
            "state_dir = {:?}\nruntime_dir = {:?}\n[camera]\ndevice = \"scene:{}\"\n[panel]\n\
             driver = \"simulated\"\n[mqtt]\nport = {}\nkeep_alive_seconds = 5\n",
            self.state_dir(),
            self.path("run"),
            portrait.display(),
            self.mqtt_port,
        );
        Ok(fs::write(self.path("instored.toml"), configuration)?)
    }

    /// Returns a path in the box's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the folder of vault and keys.
    pub fn state_dir(&self) -> PathBuf {
        self.path("disk/state")
    }

    /// Returns the command `instored --config …` with these arguments.
    pub fn command<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Command> {
        let program = program();
        ensure!(program.exists(), "{} does not exist: run `make build` first", program.display());
        let mut command = ended_with_parent("timeout");
        command.args(["--signal=KILL", COMMAND_SECONDS_MAX]).arg(program);
        self.configure(&mut command);
        command.args(arguments);
        Ok(command)
    }

    /// Sets the configuration file and the box's settings, without settings from this machine's
    /// environment.
    fn configure(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("INSTORED_") {
                command.env_remove(name);
            }
        }
        command.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.arg("--config").arg(self.path("instored.toml"));
    }

    /// Runs a command of the program to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Finished> {
        Finished::of(&mut self.command(arguments)?)
    }

    /// Runs a command that must succeed, and returns its JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let finished = self.run(arguments)?;
        let command = arguments.join(" ");
        ensure!(finished.code == Some(0), "`{command}` failed: {finished:?}");
        serde_json::from_str(&finished.stdout).with_context(|| format!("`{command}`"))
    }

    /// Starts the daemon, with a clock that is wrong by `days`, and waits until it is ready.
    pub fn start(&mut self, days: Option<i64>) -> Result<Start> {
        self.starts += 1;
        let log = self.path(&format!("log-{}", self.starts));
        let mut command = ended_with_parent(program());
        self.configure(&mut command);
        command.arg("run").stdout(Stdio::null()).stderr(File::create(&log)?);
        if let (Some(days), Some(library)) = (days, faketime()) {
            command.env("LD_PRELOAD", library).env("FAKETIME", format!("{days:+}d"));
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        }
        let mut daemon = command.spawn()?;
        let start = Instant::now();
        loop {
            let text = fs::read_to_string(&log)?;
            if READY.iter().all(|line| text.contains(line)) {
                self.daemon = Some(daemon);
                return Ok(Start::Ready);
            }
            if daemon.try_wait()?.is_some() {
                return Ok(Start::Ended(text));
            }
            if start.elapsed() > DAEMON_TIMEOUT {
                daemon.kill()?;
                daemon.wait()?;
                bail!("the box is not ready within {DAEMON_TIMEOUT:?}: {text}");
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sets an environment variable of the program.
    pub fn set(&mut self, name: &'static str, value: impl ToString) {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_string()));
    }

    /// Returns the process id of the daemon.
    pub fn daemon_id(&self) -> Result<u32> {
        Ok(self.daemon.as_ref().context("the box does not run")?.id())
    }

    /// Sets the person who enters the shop after the next start.
    pub fn set_portrait(&mut self, portrait: usize) -> Result<()> {
        self.portrait = portrait;
        self.write_config()
    }

    /// Kills the daemon (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // Both fail only if the daemon has ended.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Stops the daemon with SIGTERM, as systemd does.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let Some(mut daemon) = self.daemon.take() else { return Ok(()) };
        let start = Instant::now();
        loop {
            if let Some(status) = daemon.try_wait()? {
                ensure!(status.success(), "the box ended with {status}: {}", self.last_log());
                return Ok(());
            }
            if start.elapsed() > DAEMON_TIMEOUT {
                self.daemon = Some(daemon);
                self.kill();
                bail!("the box does not end within {DAEMON_TIMEOUT:?} after SIGTERM");
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends a signal to the daemon.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let daemon = self.daemon.as_ref().context("the box does not run")?;
        let pid = i32::try_from(daemon.id()).ok().and_then(Pid::from_raw).context("not a pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Fails if the daemon has ended.
    pub fn check_running(&mut self) -> Result<()> {
        let status = self.daemon.as_mut().context("the box does not run")?.try_wait()?;
        ensure!(status.is_none(), "the box ended with {status:?}: {}", self.last_log());
        Ok(())
    }

    /// Returns the log since the last start.
    pub fn last_log(&self) -> String {
        fs::read_to_string(self.path(&format!("log-{}", self.starts))).unwrap_or_default()
    }

    /// Copies vault, keys and logs to a new folder.
    pub fn copy_files(&self, target: &Path) -> Result<()> {
        fs::create_dir_all(target)?;
        for folder in [self.state_dir(), self.folder.path().to_owned()] {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    fs::copy(entry.path(), target.join(entry.file_name()))?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for TestBox {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Finished {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Result<Self> {
        let output = command.output()?;
        Ok(Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
