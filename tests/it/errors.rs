//! Error messages. Each message names the failure, its subject and the remedy.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::mosquitto::{Mosquitto, enrol};
use crate::support::process::Finished;
use crate::support::test_box::TestBox;
use crate::support::{assert_contains, repository_path};

/// Port without a broker.
const CLOSED_PORT: u16 = 9;

/// Returns a box without camera and broker.
fn test_box() -> TestBox {
    TestBox::new(CLOSED_PORT, "/dev/video99")
}

/// Asserts exit code and message of a failed program.
#[track_caller]
fn assert_failed(finished: &Finished, code: i32, parts: &[&str]) {
    assert_eq!(finished.code, Some(code), "{}", finished.stderr);
    let message = finished.stderr.lines().find(|line| line.starts_with("instored: "));
    assert!(message.is_some(), "no message of the program:\n{}", finished.stderr);
    assert_contains(&finished.stderr, parts);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

#[test]
fn unknown_key_is_rejected_with_nearest_key() {
    let test_box = test_box();
    test_box.write_config("[camera]\ndevize = \"/dev/video2\"\n");
    let file = test_box.path("instored.toml").display().to_string();
    let parts = [&*file, "unknown key `camera.devize`", "did you mean `camera.device`?"];
    assert_failed(&test_box.run(["run"]), 2, &parts);
    assert_failed(&test_box.run(["customers", "list"]), 2, &parts);
}

#[test]
fn unreadable_configuration_is_named() {
    let test_box = test_box();
    let file = test_box.path("instored.toml");
    fs::remove_file(&file).unwrap();
    let name = file.display().to_string();
    assert_failed(&test_box.run(["run"]), 2, &["cannot read the configuration", &name]);
    fs::create_dir(&file).unwrap();
    assert_failed(&test_box.run(["run"]), 2, &["cannot read the configuration", &name]);
}

#[test]
fn wrong_value_is_rejected_with_its_line() {
    let test_box = test_box();
    for (text, parts) in [
        ("[camera]\nfps = \"fast\"", &["line 2", "fps"][..]),
        ("[camera]\nfps = 0", &["line 2", "between 1 and 120"]),
        ("[recognition]\nthreshold = 45.0", &["threshold must be from 0 to 1"]),
        ("box_name = \"Shop 1\"", &["`Shop 1` cannot name a box"]),
        ("[panel]\ndriver = \"buttons\"", &["driver", "gpiocdev"]),
        ("[camera\n", &["line 1"]),
    ] {
        test_box.write_config(text);
        assert_failed(&test_box.run(["run"]), 2, parts);
    }
}

#[test]
fn wrong_environment_value_is_rejected_by_name() {
    let mut test_box = test_box();
    test_box.set("INSTORED_CAMERA_FPS", "fast");
    assert_failed(&test_box.run(["run"]), 2, &["INSTORED_CAMERA_FPS"]);
}

#[test]
fn wrong_environment_value_names_key_and_range() {
    let mut test_box = test_box();
    test_box.set("INSTORED_MQTT_PORT", "abc");
    let finished = test_box.run(["run"]);
    let allowed = "allowed: whole number, 0 to 65535";
    assert_failed(&finished, 2, &["mqtt.port: cannot use INSTORED_MQTT_PORT=abc", allowed]);
    assert!(!finished.stderr.contains("Settings"), "{}", finished.stderr);
}

#[test]
fn command_with_closed_output_pipe_succeeds() {
    let test_box = test_box();
    let daemon = test_box.start();
    daemon.wait_until_ready();
    for arguments in [
        &["config", "example"][..],
        &["config", "show"],
        &["config", "asyncapi"],
        &["config", "reference"],
        &["customers", "list"],
        &["catalogue", "list", "--json"],
        &["keys", "show"],
        &["vault", "verify"],
        &["vault", "log"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = test_box.command(arguments).stdout(writer).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {errors}");
    }
    daemon.stop();
}

#[test]
fn box_without_camera_keeps_running_with_remedy() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let test_box = TestBox::new(broker.port, "/dev/video99");
    let mut daemon = test_box.start();
    subscriber.state("trouble", |s| s["camera"] == "trouble");
    let line = daemon.wait_for_log("/dev/video99");
    assert_contains(&line, &["does not exist", "plug it in", "camera.device"]);

    assert_eq!(broker.command_error("enrol", "").0, "conflict");
    assert_eq!(subscriber.enrolment("failed")["reason"], "no_camera");
    assert!(daemon.process.is_running());
    daemon.stop();
}

#[test]
fn broken_replay_picture_is_named_and_skipped() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let pictures = tempfile::tempdir().unwrap();
    fs::write(pictures.path().join("1.jpg"), b"\xff\xd8\xff\xe0 no picture").unwrap();
    let portrait = repository_path("crates/simulation/portraits/person_b_1.jpg");
    for name in ["2.jpg", "3.jpg", "4.jpg", "5.jpg"] {
        fs::copy(&portrait, pictures.path().join(name)).unwrap();
    }
    let camera = format!("replay:{}?loop", pictures.path().display());
    let test_box = TestBox::new(broker.port, &camera);
    let daemon = test_box.start();
    subscriber.state("streaming", |s| s["camera"] == "streaming");
    enrol(&broker, &mut subscriber);
    let broken = pictures.path().join("1.jpg").display().to_string();
    assert_contains(&daemon.wait_for_log(&broken), &["cannot decode", "replace the file"]);
    daemon.stop();
}

#[test]
fn box_stops_at_end_of_replay() {
    let pictures = tempfile::tempdir().unwrap();
    fs::copy(
        repository_path("crates/simulation/portraits/person_b_1.jpg"),
        pictures.path().join("1.jpg"),
    )
    .unwrap();
    let test_box = TestBox::new(CLOSED_PORT, &format!("replay:{}", pictures.path().display()));
    let finished = test_box.run(["run"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_contains(&finished.stderr, &["the camera is streaming", "stopping"]);
}

#[test]
fn weights_with_wrong_hash_are_rejected_with_both_hashes() {
    let mut test_box = test_box();
    let (manifest, weights) = (test_box.path("sface.toml"), test_box.path("sface.onnx"));
    fs::copy(repository_path("models/sface.toml"), &manifest).unwrap();
    let mut bytes = fs::read(repository_path("models/sface.onnx")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, bytes).unwrap();
    test_box.set("INSTORED_VISION_EMBEDDER", &manifest);

    let text = fs::read_to_string(&manifest).unwrap();
    let expected = text
        .lines()
        .find_map(|line| line.strip_prefix("sha256 = \"")?.strip_suffix('"'))
        .expect("the manifest names a hash");
    let found = sha256(&weights);
    assert_ne!(found, expected);
    assert_failed(&test_box.run(["run"]), 1, &["sface.onnx", "manifest", expected, &found]);
}

/// Returns the SHA-256 of a file, as coreutils compute it.
fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("install coreutils");
    String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn second_box_on_same_vault_is_rejected() {
    let mut test_box = test_box();
    let mut first = test_box.start();
    first.wait_until_ready();
    let vault = test_box.vault().display().to_string();
    assert_failed(&test_box.run(["run"]), 1, &[&vault, "in use by another instored"]);
    let listed = test_box.run(["customers", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);

    test_box.set("INSTORED_RUNTIME_DIR", test_box.path("elsewhere"));
    assert_failed(&test_box.run(["run"]), 1, &[&vault, "in use by another instored"]);
    assert!(first.process.is_running());
    first.stop();
}

#[test]
fn damaged_vault_is_rejected_and_unchanged() {
    let test_box = test_box();
    let daemon = test_box.start();
    daemon.wait_until_ready();
    daemon.stop();
    let intact = fs::read(test_box.vault()).unwrap();
    let vault = test_box.vault().display().to_string();

    let mut overwritten = intact.clone();
    overwritten[64..4096].fill(0xa5);
    let truncated = intact[..intact.len() / 2].to_vec();
    let text = b"this is no vault".repeat(999);
    for damaged in [text, vec![0; 1 << 16], overwritten, truncated] {
        fs::write(test_box.vault(), &damaged).unwrap();
        let parts = [&*vault, "is damaged", "restore a backup"];
        assert_failed(&test_box.run(["run"]), 1, &parts);
        assert_failed(&test_box.run(["customers", "list"]), 1, &parts);
        assert!(fs::read(test_box.vault()).unwrap() == damaged, "the damaged file was changed");
    }
}

#[test]
fn command_without_vault_names_its_path() {
    let test_box = test_box();
    let vault = test_box.vault().display().to_string();
    let parts = ["there is no vault at", &*vault, "instored run"];
    assert_failed(&test_box.run(["customers", "list"]), 1, &parts);
    assert!(!test_box.state_dir().exists(), "a read command must not create the folder");
    assert_failed(&test_box.run(["keys", "show"]), 1, &["there is no vault at"]);
}

#[test]
fn world_readable_signing_key_is_rejected_with_remedy() {
    let test_box = test_box();
    let daemon = test_box.start();
    daemon.wait_until_ready();
    daemon.stop();
    let key = test_box.state_dir().join("signing.key");
    let before = fs::read(&key).unwrap();
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let remedy = format!("chmod 600 {}", key.display());
    assert_failed(&test_box.run(["run"]), 1, &["other users can read", "644", &remedy]);
    assert_eq!(fs::read(&key).unwrap(), before);
}

#[test]
fn lost_signing_key_of_vault_is_not_replaced() {
    let test_box = test_box();
    let daemon = test_box.start();
    daemon.wait_until_ready();
    daemon.stop();
    fs::remove_file(test_box.state_dir().join("signing.key")).unwrap();
    let finished = test_box.run(["run"]);
    assert_failed(&finished, 1, &["put the key file back"]);
}

#[test]
fn display_on_all_interfaces_is_rejected() {
    let test_box = test_box();
    let finished = test_box.run(["display", "--listen", "0.0.0.0:0"]);
    assert_failed(&finished, 1, &["0.0.0.0", "use 127.0.0.1"]);
}

#[test]
fn log_to_pipe_has_no_colours() {
    let test_box = test_box();
    let daemon = test_box.start();
    let line = daemon.wait_until_ready();
    assert!(!line.contains('\u{1b}'), "{line:?}");
}

#[test]
fn doctor_reports_faults_and_passed_checks() {
    let finished = test_box().run(["doctor"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let parts = [
        "camera    fix this",
        "/dev/video99 does not exist",
        "broker    fix this",
        "vault     good",
    ];
    assert_contains(&finished.stdout, &parts);

    let broker = Mosquitto::start();
    let test_box = TestBox::with_visitor(&broker);
    let finished = test_box.run(["doctor", "--json"]);
    let findings: Vec<serde_json::Value> = serde_json::from_str(&finished.stdout).unwrap();
    let subjects: Vec<_> = findings.iter().filter_map(|f| f["what"].as_str()).collect();
    // The last four checks concern the machine that runs the test.
    let parts = [
        "models",
        "vault",
        "retention",
        "camera",
        "panel",
        "broker",
        "access",
        "disk",
        "memory",
        "clock",
        "power",
    ];
    assert_eq!(subjects, parts);
    assert!(findings[..7].iter().all(|f| f["good"] == true), "{}", finished.stdout);
    let all_good = findings.iter().all(|f| f["good"] == true);
    assert_eq!(finished.code, Some(i32::from(!all_good)), "{}{}", finished.stdout, finished.stderr);
}
