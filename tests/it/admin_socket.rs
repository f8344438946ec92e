//! Clients of the admin socket that open too many connections, or send nothing.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::mosquitto::Mosquitto;
use crate::support::test_box::{Daemon, TestBox};

/// Time in which a loop without a pause would log thousands of lines.
const OBSERVED_TIME: Duration = Duration::from_secs(3);
/// Time after which the daemon has to answer a client that sends nothing: its limit is 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// Starts a box without camera, and returns it when it is ready.
fn start_box(broker: &Mosquitto) -> (TestBox, Daemon) {
    let test_box = TestBox::new(broker.port, "/dev/video-none");
    let daemon = test_box.start();
    daemon.wait_until_ready();
    (test_box, daemon)
}

fn connect(test_box: &TestBox) -> UnixStream {
    UnixStream::connect(test_box.path("run").join("control.sock")).expect("the daemon listens")
}

#[test]
fn full_table_of_files_is_logged_without_spinning_and_recovers() {
    let broker = Mosquitto::start();
    let (test_box, daemon) = start_box(&broker);
    let id = daemon.process.id().to_string();
    let open = fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let limit = format!("--nofile={0}:{0}", open + 2);
    assert!(Command::new("prlimit").args(["--pid", &id, &limit]).status().unwrap().success());

    let connections: Vec<_> = (0..8).map(|_| connect(&test_box)).collect();
    let warning = "cannot accept a connection to the admin socket";
    daemon.wait_for_log(warning);
    thread::sleep(OBSERVED_TIME);
    let count = daemon.process.stderr.text_so_far().matches(warning).count();
    assert!(count <= 10, "{count} warnings");

    drop(connections);
    let listed = test_box.run(["customers", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    daemon.stop();
}

#[test]
fn client_that_sends_nothing_is_answered() {
    let broker = Mosquitto::start();
    let (test_box, daemon) = start_box(&broker);
    let client = connect(&test_box);
    client.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    let mut answer = String::new();
    BufReader::new(client).read_line(&mut answer).expect("an answer");
    assert!(answer.contains("no request within"), "{answer}");
    daemon.stop();
}
