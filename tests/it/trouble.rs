//! What goes wrong: each thing is said in a sentence that names it and what to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::entrance::Entrance;
use crate::support::mosquitto::{Mosquitto, enrol};
use crate::support::process::Ended;
use crate::support::{assert_says, repository};

/// A port at which no broker has to be.
const NOWHERE: u16 = 9;

fn entrance() -> Entrance {
    Entrance::new(NOWHERE, "/dev/video99")
}

/// Asserts that the program ended like this, with one sentence of its own and without a panic.
#[track_caller]
fn assert_ended(ended: &Ended, code: i32, says: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let last = ended.stderr.lines().find(|line| line.starts_with("instored: "));
    assert!(last.is_some(), "no sentence of the program:\n{}", ended.stderr);
    assert_says(&ended.stderr, says);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_right_one() {
    let entrance = entrance();
    entrance.write_config("[camera]\ndevize = \"/dev/video2\"\n");
    let file = entrance.path("instored.toml").display().to_string();
    let says = [&*file, "unknown key `camera.devize`", "did you mean `camera.device`?"];
    assert_ended(&entrance.run(["run"]), 2, &says);
    assert_ended(&entrance.run(["customers", "list"]), 2, &says);
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let entrance = entrance();
    let file = entrance.path("instored.toml");
    fs::remove_file(&file).unwrap();
    let name = file.display().to_string();
    assert_ended(&entrance.run(["run"]), 2, &["cannot read the configuration", &name]);
    fs::create_dir(&file).unwrap();
    assert_ended(&entrance.run(["run"]), 2, &["cannot read the configuration", &name]);
}

#[test]
fn a_wrong_value_is_refused_with_its_place() {
    let entrance = entrance();
    for (text, says) in [
        ("[camera]\nfps = \"fast\"", &["line 2", "fps"][..]),
        ("[camera]\nfps = 0", &["line 2", "between 1 and 120"]),
        ("[recognition]\nthreshold = 45.0", &["threshold must be from 0 to 1"]),
        ("box_name = \"Shop 1\"", &["`Shop 1` cannot name a box"]),
        ("[panel]\ndriver = \"buttons\"", &["driver", "gpiocdev"]),
        ("[camera\n", &["line 1"]),
    ] {
        entrance.write_config(text);
        assert_ended(&entrance.run(["run"]), 2, says);
    }
}

#[test]
fn a_wrong_value_in_the_environment_is_refused_by_the_variables_name() {
    let mut entrance = entrance();
    entrance.set("INSTORED_CAMERA_FPS", "fast");
    assert_ended(&entrance.run(["run"]), 2, &["INSTORED_CAMERA_FPS"]);
}

#[test]
fn invalid_environment_variable_is_reported_by_key() {
    let mut entrance = entrance();
    entrance.set("INSTORED_MQTT_PORT", "abc");
    let ended = entrance.run(["run"]);
    let allowed = "allowed: whole number, 0 to 65535";
    assert_ended(&ended, 2, &["mqtt.port: cannot use INSTORED_MQTT_PORT=abc", allowed]);
    assert!(!ended.stderr.contains("Settings"), "{}", ended.stderr);
}

#[test]
fn closed_pipe_ends_no_command_with_panic() {
    let entrance = entrance();
    let daemon = entrance.open();
    daemon.logs("ready box_name");
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
        let output = entrance.instored(arguments).stdout(writer).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {errors}");
    }
    daemon.stop();
}

#[test]
fn a_box_without_its_camera_stays_up_and_says_what_to_do() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let entrance = Entrance::new(broker.port, "/dev/video99");
    let mut daemon = entrance.open();
    ear.state("trouble", |s| s["camera"] == "trouble");
    let line = daemon.logs("/dev/video99");
    assert_says(&line, &["does not exist", "plug it in", "camera.device"]);

    assert_eq!(broker.ask_in_vain("enrol", "").0, "conflict");
    assert_eq!(ear.enrolment("failed")["reason"], "no_camera");
    assert!(daemon.process.is_running());
    daemon.stop();
}

#[test]
fn a_picture_that_is_none_is_named_and_the_others_are_shown() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let pictures = tempfile::tempdir().unwrap();
    fs::write(pictures.path().join("1.jpg"), b"\xff\xd8\xff\xe0 no picture").unwrap();
    let portrait = repository("crates/simulation/portraits/person_b_1.jpg");
    for name in ["2.jpg", "3.jpg", "4.jpg", "5.jpg"] {
        fs::copy(&portrait, pictures.path().join(name)).unwrap();
    }
    let camera = format!("replay:{}?loop", pictures.path().display());
    let entrance = Entrance::new(broker.port, &camera);
    let daemon = entrance.open();
    ear.state("streaming", |s| s["camera"] == "streaming");
    enrol(&broker, &mut ear);
    let bad = pictures.path().join("1.jpg").display().to_string();
    assert_says(&daemon.logs(&bad), &["cannot decode", "replace the file"]);
    daemon.stop();
}

#[test]
fn a_replay_without_end_mark_ends_the_box_when_it_is_over() {
    let pictures = tempfile::tempdir().unwrap();
    fs::copy(
        repository("crates/simulation/portraits/person_b_1.jpg"),
        pictures.path().join("1.jpg"),
    )
    .unwrap();
    let entrance = Entrance::new(NOWHERE, &format!("replay:{}", pictures.path().display()));
    let ended = entrance.run(["run"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_says(&ended.stderr, &["the camera is streaming", "stopping"]);
}

#[test]
fn weights_that_are_not_those_of_their_card_are_refused_with_both_hashes() {
    let mut entrance = entrance();
    let (card, weights) = (entrance.path("sface.toml"), entrance.path("sface.onnx"));
    fs::copy(repository("models/sface.toml"), &card).unwrap();
    let mut bytes = fs::read(repository("models/sface.onnx")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, bytes).unwrap();
    entrance.set("INSTORED_VISION_EMBEDDER", &card);

    let said = fs::read_to_string(&card).unwrap();
    let expected = said
        .lines()
        .find_map(|line| line.strip_prefix("sha256 = \"")?.strip_suffix('"'))
        .expect("the card names a hash");
    let found = sha256(&weights);
    assert_ne!(found, expected);
    assert_ended(&entrance.run(["run"]), 1, &["sface.onnx", "card", expected, &found]);
}

/// What coreutils say of a file.
fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("install coreutils");
    String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_second_box_on_the_same_vault_is_refused_and_the_first_goes_on() {
    let mut entrance = entrance();
    let mut first = entrance.open();
    first.logs("ready box_name");
    let vault = entrance.vault().display().to_string();
    assert_ended(&entrance.run(["run"]), 1, &[&vault, "in use by another instored"]);
    let listed = entrance.run(["customers", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);

    entrance.set("INSTORED_RUNTIME_DIR", entrance.path("elsewhere"));
    assert_ended(&entrance.run(["run"]), 1, &[&vault, "in use by another instored"]);
    assert!(first.process.is_running());
    first.stop();
}

#[test]
fn a_damaged_vault_is_refused_in_a_sentence() {
    let entrance = entrance();
    let daemon = entrance.open();
    daemon.logs("ready box_name");
    daemon.stop();
    let whole = fs::read(entrance.vault()).unwrap();
    let vault = entrance.vault().display().to_string();

    let mut scrambled = whole.clone();
    scrambled[64..4096].fill(0xa5);
    let cut = whole[..whole.len() / 2].to_vec();
    for garbage in [b"this is no vault".repeat(999), vec![0; 1 << 16], scrambled, cut] {
        fs::write(entrance.vault(), &garbage).unwrap();
        let says = [&*vault, "is damaged", "restore a backup"];
        assert_ended(&entrance.run(["run"]), 1, &says);
        assert_ended(&entrance.run(["customers", "list"]), 1, &says);
        assert!(fs::read(entrance.vault()).unwrap() == garbage, "what may be mended was changed");
    }
}

#[test]
fn without_daemon_and_vault_the_operator_is_told_so() {
    let entrance = entrance();
    let vault = entrance.vault().display().to_string();
    let says = ["there is no vault at", &*vault, "instored run"];
    assert_ended(&entrance.run(["customers", "list"]), 1, &says);
    assert!(!entrance.state().exists(), "a look must not make anything");
    assert_ended(&entrance.run(["keys", "show"]), 1, &["there is no vault at"]);
}

#[test]
fn a_signing_key_that_others_can_read_is_refused_with_the_remedy() {
    let entrance = entrance();
    let daemon = entrance.open();
    daemon.logs("ready box_name");
    daemon.stop();
    let key = entrance.state().join("signing.key");
    let before = fs::read(&key).unwrap();
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let remedy = format!("chmod 600 {}", key.display());
    assert_ended(&entrance.run(["run"]), 1, &["other users can read", "644", &remedy]);
    assert_eq!(fs::read(&key).unwrap(), before);
}

#[test]
fn a_lost_signing_key_is_not_replaced_under_an_old_vault() {
    let entrance = entrance();
    let daemon = entrance.open();
    daemon.logs("ready box_name");
    daemon.stop();
    fs::remove_file(entrance.state().join("signing.key")).unwrap();
    let ended = entrance.run(["run"]);
    assert_ended(&ended, 1, &["put the key file back"]);
}

#[test]
fn a_page_for_the_whole_network_is_refused() {
    let entrance = entrance();
    let ended = entrance.run(["display", "--listen", "0.0.0.0:0"]);
    assert_ended(&ended, 1, &["0.0.0.0", "use 127.0.0.1"]);
}

#[test]
fn a_log_that_is_no_terminal_has_no_colours() {
    let entrance = entrance();
    let daemon = entrance.open();
    let line = daemon.logs("ready box_name");
    assert!(!line.contains('\u{1b}'), "{line:?}");
}

#[test]
fn the_doctor_says_what_to_mend_and_what_is_good() {
    let ended = entrance().run(["doctor"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let says =
        ["camera   fix this", "/dev/video99 does not exist", "broker   fix this", "vault    good"];
    assert_says(&ended.stdout, &says);

    let broker = Mosquitto::start();
    let entrance = Entrance::with_a_visitor(&broker);
    let ended = entrance.run(["doctor", "--json"]);
    let findings: Vec<serde_json::Value> = serde_json::from_str(&ended.stdout).unwrap();
    let what: Vec<_> = findings.iter().filter_map(|f| f["what"].as_str()).collect();
    // The last four are about the machine that the test runs on.
    let parts =
        ["models", "vault", "camera", "panel", "broker", "disk", "memory", "clock", "power"];
    assert_eq!(what, parts);
    assert!(findings[..5].iter().all(|f| f["good"] == true), "{}", ended.stdout);
    let well = findings.iter().all(|f| f["good"] == true);
    assert_eq!(ended.code, Some(i32::from(!well)), "{}{}", ended.stdout, ended.stderr);
}
