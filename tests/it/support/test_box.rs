//! Box under test: its folders, its configuration, and the program that uses them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::box_permit::{Permit, acquire};
use super::mosquitto::{Mosquitto, Subscriber, enrol};
use super::process::{Finished, Process};
use super::repository_path;

/// Instruction that is printed if the program does not start.
const BUILD_HINT: &str = "the program: `make build` builds it";

/// Returns the command of the built program, without settings from this machine's environment.
pub fn program() -> Command {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../release/instored");
    assert!(program.exists(), "{} does not exist: run `make build` first", program.display());
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
pub fn run(command: &mut Command) -> Finished {
    start(command).wait()
}

/// Starts the program.
pub fn start(command: &mut Command) -> Process {
    Process::start(command, BUILD_HINT)
}

/// Starts `instored demo` with its display. Returns the display's address.
pub fn start_demo(temporary_folder: &Path) -> (Process, String) {
    let mut command = program();
    command.args(["demo", "--listen", "127.0.0.1:0"]).env("TMPDIR", temporary_folder);
    let demo = start(&mut command);
    let (_, url) = demo.stdout.find(0, "the display's address", url_in);
    (demo, url)
}

/// Returns the URL in a line.
pub fn url_in(line: &str) -> Option<String> {
    line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
}

/// Box with temporary folders.
pub struct TestBox {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl TestBox {
    /// Creates a box without button and LED. Its camera is a rendered scene in which one person
    /// enters and leaves repeatedly.
    pub fn with_visitor(broker: &Mosquitto) -> Self {
        let portrait = repository_path("crates/simulation/portraits/person_a_1.jpg");
        assert!(portrait.exists(), "{} is missing", portrait.display());
        Self::new(broker.port, &format!("scene:{}", portrait.display()))
    }

    /// Starts a box and enrols its visitor with a command. Returns box, daemon and the event
    /// `done`.
    pub fn with_customer(
        broker: &Mosquitto,
        subscriber: &mut Subscriber,
        environment: &[(&str, &str)],
    ) -> (Self, Daemon, Value) {
        let mut test_box = Self::with_visitor(broker);
        for (name, value) in environment {
            test_box.set(name, value);
        }
        let daemon = test_box.start();
        subscriber.state("streaming", |s| s["camera"] == "streaming");
        let done = enrol(broker, subscriber);
        (test_box, daemon, done)
    }

    /// Creates a box with this camera. The box connects to the broker on `port`.
    pub fn new(port: u16, camera: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let test_box = Self { folder, environment: Vec::new() };
        let configuration = format!(
            "state_dir = {:?}\nruntime_dir = {:?}\n[camera]\ndevice = {camera:?}\n[panel]\n\
             driver = \"none\"\n[mqtt]\nport = {port}\n[recognition]\n\
             enrolment_seconds = 55.0\n",
            test_box.state_dir(),
            test_box.path("run"),
        );
        test_box.write_config(&configuration);
        test_box
    }

    /// Sets an environment variable for all following runs.
    pub fn set(&mut self, name: &str, value: impl AsRef<Path>) {
        let value = value.as_ref().to_string_lossy().into_owned();
        self.environment.push((name.to_owned(), value));
    }

    /// Replaces the configuration file.
    pub fn write_config(&self, text: &str) {
        std::fs::write(self.path("instored.toml"), text).expect("a temporary folder is writable");
    }

    /// Returns a path in the box's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the folder of vault and keys.
    pub fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// Returns the vault's file.
    pub fn vault(&self) -> PathBuf {
        self.state_dir().join("vault.redb")
    }

    /// Returns the command `instored --config …` with these arguments.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = program();
        command.arg("--config").arg(self.path("instored.toml")).args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `instored` with these arguments to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        run(&mut self.command(arguments))
    }

    /// Starts `instored run`.
    pub fn start(&self) -> Daemon {
        self.start_with(std::iter::empty::<(&str, &str)>())
    }

    /// Starts `instored run` with additional environment variables.
    pub fn start_with<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        &self,
        environment: impl IntoIterator<Item = (N, V)>,
    ) -> Daemon {
        let permit = acquire();
        let process = start(self.command(["run"]).envs(environment));
        Daemon { process, _permit: permit }
    }
}

/// Running box. A test must not run a second box at the same time.
pub struct Daemon {
    pub process: Process,
    _permit: Permit,
}

impl Daemon {
    /// Waits for a line of the log that contains `text`.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.process.stderr.wait_for(text)
    }

    /// Waits until the box is ready. Returns the log line that reports it.
    pub fn wait_until_ready(&self) -> String {
        self.wait_for_log("ready box_name")
    }

    /// Stops the box with SIGTERM, as systemd does. Asserts exit code 0.
    pub fn stop(self) -> Finished {
        let finished = self.process.terminate();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished
    }
}

/// Returns every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder exists");
    entries
        .flat_map(|entry| {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() { files(&path) } else { vec![path] }
        })
        .collect()
}

/// Copies a box's vault and keys.
pub fn copy_state(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a temporary folder is writable");
    for file in files(from) {
        let name = file.file_name().expect("a file has a name");
        std::fs::copy(&file, to.join(name)).expect("a file can be copied");
    }
}
