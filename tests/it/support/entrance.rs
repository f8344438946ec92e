//! A box under test: its folders, its configuration, and the program that runs on them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::mosquitto::{Ear, Mosquitto, enrol};
use super::process::{Ended, Process};
use super::repository;
use super::serial::{Turn, turn};

/// The program as `make build` leaves it, without any of this machine's settings.
pub fn program() -> Command {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../release/instored");
    assert!(program.exists(), "{} is not there: run `make build` first", program.display());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("INSTORED_") {
            command.env_remove(name);
        }
    }
    command.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
    command
}

/// Runs the program to its end.
pub fn run(command: &mut Command) -> Ended {
    Process::start(command, "the program: `make build` builds it").wait()
}

/// Starts the program.
pub fn start(command: &mut Command) -> Process {
    Process::start(command, "the program: `make build` builds it")
}

/// A box with folders of its own.
pub struct Entrance {
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl Entrance {
    /// A box at this broker with the played scene of one visitor, without button and light.
    pub fn with_a_visitor(broker: &Mosquitto) -> Self {
        let portrait = repository("crates/simulation/portraits/person_a_1.jpg");
        assert!(portrait.exists(), "{} is missing", portrait.display());
        Self::new(broker.port, &format!("scene:{}", portrait.display()))
    }

    /// A running box, set like this, at which that visitor has just enrolled, as the event says.
    pub fn with_a_customer(
        broker: &Mosquitto,
        ear: &mut Ear,
        settings: &[(&str, &str)],
    ) -> (Self, Daemon, Value) {
        let mut entrance = Self::with_a_visitor(broker);
        for (name, value) in settings {
            entrance.set(name, value);
        }
        let daemon = entrance.open();
        ear.state("streaming", |s| s["camera"] == "streaming");
        let done = enrol(broker, ear);
        (entrance, daemon, done)
    }

    /// A box with this camera, at the broker on this port.
    pub fn new(port: u16, camera: &str) -> Self {
        let entrance =
            Self { folder: tempfile::tempdir().expect("a temporary folder"), settings: Vec::new() };
        let lines = format!(
            "state_dir = {:?}\nruntime_dir = {:?}\n[camera]\ndevice = {camera:?}\n[panel]\n\
             driver = \"none\"\n[mqtt]\nport = {port}\n[recognition]\n\
             enrolment_seconds = 55.0\n",
            entrance.state(),
            entrance.path("run"),
        );
        entrance.write_config(&lines);
        entrance
    }

    /// Sets a variable of the environment for every run from now on.
    pub fn set(&mut self, name: &str, value: impl AsRef<Path>) {
        let value = value.as_ref().to_string_lossy().into_owned();
        self.settings.push((name.to_owned(), value));
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(self.path("instored.toml"), text).expect("a temporary folder is writable");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of vault and key.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn vault(&self) -> PathBuf {
        self.state().join("vault.redb")
    }

    /// `instored --config …` with these arguments.
    pub fn instored<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = program();
        command.arg("--config").arg(self.path("instored.toml")).args(arguments);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `instored` with these arguments to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ended {
        run(&mut self.instored(arguments))
    }

    /// Starts `instored run`.
    pub fn open(&self) -> Daemon {
        let turn = turn();
        Daemon { process: start(&mut self.instored(["run"])), _turn: turn }
    }
}

/// A running box. A test has one at a time.
pub struct Daemon {
    pub process: Process,
    _turn: Turn,
}

impl Daemon {
    /// Waits for a line of the log.
    pub fn logs(&self, text: &str) -> String {
        self.process.stderr.expect(text)
    }

    /// Stops it as systemd does; it has to end well.
    pub fn stop(self) -> Ended {
        let ended = self.process.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    }
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries
        .flat_map(|entry| {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() { files(&path) } else { vec![path] }
        })
        .collect()
}

/// Copies a box's vault and key.
pub fn copy_state(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a temporary folder is writable");
    for file in files(from) {
        let name = file.file_name().expect("a file has a name");
        std::fs::copy(&file, to.join(name)).expect("a file can be copied");
    }
}
