//! Broker mosquitto on a free loopback port. Its command-line clients act as till and display.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use instored_mqtt::Broker;
use serde_json::{Value, json};

use super::process::Process;

/// Debian package of the clients.
const CLIENTS: &str = "mosquitto-clients";

/// Running broker. Its log is printed if the test fails.
pub struct Mosquitto {
    pub port: u16,
    broker: Broker,
}

impl Mosquitto {
    /// Starts a broker without accounts.
    pub fn start() -> Self {
        Self::start_with("allow_anonymous true", |_| {})
    }

    /// Starts a broker with a configuration. The arguments are those of [`Broker::start_with`].
    pub fn start_with(configuration: &str, prepare: impl FnOnce(&Path)) -> Self {
        let broker = Broker::start_with(configuration, prepare).unwrap_or_else(|e| panic!("{e}"));
        Self { port: broker.port(), broker }
    }

    /// Returns the folder with the broker's files.
    pub fn folder(&self) -> &Path {
        self.broker.folder()
    }

    /// Kills the broker, to simulate a power failure.
    pub fn stop(&mut self) {
        self.broker.stop();
    }

    /// Starts the broker again on the same port.
    pub fn restart(&mut self) {
        self.broker.restart().unwrap_or_else(|e| panic!("{e}"));
    }

    /// Subscribes to all topics of all boxes.
    pub fn subscribe(&self) -> Subscriber {
        Subscriber::new(self.port)
    }

    /// Sends a command to the box `entrance`, as a till does, and returns the response.
    pub fn command(&self, verb: &str, payload: &str) -> Value {
        static SENT: AtomicU32 = AtomicU32::new(0);
        let responses =
            format!("instored/entrance/reply/till/{}", SENT.fetch_add(1, Ordering::Relaxed));
        let mut command = client("mosquitto_rr", self.port);
        let topic = format!("instored/entrance/cmd/{verb}");
        command.args(["-t", &topic, "-e", &responses, "-W", "60"]);
        if payload.is_empty() {
            command.arg("-n");
        } else {
            command.args(["-m", payload]);
        }
        let finished = Process::start(&mut command, CLIENTS).wait();
        let error = &finished.stderr;
        assert_eq!(finished.code, Some(0), "cmd/{verb} {payload}: no response; {error}");
        serde_json::from_str(&finished.stdout)
            .unwrap_or_else(|e| panic!("cmd/{verb}: {e} in {:?}", finished.stdout))
    }

    /// Sends a command that must fail. Returns code and message of the error.
    pub fn command_error(&self, verb: &str, payload: &str) -> (String, String) {
        let response = self.command(verb, payload);
        let field = |name: &str| match &response["error"][name] {
            Value::String(text) => text.clone(),
            _ => panic!("cmd/{verb} {payload} did not fail: {response}"),
        };
        (field("code"), field("message"))
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of mosquitto:\n{}", self.broker.log());
        }
    }
}

/// Returns the command of an MQTT client without its topic.
fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &port.to_string()]);
    command
}

/// Received MQTT message.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: String,
    /// Last level of the topic.
    pub leaf: String,
    pub is_retained: bool,
    pub payload: String,
    /// MQTT 5 properties.
    pub properties: Value,
}

impl Message {
    /// Parses a line of `mosquitto_sub -F %j`.
    fn parse(line: &str) -> Self {
        let message: Value = serde_json::from_str(line).expect("mosquitto_sub prints JSON");
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let topic = text("topic");
        Self {
            leaf: topic.rsplit('/').next().unwrap_or_default().to_owned(),
            topic,
            is_retained: message["retain"] == 1,
            payload: text("payload"),
            properties: message["properties"].clone(),
        }
    }

    /// Returns the payload as JSON, or null if the payload is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap_or_default()
    }
}

/// Running `mosquitto_sub`. The messages of each topic are read in sequence.
pub struct Subscriber {
    process: Process,
    /// Number of the next line to read, by topic leaf.
    next_lines: HashMap<String, usize>,
}

impl Subscriber {
    fn new(port: u16) -> Self {
        let mut command = client("mosquitto_sub", port);
        command.args(["-t", "instored/#", "--retain-as-published", "-F", "%j"]);
        Self::start(&mut command)
    }

    /// Starts a `mosquitto_sub` that prints JSON (`-F %j`).
    pub fn start(command: &mut Command) -> Self {
        Self { process: Process::start(command, CLIENTS), next_lines: HashMap::new() }
    }

    /// Waits for the next message on a topic for which `check` returns a value. Skips the messages
    /// before it.
    pub fn next<T>(
        &mut self,
        leaf: &str,
        expected: &str,
        mut check: impl FnMut(&Message) -> Option<T>,
    ) -> T {
        let from = self.next_lines.get(leaf).copied().unwrap_or_default();
        let (line, found) = self.process.stdout.find(from, expected, |line| {
            let message = Message::parse(line);
            (message.leaf == leaf).then(|| check(&message)).flatten()
        });
        self.next_lines.insert(leaf.to_owned(), line + 1);
        found
    }

    /// Waits for `online` or `offline`.
    pub fn availability(&mut self, expected: &str) -> Message {
        let check = |m: &Message| (m.payload == expected).then(|| m.clone());
        self.next("availability", &format!("availability {expected}"), check)
    }

    /// Waits for a state that meets a condition.
    pub fn state(&mut self, condition: &str, is_met: impl Fn(&Value) -> bool) -> Value {
        let check = |m: &Message| Some(m.json()).filter(&is_met);
        self.next("state", &format!("the state `{condition}`"), check)
    }

    /// Waits for a visit event: `arrived`, `changed` or `left`.
    pub fn visit(&mut self, event: &str) -> Message {
        let check = |m: &Message| (m.json()["event"] == event).then(|| m.clone());
        self.next("visit", &format!("the visit event `{event}`"), check)
    }

    /// Waits for an enrolment event.
    pub fn enrolment(&mut self, event: &str) -> Value {
        let check = |m: &Message| Some(m.json()).filter(|json| json["event"] == event);
        self.next("enrolment", &format!("the enrolment event `{event}`"), check)
    }

    /// Waits for the end of an enrolment, which must succeed. Returns the event `done`.
    pub fn enrolled(&mut self) -> Value {
        let check = |m: &Message| {
            Some(m.json()).filter(|step| step["event"] == "done" || step["event"] == "failed")
        };
        let end = self.next("enrolment", "the end of the enrolment", check);
        assert_eq!(end["event"], "done", "{end}");
        end
    }

    /// Returns all messages received so far.
    pub fn received(&self) -> Vec<Message> {
        self.process.stdout.text_so_far().lines().map(Message::parse).collect()
    }
}

/// Enrols the person in view, who agrees on a display. Returns the event `done`.
pub fn enrol(broker: &Mosquitto, subscriber: &mut Subscriber) -> Value {
    let offered = broker.command("enrol", "");
    let agreement = json!({ "code": offered["offered"]["code"] }).to_string();
    assert_eq!(broker.command("agree", &agreement), json!({ "enrolling": {} }), "{offered}");
    subscriber.enrolled()
}
