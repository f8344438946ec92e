//! What is known of customers does not show where it does not belong.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::entrance::{Entrance, start};
use crate::support::mosquitto::Mosquitto;
use crate::support::process::Process;

const NAME: &str = "Zacharias Quillfeather";
const LINES: [(&str, &str); 2] = [("sku-7731", "Quince jelly"), ("sku-7732", "Gooseberry curd")];

/// How a face could be written: as its export writes the numbers, shortened, or in bytes.
fn ways_to_write(template: &Value) -> Vec<Vec<u8>> {
    let values: Vec<_> =
        template["embedding"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let mut ways = Vec::new();
    for pair in values.windows(2).filter(|pair| pair.iter().all(|v| v.abs() > 0.001)) {
        ways.push(format!("{:.4}", pair[0]).into_bytes());
        ways.push(pair.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect());
    }
    assert!(ways.len() > 50, "{template}");
    ways
}

fn found(text: &str, planted: &[u8]) -> bool {
    text.as_bytes().windows(planted.len()).any(|window| window == planted)
}

#[test]
fn a_log_of_everything_names_nobody_and_shows_no_face_no_score_and_no_purchase() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let (entrance, daemon, done) =
        Entrance::with_a_customer(&broker, &mut ear, &[("INSTORED_LOG", "trace")]);

    // Everything that a customer may do.
    let (id, code) =
        (done["customer"]["id"].as_str().unwrap(), done["claim_code"].as_str().unwrap());
    let lines: Vec<_> = LINES
        .iter()
        .map(|(sku, name)| json!({ "sku": sku, "name": name, "quantity": 1, "unit_price": 100 }))
        .collect();
    let order = json!({ "id": "T2-77", "placed": "2024-03-29T09:15:00+01:00", "currency": "EUR",
                        "lines": lines, "total": 200 });
    broker.ask("order", &json!({ "claim_code": code, "order": order }).to_string());
    broker.ask("rename", &json!({ "customer": id, "name": NAME }).to_string());
    let greeting = ear.visit("arrived");
    assert_eq!(greeting.json()["customer"]["name"], NAME);
    broker.ask("history", &json!({ "customer": id }).to_string());
    let customer = json!({ "customer": id }).to_string();
    broker.ask("not-me", &customer);
    let export = entrance.run(["customers", "export", id]);
    let export: Value = serde_json::from_str(&export.stdout).expect("an export is JSON");
    broker.ask("forget", &customer);
    ear.enrolment("withdrawn");
    let log = daemon.stop().stderr;
    assert!(log.contains("DEBUG") && log.contains(id), "the log is of everything");

    let templates: Vec<_> =
        export["templates"].as_array().unwrap().iter().flat_map(ways_to_write).collect();
    for planted in &templates {
        assert!(!found(&log, planted), "{}", String::from_utf8_lossy(planted));
        for message in ear.heard() {
            assert!(!found(&message.payload, planted), "{}", message.payload);
        }
    }
    let receipt = export["consents"][0]["receipt"].as_str().unwrap();
    let words = LINES.iter().flat_map(|(sku, name)| [*sku, *name]);
    for planted in words.chain([NAME, "Zacharias", "Quillfeather", code, receipt]) {
        assert!(!log.contains(planted), "the log says {planted}");
    }
    for scored in ["score", "similarity", "cosine", "confidence", "fpir", "threshold"] {
        assert!(!log.contains(scored), "the log says {scored}");
        assert!(ear.heard().iter().all(|m| !m.payload.contains(scored)), "an event says {scored}");
    }
}

/// Starts a program that may leave a core of any size in `folder`.
fn with_cores(folder: &Path, command: &Command) -> Process {
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
fn a_crash_leaves_no_core() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let entrance = Entrance::with_a_visitor(&broker);
    let mut other = Command::new("sh");
    other.args(["-c", "echo running && exec sleep 600"]);
    let mut other = with_cores(&entrance.path(""), &other);
    other.stdout.expect("running");
    assert!(other.crash(), "nothing leaves a core here, so that nothing is shown: see core(5)");

    let mut daemon = with_cores(&entrance.path(""), &entrance.instored(["run"]));
    ear.state("streaming", |s| s["camera"] == "streaming");
    assert!(!daemon.crash());
}
