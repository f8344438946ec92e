//! The sample access rules, on the real mosquitto with TLS: each account can do what it needs, and
//! nothing else.

use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::support::assert_says;
use crate::support::entrance::Entrance;
use crate::support::mosquitto::Mosquitto;
use crate::support::process::Process;
use crate::support::repository;

const ACCOUNTS: [&str; 5] =
    ["box-entrance", "display-entrance", "till-entrance", "homeassistant", "box-elsewhere"];

/// An authority, the broker's certificate, and one for each account.
fn certificates(folder: &Path, authority: &str) {
    let named = |names: Vec<String>, name: &str| {
        let mut parameters = CertificateParams::new(names).expect("names of this machine");
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters
    };
    let write = |name: &str, pem: String| {
        std::fs::write(folder.join(name), pem).expect("a temporary folder is writable");
    };
    let mut parameters = named(vec![], authority);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = parameters.self_signed(&key).expect("a certificate can be signed");
    write("ca.pem", certificate.pem());
    let issuer = Issuer::new(parameters, key);
    let hosts = vec!["127.0.0.1".to_owned()];
    for (name, names) in std::iter::once(("broker", hosts)).chain(ACCOUNTS.map(|a| (a, vec![]))) {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = named(names, name).signed_by(&key, &issuer).expect("signed");
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

/// The broker with the configuration that the project hands out.
fn broker() -> Mosquitto {
    let read = |file: &str| std::fs::read_to_string(repository(file)).expect("it is there");
    let lines = read("config/mosquitto/instored.conf")
        .replace("listener 8883\n", "")
        .replace("/etc/mosquitto/instored.acl", "DIR/instored.acl")
        .replace("/etc/mosquitto/instored/", "DIR/");
    let rules = read("config/mosquitto/instored.acl")
        // A second box, for which nothing is allowed to the accounts of the first.
        + "\nuser box-elsewhere\ntopic write instored/elsewhere/#\ntopic read instored/elsewhere/cmd/+\n";
    Mosquitto::start_as(&lines, |folder| {
        certificates(folder, "the shop");
        std::fs::write(folder.join("instored.acl"), rules).expect("a temporary folder is writable");
    })
}

fn client(broker: &Mosquitto, program: &str, account: &str) -> Command {
    let file = |name: String| broker.folder().join(name).into_os_string();
    let mut command = Command::new(program);
    command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &broker.port.to_string()]);
    command.args(["-i", account, "--cafile"]).arg(file("ca.pem".to_owned()));
    command.arg("--cert").arg(file(format!("{account}.pem")));
    command.arg("--key").arg(file(format!("{account}.key")));
    command
}

/// Whether the broker takes what this account publishes there.
fn may_say(broker: &Mosquitto, account: &str, topic: &str) -> bool {
    let mut command = client(broker, "mosquitto_pub", account);
    command.args(["-t", topic, "-m", "{}", "-d"]);
    let ended = Process::start(&mut command, "mosquitto-clients").wait();
    // The reason code of the acknowledgement: 0x87 is not authorised.
    let said = ended.stdout + &ended.stderr;
    assert!(said.contains("PUBACK"), "{account} {topic}: {said}");
    !said.contains("RC:135") && !said.to_lowercase().contains("not authorized")
}

/// What this account hears of `filter` within a second, retained messages included.
fn hears(broker: &Mosquitto, account: &str, filter: &str) -> Vec<String> {
    let mut command = client(broker, "mosquitto_sub", account);
    command.args(["-t", filter, "-W", "1", "-F", "%t"]);
    let ended = Process::start(&mut command, "mosquitto-clients").wait();
    ended.stdout.lines().map(str::to_owned).collect()
}

/// A box `entrance` that shows the broker this account's certificate, signed in this folder.
fn entrance(broker: &Mosquitto, account: &str, folder: &Path) -> Entrance {
    let portrait = repository("crates/simulation/portraits/person_a_1.jpg");
    let mut entrance = Entrance::new(broker.port, &format!("scene:{}", portrait.display()));
    entrance.set("INSTORED_MQTT_TLS", "true");
    entrance.set("INSTORED_MQTT_CA_FILE", broker.folder().join("ca.pem"));
    entrance.set("INSTORED_MQTT_CLIENT_CERT", folder.join(format!("{account}.pem")));
    entrance.set("INSTORED_MQTT_CLIENT_KEY", folder.join(format!("{account}.key")));
    entrance
}

#[test]
fn with_the_sample_rules_each_account_has_what_it_needs_and_no_more() {
    let broker = broker();
    let box_ = entrance(&broker, "box-entrance", broker.folder());
    let daemon = box_.open();
    daemon.logs("connected to the MQTT broker");
    // The other box's state is there, retained.
    let mut other = client(&broker, "mosquitto_pub", "box-elsewhere");
    other.args(["-t", "instored/elsewhere/state", "-r", "-m", "{}"]);
    assert_eq!(Process::start(&mut other, "mosquitto-clients").wait().code, Some(0));

    // What the box says, the display hears; of the other box nobody of this one hears anything.
    let heard = hears(&broker, "display-entrance", "instored/+/#");
    for leaf in ["availability", "key", "state"] {
        assert!(heard.contains(&format!("instored/entrance/{leaf}")), "{heard:?}");
    }
    assert!(!heard.iter().any(|topic| topic.contains("elsewhere")), "{heard:?}");
    assert_eq!(hears(&broker, "till-entrance", "#"), ["instored/entrance/availability"]);
    let home = hears(&broker, "homeassistant", "homeassistant/#");
    assert_eq!(home, ["homeassistant/device/instored_entrance/config"]);

    for (account, topic, may) in [
        ("display-entrance", "instored/entrance/cmd/not-me", true),
        ("display-entrance", "instored/entrance/visit", false),
        ("display-entrance", "instored/entrance/key", false),
        ("display-entrance", "instored/entrance/cmd/order", false),
        ("display-entrance", "instored/elsewhere/cmd/not-me", false),
        ("till-entrance", "instored/entrance/cmd/order", true),
        ("till-entrance", "instored/entrance/cmd/forget", false),
        ("till-entrance", "instored/entrance/visit", false),
        ("till-entrance", "homeassistant/device/instored_entrance/config", false),
        ("homeassistant", "instored/entrance/cmd/enrol", true),
        ("homeassistant", "instored/entrance/cmd/present", false),
        ("box-elsewhere", "instored/entrance/visit", false),
    ] {
        assert_eq!(may_say(&broker, account, topic), may, "{account} {topic}");
    }

    // A till asks, and hears the answer under its own name.
    let mut asks = client(&broker, "mosquitto_rr", "till-entrance");
    asks.args(["-t", "instored/entrance/cmd/present", "-n", "-W", "30"]);
    asks.args(["-e", "instored/entrance/reply/till-entrance"]);
    let answer = Process::start(&mut asks, "mosquitto-clients").wait();
    let answer: Value = serde_json::from_str(&answer.stdout).expect("an answer");
    assert!(answer["present"].is_array(), "{answer}");
    let log = daemon.stop().stderr;
    assert!(!log.contains("access rules"), "{log}");
    assert_eq!(json!(hears(&broker, "till-entrance", "instored/+/reply/#")), json!([]));
}

#[test]
fn who_shows_no_certificate_or_a_wrong_one_is_kept_out_and_told_why() {
    let broker = broker();
    let mut anonymous = Command::new("mosquitto_sub");
    anonymous.args(["-V", "5", "-h", "127.0.0.1", "-p", &broker.port.to_string(), "--cafile"]);
    anonymous.arg(broker.folder().join("ca.pem")).args(["-t", "#", "-W", "2", "-F", "%t"]);
    let ended = Process::start(&mut anonymous, "mosquitto-clients").wait();
    assert!(ended.code != Some(0) && ended.stdout.is_empty(), "{ended:?}");

    let strange = tempfile::tempdir().expect("a temporary folder");
    certificates(strange.path(), "somebody else");
    let refused = entrance(&broker, "box-entrance", strange.path());
    let daemon = refused.open();
    let said = daemon.logs("no connection to the MQTT broker");
    assert_says(&said, &["TLS failed", "UnknownCA", "client_cert"]);
    daemon.stop();

    let mut deceived = entrance(&broker, "box-entrance", broker.folder());
    deceived.set("INSTORED_MQTT_CA_FILE", strange.path().join("ca.pem"));
    let daemon = deceived.open();
    let said = daemon.logs("no connection to the MQTT broker");
    assert_says(&said, &["TLS failed", "invalid peer certificate", "ca_file"]);
    daemon.stop();
}
