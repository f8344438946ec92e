//! mosquitto's command-line clients.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(20);

fn spawn(command: &mut Command) -> Child {
    let name = command.get_program().to_string_lossy().into_owned();
    command.spawn().unwrap_or_else(|error| {
        panic!("`{name}` does not start ({error}): install mosquitto-clients")
    })
}

/// A `mosquitto_sub` that has subscribed; killed when dropped.
pub struct Watcher {
    child: Child,
    lines: Receiver<String>,
}

impl Watcher {
    /// Prints each message of `filter` as `topic|retained|expiry|correlation|response|user
    /// properties|payload`.
    pub fn start(port: u16, filter: &str) -> Self {
        Self::start_with(port, filter, &[])
    }

    pub fn start_with(port: u16, filter: &str, more: &[&str]) -> Self {
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
    pub fn next(&self) -> Vec<String> {
        let line = self.line(|line| line.starts_with('='));
        line[1..].splitn(7, '|').map(str::to_owned).collect()
    }

    /// The next message whose topic ends like this.
    pub fn next_on(&self, topic: &str) -> Vec<String> {
        let is = |line: &str| {
            line.strip_prefix('=')
                .and_then(|line| line.split('|').next())
                .is_some_and(|found| found.ends_with(topic))
        };
        let line = self.line(is);
        line[1..].splitn(7, '|').map(str::to_owned).collect()
    }

    /// Ends the client without a word to the broker (SIGKILL).
    pub fn kill(&mut self) {
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
pub fn publish(port: u16, topic: &str, payload: &str, more: &[&str]) {
    let mut command = Command::new("mosquitto_pub");
    command
        .args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-t", topic, "-m", payload])
        .args(more);
    let status = spawn(&mut command).wait().expect("a child can be waited for");
    assert!(status.success(), "mosquitto_pub to {topic}: {status}");
}
