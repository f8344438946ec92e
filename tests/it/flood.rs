//! A box that is asked more than it can answer goes on with its work.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::entrance::Entrance;
use crate::support::mosquitto::Mosquitto;

const SECONDS: u32 = 10;
const A_SECOND: u32 = 1000;

fn publisher(port: u16, topic: &str, more: &[&str]) -> Child {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-V", "5", "-h", "127.0.0.1", "-p", &port.to_string(), "-t", topic]).args(more);
    command.stdin(Stdio::piped()).spawn().expect("install mosquitto-clients")
}

#[test]
fn a_flood_of_commands_is_refused_and_counted_and_customers_are_greeted_all_the_while() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let (_entrance, daemon, done) =
        Entrance::with_a_customer(&broker, &mut ear, &[("INSTORED_METRICS_LISTEN", "127.0.0.1:0")]);
    ear.visit("arrived");
    ear.visit("left");
    let before = daemon.process.memory();

    // Commands, what is none, and wrong types, each with a place for the answer.
    let answers = ["-D", "publish", "response-topic", "till/flooded", "-l"];
    let mut flood = publisher(broker.port, "instored/entrance/cmd/present", &answers);
    let pipe = flood.stdin.as_mut().expect("stdin is piped");
    let begun = Instant::now();
    for sent in 0..SECONDS * A_SECOND {
        let line = ["{}", "{", "[1]", "{\"customer\":7}"][sent as usize % 4];
        writeln!(pipe, "{line}").expect("mosquitto_pub takes lines");
        // The pace of the flood, not a wait for anything.
        let due = Duration::from_secs(1) * sent / A_SECOND;
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        if sent == 5 * A_SECOND {
            // A till is served in the midst of it.
            let named = json!({ "claim_code": done["claim_code"], "till": "1" });
            assert_eq!(broker.ask("at-till", &named.to_string())["at_till"]["till"], "1");
        }
    }
    assert!(flood.wait_with_output().expect("it ends").status.success());

    // Ten megabytes at once, and a topic after the other that means nothing.
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large");
    std::fs::write(&large, vec![b' '; 10 << 20]).unwrap();
    let large = large.to_str().unwrap();
    let mut giant =
        publisher(broker.port, "instored/entrance/cmd/order", &["-q", "1", "-f", large]);
    giant.wait().unwrap();
    for number in 0..200 {
        let topic = format!("instored/entrance/cmd/{number}-{}", "x".repeat(200));
        publisher(broker.port, &topic, &["-m", "{}"]).wait().unwrap();
    }

    ear.visit("arrived");
    let wanted = u64::from((SECONDS - 2) * A_SECOND);
    let state = ear.state("refusals", |s| s["refused_commands"].as_u64() > Some(wanted));
    println!("refused: {} of {}", state["refused_commands"], SECONDS * A_SECOND + 201);
    let after = daemon.process.memory();
    println!("memory: {before} KiB before, {after} KiB after");
    assert!(after < before + 32 * 1024, "{before} KiB before, {after} KiB after");
    let log = daemon.stop().stderr;
    assert!(log.lines().filter(|line| line.contains("refused")).count() < 20, "{log}");
}
