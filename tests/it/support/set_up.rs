//! Machine on which `instored setup` has run: broker, accounts and the environment of the services.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::mosquitto::Subscriber;
use super::process::{Finished, Process};
use super::test_box::{Daemon, TestBox, start, url_in};
use super::{repository_path, wait_until};

/// Debian packages of the broker and of its clients.
const BROKER: &str = "mosquitto";
pub const CLIENTS: &str = "mosquitto-clients";
/// Accounts that a test may add to receive and send everything.
pub const AUDITORS: [&str; 2] = ["auditor-1", "auditor-2"];

/// Machine below a prefix, with its box.
pub struct SetUp {
    pub test_box: TestBox,
    pub port: u16,
    pub tls_port: u16,
    folder: TempDir,
    broker: Option<Process>,
}

impl SetUp {
    /// Prepares a machine as Debian's package of the broker leaves it. Nothing is set up.
    pub fn prepare() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (port, tls_port) = (free_port(), free_port());
        let portrait = repository_path("crates/simulation/portraits/person_a_1.jpg");
        let test_box = TestBox::new(port, &format!("scene:{}", portrait.display()));
        let set_up = Self { test_box, port, tls_port, folder, broker: None };
        let conf_d = set_up.path("etc/mosquitto/conf.d");
        std::fs::create_dir_all(&conf_d).expect("a temporary folder is writable");
        let main = format!("persistence true\ninclude_dir {}\n", conf_d.display());
        set_up.write("etc/mosquitto/mosquitto.conf", &main);
        set_up
    }

    /// Sets up a machine with these options and starts the broker.
    pub fn start(options: &[&str]) -> Self {
        let mut set_up = Self::prepare();
        let finished = set_up.run(options);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        set_up.start_broker();
        set_up
    }

    /// Returns a path on the machine.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name.trim_start_matches('/'))
    }

    /// Writes a file of the machine.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a temporary folder is writable");
    }

    /// Returns the text of a file of the machine.
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Returns the command of the program for this machine, without the environment of the services.
    pub fn program<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.test_box.command(arguments)
    }

    /// Runs `instored setup` with these options.
    pub fn run(&self, options: &[&str]) -> Finished {
        let mut command = self.program(["setup", "--tls-port", &self.tls_port.to_string()]);
        command.arg("--prefix").arg(self.folder.path()).args(options);
        super::test_box::run(&mut command)
    }

    /// Runs `instored doctor` with this option.
    pub fn doctor(&self) -> Finished {
        let mut command = self.program(["doctor", "--json", "--prefix"]);
        super::test_box::run(command.arg(self.folder.path()))
    }

    /// Starts the broker with the configuration that is set up, or restarts it.
    pub fn start_broker(&mut self) {
        self.broker = None;
        // The broker keeps its user, because Linux otherwise clears the parent-death signal.
        let file = self.path("broker.conf");
        let conf_d = self.path("etc/mosquitto/conf.d");
        let text = format!(
            "user root\nconnection_messages false\nsys_interval 1\ninclude_dir {}\n",
            conf_d.display()
        );
        std::fs::write(&file, text).expect("a temporary folder is writable");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "/usr/sbin/mosquitto", "-c"]).arg(&file);
        let mut broker = Process::start(&mut command, BROKER);
        let port = self.port;
        wait_until("the broker listens", || {
            assert!(broker.is_running(), "the broker does not start");
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        self.broker = Some(broker);
    }

    /// Adds accounts with all rights to the broker. The rights of the others do not change.
    pub fn add_auditors(&mut self) {
        let mut rules = self.read("etc/mosquitto/instored/acl");
        for account in AUDITORS {
            rules += &format!("\nuser {account}\ntopic readwrite #\ntopic read $SYS/#\n");
            let mut command = Command::new("mosquitto_passwd");
            command.arg("-b").arg(self.path("etc/mosquitto/instored/passwords"));
            let finished = Process::start(command.args([account, account]), BROKER).wait();
            assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        }
        self.write("etc/mosquitto/instored/acl", &rules);
        self.start_broker();
    }

    /// Returns the password of an account.
    pub fn password(&self, account: &str) -> String {
        if AUDITORS.contains(&account) {
            return account.to_owned();
        }
        self.read(&format!("etc/instored/accounts/{account}")).trim_end().to_owned()
    }

    /// Returns the command of an MQTT client with an account.
    pub fn client(&self, program: &str, account: &str) -> Command {
        let mut command = self.anonymous_client(program);
        command.args(["-u", account, "-P", &self.password(account)]);
        command
    }

    /// Returns the command of an MQTT client without an account.
    pub fn anonymous_client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command
    }

    /// Subscribes to all topics of the box that an account may read.
    pub fn subscribe(&self, account: &str) -> Subscriber {
        let mut command = self.client("mosquitto_sub", account);
        command.args(["-t", "instored/#", "--retain-as-published", "-F", "%j"]);
        Subscriber::start(&mut command)
    }

    /// Sends a command with an account, and returns the response.
    pub fn command(&self, account: &str, verb: &str, payload: &str) -> serde_json::Value {
        let mut command = self.client("mosquitto_rr", account);
        command.args(["-t", &format!("instored/entrance/cmd/{verb}"), "-m", payload, "-W", "60"]);
        command.args(["-e", &format!("instored/entrance/reply/{account}")]);
        let finished = Process::start(&mut command, CLIENTS).wait();
        serde_json::from_str(&finished.stdout)
            .unwrap_or_else(|e| panic!("{account} cmd/{verb}: {e}: {finished:?}"))
    }

    /// Returns the environment of a service, as systemd creates it from the drop-in file.
    pub fn environment(&self, unit: &str) -> Vec<(String, PathBuf)> {
        let credentials = self.path(&format!("run/credentials/{unit}.service"));
        std::fs::create_dir_all(&credentials).expect("a temporary folder is writable");
        let drop_in = self.read(&format!("etc/systemd/system/{unit}.service.d/setup.conf"));
        let mut environment = vec![("CREDENTIALS_DIRECTORY".to_owned(), credentials.clone())];
        for line in drop_in.lines() {
            if let Some((name, path)) =
                line.strip_prefix("LoadCredential=").and_then(|line| line.split_once(':'))
            {
                std::fs::copy(path, credentials.join(name)).expect("the credential exists");
            } else if let Some((name, value)) =
                line.strip_prefix("Environment=").and_then(|line| line.split_once('='))
            {
                let value = value.replace("%d", &credentials.display().to_string());
                environment.push((name.to_owned(), value.into()));
            }
        }
        environment
    }

    /// Starts `instored run` with the environment of its service.
    pub fn start_box(&self) -> Daemon {
        let environment = self.environment("instored");
        self.test_box.start_with(environment.iter().map(|(name, value)| (name, value)))
    }

    /// Starts `instored display` with the environment of its service. Returns the address of the page.
    pub fn start_display(&self) -> (Process, String) {
        let mut command = self.program(["display", "--listen", "127.0.0.1:0"]);
        command.envs(self.environment("instored-display"));
        let display = start(&mut command);
        let (_, page) = display.stderr.find(0, "the page's address", url_in);
        display.stderr.wait_for("connected to the MQTT broker");
        (display, page)
    }

    /// Returns the folder of the machine.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SetUp {
    fn drop(&mut self) {
        // The broker's log is on its standard error, which its process prints if the test fails.
        self.broker = None;
    }
}

/// Returns a port that is free on 127.0.0.1.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the listener has an address").port()
}
