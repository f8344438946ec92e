//! The real mosquitto on a free loopback port, and its command-line clients as till and display.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use super::eventually;
use super::process::Process;

/// A broker that lets anybody in, and remembers nothing.
pub struct Mosquitto {
    pub port: u16,
    folder: TempDir,
    lines: String,
    process: Process,
}

const OPEN: &str = "listener PORT 127.0.0.1\nallow_anonymous true\nuser root\npersistence false\n";

impl Mosquitto {
    /// Starts one.
    pub fn start() -> Self {
        Self::start_as(OPEN, |_| {})
    }

    /// Starts one with these lines for a configuration, where `PORT` is its port and `DIR` its
    /// folder, once `prepare` has put files there.
    pub fn start_as(lines: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        prepare(folder.path());
        let lines = lines.replace("DIR", &folder.path().to_string_lossy());
        // Somebody else may take a free port before it is used; then another one is tried.
        let (port, process) = eventually("a broker on a free port", || {
            let port = free_port();
            Some((port, launch(folder.path(), &lines, port)?))
        });
        Self { port, folder, lines, process }
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it as a power cut would.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        self.stop();
        let (folder, port, lines) = (self.folder.path(), self.port, &self.lines);
        self.process = eventually("the broker's return", || launch(folder, lines, port));
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

const SERVER: &str = "mosquitto";
const CLIENTS: &str = "mosquitto-clients";

fn launch(folder: &Path, lines: &str, port: u16) -> Option<Process> {
    let file = folder.join("mosquitto.conf");
    std::fs::write(&file, lines.replace("PORT", &port.to_string()))
        .expect("the temporary folder can be written");
    // Debian keeps it where only root's PATH looks.
    let known = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
    let program = known.into_iter().find(|path| Path::new(path).exists()).unwrap_or(SERVER);
    let mut process = Process::start(Command::new(program).arg("-c").arg(file), SERVER);
    eventually("the broker's port", || {
        let open = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        match (process.is_running(), open) {
            (false, _) => Some(false),
            (true, true) => Some(true),
            (true, false) => None,
        }
    })
    .then_some(process)
}

fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &port.to_string()]);
    command
}

/// A port that nobody listens on, below those that the system hands out: nobody is given it while the
/// broker is down.
fn free_port() -> u16 {
    loop {
        let port = 20_000 + (RandomState::new().build_hasher().finish() % 12_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
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
