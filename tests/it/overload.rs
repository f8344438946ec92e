//! More commands than the box accepts.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::mosquitto::Mosquitto;
use crate::support::test_box::TestBox;

/// Duration of the flood.
const FLOOD_SECONDS: u32 = 10;
const COMMANDS_PER_SECOND: u32 = 1000;
/// Maximum growth of the resident memory.
const MEMORY_GROWTH_MAX_KIB: u64 = 32 * 1024;

/// Starts `mosquitto_pub` with a pipe as its standard input.
fn start_publisher(port: u16, topic: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new("mosquitto_pub");
    command
        .args(["-V", "5", "-h", "127.0.0.1", "-p", &port.to_string(), "-t", topic])
        .args(arguments);
    command.stdin(Stdio::piped()).spawn().expect("install mosquitto-clients")
}

#[test]
fn customers_are_greeted_during_command_flood() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (_entrance, daemon, done) = TestBox::with_customer(
        &broker,
        &mut subscriber,
        &[("INSTORED_METRICS_LISTEN", "127.0.0.1:0")],
    );
    subscriber.visit("arrived");
    subscriber.visit("left");
    let before = daemon.process.memory_kib();

    // The flood has valid commands, invalid JSON and wrong types, each with a response topic.
    let arguments = ["-D", "publish", "response-topic", "instored/entrance/reply/flooded", "-l"];
    let mut flood = start_publisher(broker.port, "instored/entrance/cmd/present", &arguments);
    let pipe = flood.stdin.as_mut().expect("stdin is piped");
    let start = Instant::now();
    for sent in 0..FLOOD_SECONDS * COMMANDS_PER_SECOND {
        let line = ["{}", "{", "[1]", "{\"customer\":7}"][sent as usize % 4];
        writeln!(pipe, "{line}").expect("mosquitto_pub reads lines");
        // Keeps the rate of the flood, without waiting for responses.
        let due = Duration::from_secs(1) * sent / COMMANDS_PER_SECOND;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        if sent == 5 * COMMANDS_PER_SECOND {
            // The box still executes a till's valid command.
            let assignment = json!({ "claim_code": done["claim_code"], "till": "1" });
            assert_eq!(broker.command("at-till", &assignment.to_string())["at_till"]["till"], "1");
        }
    }
    assert!(flood.wait_with_output().expect("mosquitto_pub ends").status.success());

    // One message of 10 MiB and 200 unknown commands follow.
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large");
    std::fs::write(&large, vec![b' '; 10 << 20]).unwrap();
    let large = large.to_str().unwrap();
    let mut large_message =
        start_publisher(broker.port, "instored/entrance/cmd/order", &["-q", "1", "-f", large]);
    large_message.wait().unwrap();
    for number in 0..200 {
        let topic = format!("instored/entrance/cmd/{number}-{}", "x".repeat(200));
        start_publisher(broker.port, &topic, &["-m", "{}"]).wait().unwrap();
    }

    subscriber.visit("arrived");
    let expected = u64::from((FLOOD_SECONDS - 2) * COMMANDS_PER_SECOND);
    let state =
        subscriber.state("rejected commands", |s| s["refused_commands"].as_u64() > Some(expected));
    println!(
        "rejected commands: {} of {}",
        state["refused_commands"],
        FLOOD_SECONDS * COMMANDS_PER_SECOND + 201
    );
    let after = daemon.process.memory_kib();
    println!("memory: {before} KiB before, {after} KiB after");
    assert!(after < before + MEMORY_GROWTH_MAX_KIB, "{before} KiB before, {after} KiB after");
    let log = daemon.stop().stderr;
    assert!(log.lines().filter(|line| line.contains("refused")).count() < 20, "{log}");
}
