//! Test support: the real mosquitto on a free loopback port, and its command-line clients.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

fn spawn(command: &mut Command) -> Child {
    let name = command.get_program().to_string_lossy().into_owned();
    command.spawn().unwrap_or_else(|error| {
        panic!("`{name}` does not start ({error}): install mosquitto and mosquitto-clients")
    })
}

/// A port that nobody listens on, below those that the system hands out: nobody is given it before it
/// is used, nor while a broker restarts.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = 20_000 + (getrandom::u32().expect("random numbers") % 12_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A mosquitto with a configuration of its own in a temporary folder; killed when dropped.
pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    directory: tempfile::TempDir,
    child: Child,
}

impl Mosquitto {
    /// Starts one that lets anybody in.
    pub(crate) fn start() -> Self {
        Self::start_with("allow_anonymous true")
    }

    /// Starts one with these lines in its configuration, in which `DIR` is its folder, after
    /// `prepare` could put files there.
    pub(crate) fn start_prepared(lines: &str, prepare: impl FnOnce(&std::path::Path)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        prepare(directory.path());
        let port = free_port();
        let folder = directory.path().to_string_lossy().into_owned();
        let lines = lines.replace("DIR", &folder);
        let user = "user root";
        let configuration =
            format!("listener {port} 127.0.0.1\n{lines}\n{user}\npersistence false\n");
        std::fs::write(directory.path().join("mosquitto.conf"), configuration)
            .expect("the temporary folder can be written");
        let child = Self::launch(&directory, port);
        Self { port, directory, child }
    }

    /// Starts one with these lines in its configuration.
    pub(crate) fn start_with(lines: &str) -> Self {
        Self::start_prepared(lines, |_| {})
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    fn launch(directory: &tempfile::TempDir, port: u16) -> Child {
        // Debian keeps it where only root's PATH looks.
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .unwrap_or("mosquitto");
        let mut command = Command::new(program);
        command.arg("-c").arg(directory.path().join("mosquitto.conf"));
        let child = spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "mosquitto does not open port {port}");
            thread::yield_now();
        }
        child
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port; it remembers nothing.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = Self::launch(&self.directory, self.port);
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A `mosquitto_sub` that has subscribed; killed when dropped.
pub(crate) struct Watcher {
    child: Child,
    lines: Receiver<String>,
}

impl Watcher {
    /// Prints each message of `filter` as `topic|retained|expiry|correlation|response|user
    /// properties|payload`.
    pub(crate) fn start(port: u16, filter: &str) -> Self {
        Self::start_with(port, filter, &[])
    }

    pub(crate) fn start_with(port: u16, filter: &str, more: &[&str]) -> Self {
        // It flushes what it prints of messages, but not of its subscription.
        let mut command = Command::new("stdbuf");
        command
            .args(["-oL", "mosquitto_sub"])
            .args(["-V", "5", "-d", "-q", "1", "-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-t", filter, "-F", "=%t|%r|%E|%D|%R|%P|%p"])
            .args(more)
            .stdout(Stdio::piped());
        let mut child = spawn(&mut command);
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let watcher = Self { child, lines };
        watcher.line(|line| line.starts_with("Subscribed"));
        watcher
    }

    fn line(&self, mut wanted: impl FnMut(&str) -> bool) -> String {
        let begun = Instant::now();
        let mut seen = Vec::new();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) if wanted(&line) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("what was waited for did not come; instead:\n{}", seen.join("\n")),
            }
        }
    }

    /// The next message, its seven fields.
    pub(crate) fn next(&self) -> Vec<String> {
        let line = self.line(|line| line.starts_with('='));
        line[1..].splitn(7, '|').map(str::to_owned).collect()
    }

    /// The next message whose topic ends like this.
    pub(crate) fn next_on(&self, topic: &str) -> Vec<String> {
        let is = |line: &str| {
            line.strip_prefix('=')
                .and_then(|line| line.split('|').next())
                .is_some_and(|found| found.ends_with(topic))
        };
        let line = self.line(is);
        line[1..].splitn(7, '|').map(str::to_owned).collect()
    }

    /// Ends the client without a word to the broker (SIGKILL).
    pub(crate) fn kill(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Publishes with `mosquitto_pub`, and waits until the broker has it.
pub(crate) fn publish(port: u16, topic: &str, payload: &str, more: &[&str]) {
    let mut command = Command::new("mosquitto_pub");
    command
        .args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-t", topic, "-m", payload])
        .args(more);
    let status = spawn(&mut command).wait().expect("a child can be waited for");
    assert!(status.success(), "mosquitto_pub to {topic}: {status}");
}
