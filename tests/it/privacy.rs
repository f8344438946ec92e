//! Absence of customers' data from the log, the events and crash dumps.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::mosquitto::{Message, Mosquitto};
use crate::support::process::Process;
use crate::support::test_box::{TestBox, start};

const NAME: &str = "Zacharias Quillfeather";
/// SKU and name of the bought products.
const LINES: [(&str, &str); 2] = [("sku-7731", "Quince jelly"), ("sku-7732", "Gooseberry curd")];

/// Returns parts of a template, encoded as text and as bytes.
fn encodings(template: &Value) -> Vec<Vec<u8>> {
    let values: Vec<_> =
        template["embedding"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let mut encodings = Vec::new();
    for pair in values.windows(2).filter(|pair| pair.iter().all(|v| v.abs() > 0.001)) {
        encodings.push(format!("{:.4}", pair[0]).into_bytes());
        encodings.push(pair.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect());
    }
    assert!(encodings.len() > 50, "{template}");
    encodings
}

/// Returns true if a text contains these bytes.
fn contains(text: &str, bytes: &[u8]) -> bool {
    text.as_bytes().windows(bytes.len()).any(|window| window == bytes)
}

/// Output of a session in which a customer performs every possible action.
struct Session {
    log: String,
    /// Messages of the box.
    messages: Vec<Message>,
    customer: String,
    claim_code: String,
    /// Export of the customer's data, made before the deletion.
    export: Value,
}

/// Runs a box for one customer, from enrolment to deletion.
fn run_session(environment: &[(&str, &str)]) -> Session {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (test_box, daemon, done) = TestBox::with_customer(&broker, &mut subscriber, environment);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (customer, claim_code) = (text(&done["customer"]["id"]), text(&done["claim_code"]));
    let lines: Vec<_> = LINES
        .iter()
        .map(|(sku, name)| json!({ "sku": sku, "name": name, "quantity": 1, "unit_price": 100 }))
        .collect();
    let order = json!({ "id": "T2-77", "placed": "2024-03-29T09:15:00+01:00", "currency": "EUR",
                        "lines": lines, "total": 200 });
    broker.command("order", &json!({ "claim_code": claim_code, "order": order }).to_string());
    broker.command("rename", &json!({ "customer": customer, "name": NAME }).to_string());
    let greeting = subscriber.visit("arrived");
    assert_eq!(greeting.json()["customer"]["name"], NAME);
    let payload = json!({ "customer": customer }).to_string();
    broker.command("history", &payload);
    broker.command("not-me", &payload);
    let export = test_box.run(["customers", "export", &customer]);
    let export: Value = serde_json::from_str(&export.stdout).expect("an export is JSON");
    let deletion = json!({ "customer": customer, "code": claim_code });
    broker.command("forget", &deletion.to_string());
    subscriber.enrolment("withdrawn");
    let log = daemon.stop().stderr;
    Session { log, messages: subscriber.received(), customer, claim_code, export }
}

#[test]
fn trace_log_contains_no_name_face_score_or_purchase() {
    let Session { log, messages, customer, claim_code, export } =
        run_session(&[("INSTORED_LOG", "trace")]);
    assert!(log.contains("DEBUG") && log.contains(&customer), "the log does not have trace level");

    let templates: Vec<_> =
        export["templates"].as_array().unwrap().iter().flat_map(encodings).collect();
    for template in &templates {
        assert!(!contains(&log, template), "{}", String::from_utf8_lossy(template));
        for message in &messages {
            assert!(!contains(&message.payload, template), "{}", message.payload);
        }
    }
    let receipt = export["consents"][0]["receipt"].as_str().unwrap();
    let products = LINES.iter().flat_map(|(sku, name)| [*sku, *name]);
    let personal = [NAME, "Zacharias", "Quillfeather", &claim_code, receipt];
    for word in products.chain(personal) {
        assert!(!log.contains(word), "the log contains {word}");
    }
    for word in ["score", "similarity", "cosine", "confidence", "fpir", "threshold"] {
        assert!(!log.contains(word), "the log contains {word}");
        assert!(messages.iter().all(|m| !m.payload.contains(word)), "an event contains {word}");
    }
}

#[test]
fn default_log_contains_no_customer_id() {
    let Session { log, customer, .. } = run_session(&[]);
    for line in ["a customer enrolled", "a customer arrived", "a customer was deleted"] {
        assert!(log.contains(line), "`{line}` is missing in:\n{log}");
    }
    assert!(!log.contains(&customer), "{log}");
}

/// Starts a program in `folder` without a limit on core dumps.
fn start_with_core_dumps(folder: &Path, command: &Command) -> Process {
    let mut shell = Command::new("sh");
    shell.current_dir(folder).args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    start(&mut shell)
}

#[test]
fn memory_is_locked_or_the_log_says_why_not() {
    let broker = Mosquitto::start();
    let test_box = TestBox::with_visitor(&broker);
    let daemon = test_box.start();
    daemon.wait_until_ready();
    let log = daemon.process.stderr.text_so_far();
    let is_locked = daemon.process.locked_memory_kib() > 0;
    assert_ne!(is_locked, log.contains("cannot lock memory"), "{log}");
    daemon.stop();
}

#[test]
fn crash_leaves_no_core_dump() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let test_box = TestBox::with_visitor(&broker);
    let mut reference = Command::new("sh");
    reference.args(["-c", "echo running && exec sleep 600"]);
    let mut reference = start_with_core_dumps(&test_box.path(""), &reference);
    reference.stdout.wait_for("running");
    assert!(reference.crash(), "no program dumps core on this machine: see core(5)");

    let mut daemon = start_with_core_dumps(&test_box.path(""), &test_box.command(["run"]));
    subscriber.state("streaming", |s| s["camera"] == "streaming");
    assert!(!daemon.crash(), "the box dumped core");
}
