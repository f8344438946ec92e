//! The system's mosquitto as a broker of one's own, for the demonstration and the tests.
//!
//! It keeps nothing on disk, knows no accounts, and therefore listens on loopback only.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::BusError;

/// A running broker. It stops when dropped, and when the thread that started it ends, however it does.
pub struct Broker {
    port: u16,
    folder: TempDir,
    pub(super) server: Child,
}

const CONFIGURATION: &str = "mosquitto.conf";
const LOG: &str = "log";
/// A change of the user would take away that it ends with its parent.
const COMMON: &str = "user root\npersistence false\nlog_timestamp false\n";
/// How long it may take to listen.
const START: Duration = Duration::from_secs(20);

impl Broker {
    /// Starts one that lets anybody in, on a free port, and waits until it listens.
    ///
    /// # Errors
    /// When mosquitto is not installed, or does not start.
    pub fn start() -> Result<Self, BusError> {
        Self::start_as("allow_anonymous true", |_| {})
    }

    /// Starts one with these lines for a configuration, in which `DIR` is its folder, once `prepare`
    /// has put files there.
    pub(super) fn start_as(lines: &str, prepare: impl FnOnce(&Path)) -> Result<Self, BusError> {
        let failed = |error: std::io::Error| BusError::Broker(error.to_string());
        let folder =
            tempfile::Builder::new().prefix("instored-broker-").tempdir().map_err(failed)?;
        prepare(folder.path());
        let port = free_port()?;
        let lines = lines.replace("DIR", &folder.path().to_string_lossy());
        let lines = format!("listener {port} 127.0.0.1\n{COMMON}{lines}\n");
        std::fs::write(folder.path().join(CONFIGURATION), lines).map_err(failed)?;
        let server = launch(folder.path(), port)?;
        Ok(Self { port, folder, server })
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its configuration and its log are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Starts the mosquitto whose configuration is in `folder`, and waits until it listens.
pub(super) fn launch(folder: &Path, port: u16) -> Result<Child, BusError> {
    // Debian keeps it where only root's PATH looks.
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("mosquitto");
    let failed = |error: std::io::Error| BusError::Broker(error.to_string());
    let log = std::fs::File::create(folder.join(LOG)).map_err(failed)?;
    let mut server = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", program, "-c"])
        .arg(folder.join(CONFIGURATION))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // Ctrl-C is for the program, which still says goodbye to it.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let ended = server.try_wait().map_err(failed)?;
        if ended.is_some() || begun.elapsed() > START {
            // It may have ended meanwhile.
            let _ = server.kill();
            let _ = server.wait();
            let log = std::fs::read_to_string(folder.join(LOG)).unwrap_or_default();
            return Err(BusError::Broker(log.lines().collect::<Vec<_>>().join("; ")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(server)
}

/// A port that nobody listens on, below those that the system hands out: nobody is given it before it
/// is used, nor while a broker restarts.
pub(super) fn free_port() -> Result<u16, BusError> {
    for _ in 0..100 {
        let drawn = getrandom::u32().map_err(|error| BusError::Broker(error.to_string()))?;
        let port = 20_000 + (drawn % 12_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(BusError::Broker("no port from 20000 to 31999 is free".to_owned()))
}
