//! `instored setup` on a machine whose services run: restarts, and the return to the previous files.

use std::process::Command;

use crate::support::process::{Finished, Process};
use crate::support::set_up::SetUp;
use crate::support::test_box::program;
use crate::support::{assert_contains, repository_path};

/// Shell functions: the command under test, and names and digests of all files that it may change.
const FUNCTIONS: &str = r#"
    setup() { "$PROGRAM" --config "$CONFIG" setup "$@"; }
    list() { (cd /etc; find instored mosquitto systemd/system -type f | sort | xargs -r md5sum); }
"#;

/// Runs a script on a machine of its own, with the [`FUNCTIONS`]. Returns `None` without the rights for it.
fn run(name: &str, mode: &str, script: &str) -> Option<(Finished, String)> {
    let unshare = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let trial = Command::new("unshare").args(unshare).arg("true").output();
    if !trial.is_ok_and(|output| output.status.success()) {
        println!("skipped: {name} needs root");
        return None;
    }
    let set_up = SetUp::prepare();
    let work = set_up.path("work");
    std::fs::create_dir(&work).expect("a temporary folder is writable");
    let mut command = Command::new("unshare");
    command.args(unshare).arg("sh").arg(repository_path("tests/it/support/fake_system.sh"));
    command.arg(format!("{FUNCTIONS}{script}"));
    command.env("PROGRAM", program().get_program());
    command.env("CONFIG", set_up.test_box.path("instored.toml"));
    command.env("WORK", &work).env("MODE", mode).env("PORT", set_up.port.to_string());
    let finished = Process::start(&mut command, "util-linux").wait();
    let calls = std::fs::read_to_string(work.join("calls")).unwrap_or_default();
    Some((finished, calls))
}

#[test]
fn services_are_restarted_and_display_pins_running_box() {
    let script = r#"before=$(list)
         setup --tills 2
         grep BOX_KEY /etc/systemd/system/instored-display.service.d/setup.conf
         echo --- again; setup | head -n 1
         echo --- undo; setup --undo > "$WORK/undone"
         [ "$before" = "$(list)" ] && echo restored"#;
    let Some((finished, calls)) =
        run("services_are_restarted_and_display_pins_running_box", "", script)
    else {
        return;
    };
    let parts =
        ["till-entrance-2", "INSTORED_DISPLAY_BOX_KEY=", "--- again\nThe set-up is complete"];
    assert_contains(&finished.stdout, &parts);
    assert!(finished.stdout.ends_with("restored"), "{finished:?}");
    let calls: Vec<_> = calls.lines().collect();
    let expected = [
        "daemon-reload",
        "restart mosquitto",
        "restart instored",
        "start instored",
        "daemon-reload",
        "try-restart instored-display",
        // The repeated set-up restarts nothing.
        "start instored",
        "daemon-reload",
        "try-restart mosquitto",
        "try-restart instored",
        "try-restart instored-display",
    ];
    assert_eq!(calls, expected, "{}", finished.stderr);
}

#[test]
fn broker_that_does_not_start_gets_its_previous_files() {
    let script = r#"before=$(list)
         setup && exit 1
         [ "$before" = "$(list)" ] && echo restored"#;
    let name = "broker_that_does_not_start_gets_its_previous_files";
    let Some((finished, calls)) = run(name, "no-start", script) else { return };
    assert_contains(&finished.stderr, &["nothing is set up", "Job for mosquitto.service failed"]);
    assert_eq!(finished.stdout, "restored", "{finished:?}");
    let calls: Vec<_> = calls.lines().collect();
    let expected = ["daemon-reload", "restart mosquitto", "daemon-reload", "restart mosquitto"];
    assert_eq!(calls, expected);
}

#[test]
fn other_broker_without_accounts_is_reported() {
    let script = r#"printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$PORT" > "$WORK/other.conf"
         /usr/sbin/mosquitto -c "$WORK/other.conf" 2> "$WORK/other.log" &
         sleep 1
         before=$(list)
         setup && exit 1
         [ "$before" = "$(list)" ] && echo restored"#;
    let name = "other_broker_without_accounts_is_reported";
    let Some((finished, _)) = run(name, "other-broker", script) else { return };
    let parts = ["nothing is set up", "still accepts clients without an account", "another broker"];
    assert_contains(&finished.stderr, &parts);
    assert_eq!(finished.stdout, "restored", "{finished:?}");
}
