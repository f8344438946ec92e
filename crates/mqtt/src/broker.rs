//! Private mosquitto broker for the demo and the tests.
//!
//! The broker listens on loopback only and stores nothing on disk.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::MqttError;

/// Running mosquitto process. The process ends when this value is dropped. It also ends when the thread
/// that started it ends, even after a crash.
pub struct Broker {
    port: u16,
    folder: TempDir,
    server: Child,
}

const CONFIGURATION_FILE: &str = "mosquitto.conf";
const LOG_FILE: &str = "log";
/// First lines of each configuration. mosquitto must not change its user, because Linux then clears the
/// parent-death signal.
const COMMON_CONFIGURATION: &str = "user root\npersistence false\nlog_timestamp false\n";
/// Ports for brokers. They are below the ephemeral ports of Linux, so that no client occupies a port
/// while a broker restarts.
const PORTS: Range<u16> = 20_000..32_000;
const PORT_ATTEMPTS: usize = 100;
const START_TIMEOUT: Duration = Duration::from_secs(20);
const START_POLL_INTERVAL: Duration = Duration::from_millis(5);

impl Broker {
    /// Starts a broker without accounts on a free port and waits until it listens.
    ///
    /// # Errors
    /// mosquitto is not installed, or it does not start.
    pub fn start() -> Result<Self, MqttError> {
        Self::start_with("allow_anonymous true", |_| {})
    }

    /// Starts a broker on a free port and waits until it listens. The lines of `configuration` are
    /// inserted into the configuration file, after the `listener` line. `DIR` in these lines is replaced
    /// with the path of the broker's folder. `prepare` receives this path and can create files there
    /// before the start.
    ///
    /// # Errors
    /// mosquitto is not installed, or it does not start.
    pub fn start_with(configuration: &str, prepare: impl FnOnce(&Path)) -> Result<Self, MqttError> {
        let folder =
            tempfile::Builder::new().prefix("instored-broker-").tempdir().map_err(start_error)?;
        prepare(folder.path());
        let port = free_port()?;
        let configuration = configuration.replace("DIR", &folder.path().to_string_lossy());
        let file_text =
            format!("{COMMON_CONFIGURATION}listener {port} 127.0.0.1\n{configuration}\n");
        std::fs::write(folder.path().join(CONFIGURATION_FILE), file_text).map_err(start_error)?;
        let server = launch(folder.path(), port)?;
        Ok(Self { port, folder, server })
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder with the configuration, the log and the prepared files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the log since the last start.
    pub fn log(&self) -> String {
        read_log(self.folder())
    }

    /// Kills the broker (SIGKILL).
    pub fn stop(&mut self) {
        // Both calls fail only if the broker has already ended.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Kills the broker and starts it again on the same port, without retained messages and sessions.
    ///
    /// # Errors
    /// mosquitto does not start.
    pub fn restart(&mut self) -> Result<(), MqttError> {
        self.stop();
        self.server = launch(self.folder(), self.port)?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts mosquitto with the configuration in `folder` and waits until it listens.
fn launch(folder: &Path, port: u16) -> Result<Child, MqttError> {
    // Debian installs mosquitto in a folder that only root has in its PATH.
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("mosquitto");
    let log = std::fs::File::create(folder.join(LOG_FILE)).map_err(start_error)?;
    let mut server = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", program, "-c"])
        .arg(folder.join(CONFIGURATION_FILE))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // Ctrl-C must not end the broker, because the program still has to disconnect from it.
        .process_group(0)
        .spawn()
        .map_err(start_error)?;
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let has_ended = server.try_wait().map_err(start_error)?.is_some();
        if has_ended || started.elapsed() > START_TIMEOUT {
            // Both calls fail only if the broker has already ended.
            let _ = server.kill();
            let _ = server.wait();
            let log_text = read_log(folder).trim_end().replace('\n', "; ");
            return Err(start_error(if has_ended {
                log_text
            } else {
                format!("port {port} is not open after {START_TIMEOUT:?}; log: {log_text}")
            }));
        }
        std::thread::sleep(START_POLL_INTERVAL);
    }
    Ok(server)
}

fn read_log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join(LOG_FILE)).unwrap_or_default()
}

fn start_error(error: impl ToString) -> MqttError {
    MqttError::BrokerStart(error.to_string())
}

/// Returns a random port from [`PORTS`] that is free on 127.0.0.1.
pub(super) fn free_port() -> Result<u16, MqttError> {
    std::iter::repeat_with(|| fastrand::u16(PORTS))
        .take(PORT_ATTEMPTS)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| {
            start_error(format!("none of {PORT_ATTEMPTS} random ports in {PORTS:?} is free"))
        })
}
