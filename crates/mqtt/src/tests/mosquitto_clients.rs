//! Wrappers for the command-line clients of mosquitto.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum waiting time of a test.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Output format of [`MosquittoSub`]: one line per message. The `=` distinguishes messages from the debug
/// output, such as the acknowledgement of the subscription.
const MESSAGE_FORMAT: &str = "=%t|%r|%E|%D|%P|%p";

fn spawn(command: &mut Command) -> Child {
    let name = command.get_program().to_string_lossy().into_owned();
    command.spawn().unwrap_or_else(|error| {
        panic!("cannot start `{name}` ({error}): install mosquitto-clients and coreutils")
    })
}

/// Running `mosquitto_sub` with an acknowledged subscription. It is killed on drop.
pub struct MosquittoSub {
    child: Child,
    lines: Receiver<String>,
}

/// Message that `mosquitto_sub` received. A field is empty if the message does not contain it.
pub struct Message {
    pub topic: String,
    pub is_retained: bool,
    pub expiry_seconds: String,
    pub correlation_data: String,
    pub user_properties: String,
    pub payload: String,
}

impl Message {
    /// Parses a line in [`MESSAGE_FORMAT`]. Returns `None` for debug output.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix('=')?.splitn(6, '|').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_else(|| panic!("missing field: {line}"));
        Some(Self {
            topic: next(),
            is_retained: next() == "1",
            expiry_seconds: next(),
            correlation_data: next(),
            user_properties: next(),
            payload: next(),
        })
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.payload).unwrap()
    }
}

impl MosquittoSub {
    pub fn start(port: u16, filter: &str) -> Self {
        Self::start_with(port, filter, &[])
    }

    pub fn start_with(port: u16, filter: &str, arguments: &[&str]) -> Self {
        // `stdbuf` makes mosquitto_sub flush each line. Otherwise the line `Subscribed`, for which this
        // function waits, stays in the output buffer.
        let mut command = Command::new("stdbuf");
        command
            .args(["-oL", "mosquitto_sub"])
            .args(["-V", "5", "-d", "-q", "1", "-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-t", filter, "-F", MESSAGE_FORMAT])
            .args(arguments)
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
        let subscriber = Self { child, lines };
        subscriber.find(|line| line.starts_with("Subscribed").then_some(()));
        subscriber
    }

    /// Reads lines until `select` returns a value.
    fn find<T>(&self, select: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + TIMEOUT;
        let mut skipped = Vec::new();
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(remaining) else {
                panic!("no matching line in time; received:\n{}", skipped.join("\n"));
            };
            if let Some(found) = select(&line) {
                return found;
            }
            skipped.push(line);
        }
    }

    pub fn next(&self) -> Message {
        self.find(Message::parse)
    }

    /// Returns the next message whose topic ends with `suffix`.
    pub fn next_on(&self, suffix: &str) -> Message {
        self.find(|line| Message::parse(line).filter(|message| message.topic.ends_with(suffix)))
    }

    /// Kills the client (SIGKILL), so that it cannot disconnect.
    pub fn kill(&mut self) {
        // Both calls fail only if the client has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for MosquittoSub {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Publishes with `mosquitto_pub` and waits for the acknowledgement.
pub fn mosquitto_pub(port: u16, topic: &str, payload: &str, arguments: &[&str]) {
    let mut command = Command::new("mosquitto_pub");
    command
        .args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-t", topic, "-m", payload])
        .args(arguments);
    let status = spawn(&mut command).wait().expect("a child can be waited for");
    assert!(status.success(), "mosquitto_pub to {topic}: {status}");
}
