//! Subscriber that receives everything that the box publishes, directly from the broker.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::journal::Received;
use crate::test_box::ended_with_parent;

/// Maximum time until the subscriber has received a marker message.
const MARKER_TIMEOUT: Duration = Duration::from_secs(20);
/// Time between two attempts to send a marker message.
const MARKER_INTERVAL: Duration = Duration::from_millis(50);

/// Subscriber of one broker. After a restart of the broker, it has to be started again.
pub struct Subscriber {
    port: u16,
    received: Arc<Mutex<Received>>,
    running: Option<(Child, JoinHandle<()>)>,
    markers: u64,
}

impl Subscriber {
    /// Starts the subscriber and waits until it is subscribed.
    pub fn start(port: u16) -> Result<Self> {
        let mut subscriber = Self { port, received: Arc::default(), running: None, markers: 0 };
        subscriber.resume()?;
        Ok(subscriber)
    }

    /// Subscribes.
    pub fn resume(&mut self) -> Result<()> {
        let mut child = client("mosquitto_sub", self.port)
            .args(["-t", "instored/#", "-t", "walk/#", "--retain-as-published", "-F", "%j"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("mosquitto_sub does not start: install mosquitto-clients")?;
        let output = child.stdout.take().context("the output is piped")?;
        let received = Arc::clone(&self.received);
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(message) = serde_json::from_str::<Value>(&line) {
                    received.lock().unwrap_or_else(PoisonError::into_inner).record(&message);
                }
            }
        });
        self.running = Some((child, reader));
        self.synchronise()
    }

    /// Waits until all messages that the broker has accepted so far are recorded.
    pub fn synchronise(&mut self) -> Result<()> {
        let start = Instant::now();
        let first = self.markers + 1;
        while start.elapsed() < MARKER_TIMEOUT {
            self.markers += 1;
            let marker = self.markers.to_string();
            client("mosquitto_pub", self.port)
                .args(["-t", "walk/marker", "-m", &marker])
                .output()?;
            thread::sleep(MARKER_INTERVAL);
            if self.received().marker >= first {
                return Ok(());
            }
        }
        bail!("the subscriber is not connected");
    }

    /// Records the messages that were received, and ends the subscription.
    pub fn stop(&mut self) {
        if let Some((mut child, reader)) = self.running.take() {
            // Errors are ignored: the subscription ends in any case.
            let _ = child.kill();
            let _ = child.wait();
            let _ = reader.join();
        }
    }

    /// Returns what was received so far.
    pub fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the retained messages of the given topics, at most `count`.
    pub fn retained(&self, topics: &[&str], count: usize) -> Result<Vec<Value>> {
        let mut command = client("mosquitto_sub", self.port);
        command.args(["--retained-only", "-F", "%j", "-W", "2", "-C", &count.to_string()]);
        for topic in topics {
            command.args(["-t", topic]);
        }
        let output = String::from_utf8(command.output()?.stdout)?;
        output.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the command of an MQTT client.
pub fn client(program: &str, port: u16) -> Command {
    let mut command = ended_with_parent(program);
    command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &port.to_string()]);
    command.stdin(Stdio::null());
    command
}
