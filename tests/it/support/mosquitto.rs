//! The real mosquitto on a free loopback port, and its command-line clients as till and display.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use instored_mqtt::Broker;
use serde_json::Value;

use super::process::Process;

/// Running broker. Its log is printed if the test fails.
pub struct Mosquitto {
    pub port: u16,
    broker: Broker,
}

impl Mosquitto {
    /// Starts a broker without accounts.
    pub fn start() -> Self {
        Self::start_as("allow_anonymous true", |_| {})
    }

    /// Starts a broker with a configuration: see [`Broker::start_with`].
    pub fn start_as(configuration: &str, prepare: impl FnOnce(&Path)) -> Self {
        let broker = Broker::start_with(configuration, prepare).unwrap_or_else(|e| panic!("{e}"));
        Self { port: broker.port(), broker }
    }

    /// Returns the folder with the broker's files.
    pub fn folder(&self) -> &Path {
        self.broker.folder()
    }

    /// Kills the broker, as a power cut would.
    pub fn stop(&mut self) {
        self.broker.stop();
    }

    /// Starts the broker again on the same port.
    pub fn start_again(&mut self) {
        self.broker.restart().unwrap_or_else(|e| panic!("{e}"));
    }

    /// Subscribes to everything that the boxes say.
    pub fn listen(&self) -> Ear {
        Ear::new(self.port)
    }

    /// Asks the box `entrance` as a till does, and waits for its answer.
    pub fn ask(&self, verb: &str, payload: &str) -> Value {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let answers = format!("till/answers/{}", ASKED.fetch_add(1, Ordering::Relaxed));
        let mut command = client("mosquitto_rr", self.port);
        command.args(["-t", &format!("instored/entrance/cmd/{verb}"), "-e", &answers, "-W", "60"]);
        if payload.is_empty() {
            command.arg("-n");
        } else {
            command.args(["-m", payload]);
        }
        let ended = Process::start(&mut command, CLIENTS).wait();
        assert_eq!(ended.code, Some(0), "cmd/{verb} {payload}: no answer; {}", ended.stderr);
        serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|e| panic!("cmd/{verb}: {e} in {:?}", ended.stdout))
    }

    /// Code and message of the refusal with which the box answers.
    pub fn ask_in_vain(&self, verb: &str, payload: &str) -> (String, String) {
        let answer = self.ask(verb, payload);
        let part = |name: &str| match &answer["error"][name] {
            Value::String(text) => text.clone(),
            _ => panic!("cmd/{verb} {payload} is answered {answer}, and not refused"),
        };
        (part("code"), part("message"))
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- `mosquitto` logged:\n{}", self.broker.log());
        }
    }
}

const CLIENTS: &str = "mosquitto-clients";

fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &port.to_string()]);
    command
}

/// A message as a subscriber gets it.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: String,
    /// The last part of the topic.
    pub leaf: String,
    pub retained: bool,
    pub payload: String,
    /// The properties of MQTT 5.
    pub properties: Value,
}

impl Message {
    fn of(line: &str) -> Self {
        let message: Value = serde_json::from_str(line).expect("mosquitto_sub prints JSON");
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let topic = text("topic");
        Self {
            leaf: topic.rsplit('/').next().unwrap_or_default().to_owned(),
            topic,
            retained: message["retain"] == 1,
            payload: text("payload"),
            properties: message["properties"].clone(),
        }
    }

    /// The payload as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap_or_default()
    }
}

/// A `mosquitto_sub`. Each topic is heard in its own order.
pub struct Ear {
    process: Process,
    heard: HashMap<String, usize>,
}

impl Ear {
    fn new(port: u16) -> Self {
        let mut command = client("mosquitto_sub", port);
        command.args(["-t", "instored/#", "--retain-as-published", "-F", "%j"]);
        Self { process: Process::start(&mut command, CLIENTS), heard: HashMap::new() }
    }

    /// The next message of a topic for which `wanted` has an answer; those before it are passed.
    pub fn next<T>(
        &mut self,
        leaf: &str,
        what: &str,
        mut wanted: impl FnMut(&Message) -> Option<T>,
    ) -> T {
        let from = self.heard.get(leaf).copied().unwrap_or_default();
        let (at, found) = self.process.stdout.find(from, what, |line| {
            let message = Message::of(line);
            (message.leaf == leaf).then(|| wanted(&message)).flatten()
        });
        self.heard.insert(leaf.to_owned(), at + 1);
        found
    }

    /// Waits until the box says this of its availability.
    pub fn availability(&mut self, wanted: &str) -> Message {
        let is = |m: &Message| (m.payload == wanted).then(|| m.clone());
        self.next("availability", &format!("availability {wanted}"), is)
    }

    /// Waits until the box is in a state.
    pub fn state(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.next("state", &format!("the state `{what}`"), |m| Some(m.json()).filter(&wanted))
    }

    /// Waits for a customer who comes or goes: `arrived` or `left`.
    pub fn visit(&mut self, event: &str) -> Message {
        let is = |m: &Message| (m.json()["event"] == event).then(|| m.clone());
        self.next("visit", &format!("a visit that {event}"), is)
    }

    /// Waits for a step of an enrolment.
    pub fn enrolment(&mut self, event: &str) -> Value {
        let is = |m: &Message| Some(m.json()).filter(|json| json["event"] == event);
        self.next("enrolment", &format!("the enrolment's `{event}`"), is)
    }

    /// Everything heard so far.
    pub fn heard(&self) -> Vec<Message> {
        self.process.stdout.so_far().lines().map(Message::of).collect()
    }
}

/// Has whoever stands in the scene enrol; the event `done`.
pub fn enrol(broker: &Mosquitto, ear: &mut Ear) -> Value {
    assert_eq!(broker.ask("enrol", ""), serde_json::json!({ "enrolling": {} }));
    let over = |m: &Message| {
        Some(m.json()).filter(|step| step["event"] == "done" || step["event"] == "failed")
    };
    let over = ear.next("enrolment", "the end of the enrolment", over);
    assert_eq!(over["event"], "done", "{over}");
    over
}
