//! Access rules with client certificates, as documented. Each account can access only the topics that it
//! needs.

use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::support::assert_contains;
use crate::support::mosquitto::Mosquitto;
use crate::support::process::Process;
use crate::support::repository_path;
use crate::support::test_box::TestBox;

const ACCOUNTS: [&str; 5] =
    ["box-entrance", "display-entrance", "till-entrance", "homeassistant", "box-elsewhere"];

/// Writes the certificates of an authority, the broker and each account.
fn write_certificates(folder: &Path, authority: &str) {
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
    let key = KeyPair::generate().expect("a key can be generated");
    let certificate = parameters.self_signed(&key).expect("a certificate can be signed");
    write("ca.pem", certificate.pem());
    let issuer = Issuer::new(parameters, key);
    let hosts = vec!["127.0.0.1".to_owned()];
    for (name, names) in std::iter::once(("broker", hosts)).chain(ACCOUNTS.map(|a| (a, vec![]))) {
        let key = KeyPair::generate().expect("a key can be generated");
        let certificate = named(names, name).signed_by(&key, &issuer).expect("signed");
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

/// Starts the broker with the documented configuration and the sample rules.
fn start_broker() -> Mosquitto {
    let read =
        |file: &str| std::fs::read_to_string(repository_path(file)).expect("the file exists");
    let document = read("docs/integration.md");
    let (_, section) = document.split_once("\n### Client certificates\n").expect("the section");
    let lines: String = section
        .lines()
        .skip_while(|line| !line.starts_with("    "))
        .take_while(|line| line.starts_with("    "))
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    let lines = lines
        .replace("listener 8883\n", "")
        .replace("/etc/mosquitto/instored/acl", "DIR/instored.acl")
        .replace("/etc/mosquitto/instored/", "DIR/");
    let rules = read("config/mosquitto/instored.acl")
        // The accounts of the first box have no access to this second box.
        + "\nuser box-elsewhere\ntopic write instored/elsewhere/#\ntopic read instored/elsewhere/cmd/+\n";
    Mosquitto::start_with(&lines, |folder| {
        write_certificates(folder, "the shop");
        std::fs::write(folder.join("instored.acl"), rules).expect("a temporary folder is writable");
    })
}

/// Returns the command of an MQTT client with the certificate of this account.
fn client(broker: &Mosquitto, program: &str, account: &str) -> Command {
    let file = |name: String| broker.folder().join(name).into_os_string();
    let mut command = Command::new(program);
    command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &broker.port.to_string()]);
    command.args(["-i", account, "--cafile"]).arg(file("ca.pem".to_owned()));
    command.arg("--cert").arg(file(format!("{account}.pem")));
    command.arg("--key").arg(file(format!("{account}.key")));
    command
}

/// Returns true if the broker accepts a message of this account.
fn can_publish(broker: &Mosquitto, account: &str, topic: &str) -> bool {
    let mut command = client(broker, "mosquitto_pub", account);
    command.args(["-t", topic, "-m", "{}", "-d"]);
    let finished = Process::start(&mut command, "mosquitto-clients").wait();
    // Reason code 0x87 (135) of the acknowledgement means not authorised.
    let output = finished.stdout + &finished.stderr;
    assert!(output.contains("PUBACK"), "{account} {topic}: {output}");
    !output.contains("RC:135") && !output.to_lowercase().contains("not authorized")
}

/// Returns the topic of each message that this account receives within a second. Retained messages
/// are included.
fn received_topics(broker: &Mosquitto, account: &str, filter: &str) -> Vec<String> {
    let mut command = client(broker, "mosquitto_sub", account);
    command.args(["-t", filter, "-W", "1", "-F", "%t"]);
    let finished = Process::start(&mut command, "mosquitto-clients").wait();
    finished.stdout.lines().map(str::to_owned).collect()
}

/// Creates a box with this account's certificate from `folder`.
fn box_with_certificate(broker: &Mosquitto, account: &str, folder: &Path) -> TestBox {
    let portrait = repository_path("crates/simulation/portraits/person_a_1.jpg");
    let mut test_box = TestBox::new(broker.port, &format!("scene:{}", portrait.display()));
    test_box.set("INSTORED_MQTT_TLS", "true");
    test_box.set("INSTORED_MQTT_CA_FILE", broker.folder().join("ca.pem"));
    test_box.set("INSTORED_MQTT_CLIENT_CERT", folder.join(format!("{account}.pem")));
    test_box.set("INSTORED_MQTT_CLIENT_KEY", folder.join(format!("{account}.key")));
    test_box
}

#[test]
fn sample_rules_limit_each_account_to_its_topics() {
    let broker = start_broker();
    let test_box = box_with_certificate(&broker, "box-entrance", broker.folder());
    let daemon = test_box.start();
    daemon.wait_for_log("connected to the MQTT broker");
    // The second box has a retained state.
    let mut second_box = client(&broker, "mosquitto_pub", "box-elsewhere");
    second_box.args(["-t", "instored/elsewhere/state", "-r", "-m", "{}"]);
    assert_eq!(Process::start(&mut second_box, "mosquitto-clients").wait().code, Some(0));

    // The display receives events of its own box only.
    let topics = received_topics(&broker, "display-entrance", "instored/+/#");
    for leaf in ["availability", "key", "state"] {
        assert!(topics.contains(&format!("instored/entrance/{leaf}")), "{topics:?}");
    }
    assert!(!topics.iter().any(|topic| topic.contains("elsewhere")), "{topics:?}");
    assert_eq!(received_topics(&broker, "till-entrance", "#"), ["instored/entrance/availability"]);
    let discovery = received_topics(&broker, "homeassistant", "homeassistant/#");
    assert_eq!(discovery, ["homeassistant/device/instored_entrance/config"]);

    for (account, topic, is_allowed) in [
        ("display-entrance", "instored/entrance/cmd/not-me", true),
        ("display-entrance", "instored/entrance/visit", false),
        ("display-entrance", "instored/entrance/key", false),
        ("display-entrance", "instored/entrance/cmd/order", false),
        ("display-entrance", "instored/elsewhere/cmd/not-me", false),
        ("till-entrance", "instored/entrance/cmd/order", true),
        ("till-entrance", "instored/entrance/cmd/forget", false),
        ("till-entrance", "instored/entrance/visit", false),
        ("till-entrance", "homeassistant/device/instored_entrance/config", false),
        ("display-entrance", "instored/entrance/cmd/agree", true),
        ("till-entrance", "instored/entrance/cmd/agree", false),
        ("homeassistant", "instored/entrance/cmd/enrol", false),
        ("homeassistant", "instored/entrance/cmd/agree", false),
        ("homeassistant", "instored/entrance/cmd/present", false),
        ("box-elsewhere", "instored/entrance/visit", false),
    ] {
        assert_eq!(can_publish(&broker, account, topic), is_allowed, "{account} {topic}");
    }

    // A till receives responses on the topics with its name, and nobody else's.
    let mut request = client(&broker, "mosquitto_rr", "till-entrance");
    request.args(["-t", "instored/entrance/cmd/present", "-n", "-W", "30"]);
    request.args(["-e", "instored/entrance/reply/till-entrance/orders"]);
    let response = Process::start(&mut request, "mosquitto-clients").wait();
    let response: Value = serde_json::from_str(&response.stdout).expect("a response");
    assert!(response["present"].is_array(), "{response}");
    let log = daemon.stop().stderr;
    assert!(!log.contains("access rules"), "{log}");
    assert_eq!(json!(received_topics(&broker, "till-entrance", "instored/+/reply/#")), json!([]));
}

#[test]
fn missing_or_wrong_certificate_is_rejected_with_reason() {
    let broker = start_broker();
    let mut anonymous = Command::new("mosquitto_sub");
    anonymous.args(["-V", "5", "-h", "127.0.0.1", "-p", &broker.port.to_string(), "--cafile"]);
    anonymous.arg(broker.folder().join("ca.pem")).args(["-t", "#", "-W", "2", "-F", "%t"]);
    let finished = Process::start(&mut anonymous, "mosquitto-clients").wait();
    assert!(finished.code != Some(0) && finished.stdout.is_empty(), "{finished:?}");

    let foreign = tempfile::tempdir().expect("a temporary folder");
    write_certificates(foreign.path(), "another shop");
    let wrong_client = box_with_certificate(&broker, "box-entrance", foreign.path());
    let daemon = wrong_client.start();
    let line = daemon.wait_for_log("no connection to the MQTT broker");
    assert_contains(&line, &["TLS failed", "UnknownCA", "client_cert"]);
    daemon.stop();

    let mut wrong_authority = box_with_certificate(&broker, "box-entrance", broker.folder());
    wrong_authority.set("INSTORED_MQTT_CA_FILE", foreign.path().join("ca.pem"));
    let daemon = wrong_authority.start();
    let line = daemon.wait_for_log("no connection to the MQTT broker");
    assert_contains(&line, &["TLS failed", "invalid peer certificate", "ca_file"]);
    daemon.stop();
}
