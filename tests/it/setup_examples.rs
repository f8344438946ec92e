//! The examples of docs/integration.md, executed with the accounts of `instored setup`.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::Process;
use crate::support::repository_path;
use crate::support::set_up::{CLIENTS, SetUp};

/// Visit of a customer, as the box publishes it.
const VISIT: &str = r#"{"event":"arrived","customer":{"id":"x","name":"Ada"},"recommendations":[{"name":"Bread"}]}"#;

/// Returns the indented shell code of a section of the document, without fenced code.
fn shell(heading: &str) -> String {
    let code = section(heading);
    let outside_fences: String = code.split("```").step_by(2).collect();
    let lines = outside_fences.lines().filter(|line| line.starts_with("    "));
    lines.map(|line| format!("{}\n", line.trim_start_matches("    "))).collect()
}

fn section(heading: &str) -> String {
    let document = std::fs::read_to_string(repository_path("docs/integration.md")).unwrap();
    let (_, section) =
        document.split_once(&format!("\n## {heading}\n")).expect("the section exists");
    section.split("\n## ").next().unwrap_or_default().to_owned()
}

/// Folder with home, commands and working folder of the examples. The commands are those of the machine, with the
/// port of the broker under test.
struct Workplace {
    folder: TempDir,
}

impl Workplace {
    fn new(set_up: &SetUp) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workplace = Self { folder };
        workplace.add_command("sudo", "exec \"$@\"");
        for client in ["mosquitto_sub", "mosquitto_pub", "mosquitto_rr"] {
            let script = format!("exec /usr/bin/{client} -p {} \"$@\"", set_up.port);
            workplace.add_command(client, &script);
        }
        workplace
    }

    fn add_command(&self, name: &str, script: &str) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a temporary folder");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("own file");
    }

    /// Starts a program in the folder.
    fn start(&self, set_up: &SetUp, program: &str, text: &str) -> Process {
        let accounts = set_up.path("etc/instored").display().to_string();
        let text = text.replace("/etc/instored", &accounts);
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command.arg("-c").arg(text).current_dir(self.folder.path());
        command.env("HOME", self.folder.path()).env_remove("XDG_CONFIG_HOME");
        command.env("PATH", format!("{}:{path}", self.folder.path().display()));
        Process::start(&mut command, program)
    }

    /// Starts a program as [`Workplace::start`] does, and keeps the folder.
    fn start_kept(self, set_up: &SetUp, program: &str, text: &str) -> (Self, Process) {
        let process = self.start(set_up, program, text);
        (self, process)
    }
}

/// Publishes a visit with the account of the box until `subscriber` has printed `expected`.
fn publish_until_received(set_up: &SetUp, subscriber: &Process, expected: &str) {
    let mut attempts = 0;
    while !subscriber.stdout.text_so_far().contains(expected) {
        let mut command = set_up.client("mosquitto_pub", "box-entrance");
        command.args(["-t", "instored/entrance/visit", "-m", VISIT]);
        assert_eq!(Process::start(&mut command, CLIENTS).wait().code, Some(0));
        attempts += 1;
        std::thread::sleep(std::time::Duration::from_millis(100));
        let printed = (subscriber.stdout.text_so_far(), subscriber.stderr.text_so_far());
        assert!(attempts < 200, "`{expected}` is missing in {printed:?}");
    }
}

#[test]
fn shell_subscriber_of_document_receives_visits() {
    let set_up = SetUp::start(&["--displays", "2"]);
    let subscriber = Workplace::new(&set_up).start_kept(&set_up, "bash", &shell("Subscribe"));
    publish_until_received(&set_up, &subscriber.1, "arrived\tAda");
}

#[test]
fn python_subscriber_of_document_receives_visits() {
    // The library is a Debian package for the interpreter of the system.
    let python = "/usr/bin/python3";
    let has_library = Command::new(python)
        .args(["-c", "import paho.mqtt.client"])
        .output()
        .is_ok_and(|o| o.status.success());
    if !has_library {
        println!("skipped: python_subscriber_of_document_receives_visits needs python3-paho-mqtt");
        return;
    }
    let set_up = SetUp::start(&["--displays", "2"]);
    let text = section("Subscribe");
    let (_, code) = text.split_once("```python\n").expect("an example");
    let code = code.split("```").next().unwrap_or_default();
    let code = code
        .replace(
            "client.connect(\"127.0.0.1\")",
            &format!("client.connect(\"127.0.0.1\", {})", set_up.port),
        )
        .replace("print(", "__import__('functools').partial(print, flush=True)(");
    let workplace = Workplace::new(&set_up);
    let password = set_up.password("display-entrance-2") + "\n";
    std::fs::write(workplace.folder.path().join("password"), password).expect("own folder");
    let subscriber = workplace.start_kept(&set_up, python, &code);
    publish_until_received(&set_up, &subscriber.1, "Hello Ada! Again: Bread");
}

#[test]
fn till_and_office_of_document_receive_responses() {
    let set_up = SetUp::start(&[]);
    let daemon = set_up.start_box();
    daemon.wait_for_log("connected to the MQTT broker");
    let workplace = Workplace::new(&set_up);
    let finished = workplace.start(&set_up, "bash", &shell("Link a till")).wait();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let responses: Vec<Value> = serde_json::Deserializer::from_str(&finished.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|e| panic!("{e}: {}", finished.stdout));
    // The claim code of the document is nobody's.
    let codes: Vec<_> = responses.iter().map(|r| r["error"]["code"].as_str()).collect();
    assert_eq!(
        codes,
        [Some("not_found"), Some("not_found"), Some("not_found"), None],
        "{responses:?}"
    );
    assert_eq!(responses[3]["catalogue"]["added"], 1, "{responses:?}");
    // The options contain a password and are private.
    let options = workplace.folder.path().join(".config/mosquitto_rr");
    let mode = options.metadata().expect("the options exist").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    daemon.stop();
}
