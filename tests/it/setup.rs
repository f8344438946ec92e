//! `instored setup`: the files, the services that use them, repetition and removal.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::request;
use crate::support::mosquitto::Mosquitto;
use crate::support::process::Process;
use crate::support::set_up::{CLIENTS, SetUp};
use crate::support::test_box::{TestBox, files, program, run, start, url_in};
use crate::support::{assert_contains, wait_until};

/// User without rights on this machine.
const NOBODY: &str = "65534";

/// Returns the content of every file of the machine.
fn contents(set_up: &SetUp) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).expect("a readable file"));
    files(set_up.folder()).into_iter().map(read).collect()
}

/// Returns a finding of the doctor.
fn finding(printed: &str, check: &str) -> Value {
    let findings: Vec<Value> = serde_json::from_str(printed).expect("findings");
    findings.into_iter().find(|finding| finding["what"] == check).expect("a finding")
}

#[test]
fn box_display_till_and_office_work_with_their_accounts() {
    let set_up = SetUp::start(&["--displays", "2"]);
    let mut command = set_up.client("mosquitto_sub", "homeassistant");
    let home = Process::start(command.args(["-t", "#", "-F", "%t"]), CLIENTS);
    let mut second_display = set_up.subscribe("display-entrance-2");
    let daemon = set_up.start_box();
    second_display.state("streaming", |state| state["camera"] == "streaming");

    // The box has a key now. The repeated set-up gives it to the display, and changes nothing else.
    let repeated = set_up.run(&[]);
    let drop_in = "etc/systemd/system/instored-display.service.d/setup.conf";
    assert_contains(&repeated.stdout, &["Written:", drop_in]);
    let key = set_up.test_box.run(["keys", "show", "--json"]).stdout;
    let key: Value = serde_json::from_str(&key).expect("a key");
    let key = key["ed25519"].as_str().expect("a key");
    assert_contains(&set_up.read(drop_in), &[&format!("INSTORED_DISPLAY_BOX_KEY={key}\n")]);
    assert!(set_up.run(&[]).stdout.contains("nothing was changed"));

    let (display, page) = set_up.start_display();
    let token = set_up.read("etc/instored/page-token").trim_end().to_owned();
    let opened = request(&page, "GET", &format!("/?token={token}"), &[], "");
    assert_eq!(opened.status, 303, "{opened:?}");
    assert_contains(&opened.head.to_lowercase(), &["httponly", "samesite=strict"]);
    let headers = [format!("Cookie: token={token}"), "Content-Type: application/json".to_owned()];
    let send = |body: Value| -> Value {
        let response = request(&page, "POST", "/ask", &headers, &body.to_string());
        serde_json::from_str(&response.body).unwrap_or_else(|e| panic!("{e}: {response:?}"))
    };
    let offered = send(json!({ "verb": "enrol" }));
    let agreed = send(json!({ "verb": "agree", "code": offered["offered"]["code"] }));
    assert_eq!(agreed, json!({ "enrolling": {} }), "{offered}");
    let done = second_display.enrolled();

    let products = json!({ "products": [{ "sku": "4002", "name": "Oat milk 1 l" }] });
    let catalogue = set_up.command("office-entrance", "catalogue", &products.to_string());
    assert_eq!(catalogue["catalogue"]["added"], 1, "{catalogue}");
    let order = json!({ "claim_code": done["claim_code"], "order": {
        "id": "T2-77", "placed": "2026-03-29T09:15:00+02:00", "currency": "EUR", "total": 398,
        "lines": [{ "sku": "4002", "name": "Oat milk 1 l", "quantity": 2, "unit_price": 199 }],
    }});
    let added = set_up.command("till-entrance", "order", &order.to_string());
    assert_eq!(added["order"]["added"], true, "{added}");
    second_display.visit("arrived");
    wait_until("the greeting on the page", || {
        let response = request(&page, "GET", "/events", &headers[..1], "");
        response.body.contains("T2-77").then_some(())
    });
    let received = home.stdout.wait_for("instored/entrance/presence");
    assert_eq!(received, "instored/entrance/presence");
    let received = home.stdout.text_so_far();
    assert_contains(&received, &["homeassistant/device/instored_entrance/config"]);
    assert!(!received.contains("visit") && !received.contains("enrolment"), "{received}");

    // The doctor has an account of its own, which does not end the connection of the box.
    let mut doctor = set_up.program(["doctor", "--json", "--prefix"]);
    doctor.arg(set_up.folder());
    doctor.env("INSTORED_DISPLAY_LISTEN", page.trim_start_matches("http://").trim_end_matches('/'));
    let printed = run(&mut doctor).stdout;
    assert_eq!(finding(&printed, "broker")["good"], true, "{printed}");
    let access = finding(&printed, "access");
    assert_eq!(access["warning"], Value::Null, "{access}");
    let says = access["says"].as_str().expect("text");
    assert_contains(says, &["the broker needs an account", "the page needs a token"]);

    assert_eq!(display.terminate().code, Some(0));
    let log = daemon.stop().stderr;
    assert!(
        !log.contains("no connection") && !log.contains("connection to the MQTT broker lost"),
        "{log}"
    );
}

#[test]
fn doctor_warns_of_anonymous_broker_and_open_page() {
    let broker = Mosquitto::start();
    let test_box = TestBox::with_visitor(&broker);
    let display = start(&mut test_box.command(["display", "--listen", "127.0.0.1:0"]));
    let (_, page) = display.stderr.find(0, "the page's address", url_in);
    let mut doctor = test_box.command(["doctor", "--json"]);
    doctor.env("INSTORED_DISPLAY_LISTEN", page.trim_start_matches("http://").trim_end_matches('/'));
    let access = finding(&run(&mut doctor).stdout, "access");
    assert_eq!((&access["good"], &access["warning"]), (&json!(true), &json!(true)), "{access}");
    let parts = ["broker accepts every program", "page is open", "sudo instored setup"];
    assert_contains(access["says"].as_str().expect("text"), &parts);
}

#[test]
fn doctor_uses_account_of_stopped_box() {
    let set_up = SetUp::start(&[]);
    let printed = set_up.doctor().stdout;
    assert_eq!(finding(&printed, "broker")["good"], true, "{printed}");
    // A wrong password of the box is a fault.
    set_up.write("etc/instored/accounts/box-entrance", "wrong\n");
    let printed = set_up.doctor().stdout;
    assert_eq!(finding(&printed, "broker")["good"], false, "{printed}");
}

#[test]
fn local_user_without_rights_reads_no_secret() {
    if !is_root() {
        println!("skipped: local_user_without_rights_reads_no_secret needs root");
        return;
    }
    let set_up = SetUp::start(&["--remote", "127.0.0.1"]);
    let daemon = set_up.start_box();
    daemon.wait_until_ready();
    // The temporary folders do not protect the files.
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("own folder");
    };
    open(set_up.folder());
    open(&set_up.test_box.path(""));
    let nobody_can = |script: &str, path: &Path| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "sh", "-c", script]);
        Process::start(command.arg("sh").arg(path), "util-linux").wait().code == Some(0)
    };
    let public = ["ca.pem", "instored.conf", "setup.conf", "mosquitto.conf", "broker.conf"];
    let mut secrets = 0;
    for path in files(set_up.folder()) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let in_closed_folder = name == "ca.pem" || path.starts_with(set_up.path("run"));
        let is_public = public.contains(&name) && !in_closed_folder;
        if !path.starts_with(set_up.path("run")) {
            assert_eq!(nobody_can("cat \"$1\"", &path), is_public, "{}", path.display());
        }
        secrets += usize::from(!is_public);
    }
    assert!(secrets >= 12, "{secrets}");
    // The public files name no secret.
    for unit in ["instored", "instored-display"] {
        let text = set_up.read(&format!("etc/systemd/system/{unit}.service.d/setup.conf"));
        for account in ["box-entrance", "display-entrance"] {
            assert!(!text.contains(&set_up.password(account)));
        }
        assert!(!text.contains(set_up.read("etc/instored/page-token").trim_end()));
    }
    assert!(!nobody_can("ls \"$1\"", &set_up.test_box.state_dir()));
    let socket = set_up.test_box.path("run/control.sock");
    assert!(socket.exists() && !nobody_can("test -r \"$1\" || test -w \"$1\"", &socket));
    for folder in [set_up.path("etc/instored/accounts"), set_up.path("etc/mosquitto/instored")] {
        assert!(!nobody_can("ls \"$1\"", &folder), "{}", folder.display());
    }
    // The broker knows no password either, only hashes.
    let hashes = set_up.read("etc/mosquitto/instored/passwords");
    assert!(
        !hashes.contains(&set_up.password("box-entrance")) && hashes.contains("box-entrance:$")
    );
}

/// Returns true if the tests run as root.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

#[test]
fn client_id_of_another_account_disconnects_nobody() {
    let set_up = SetUp::start(&[]);
    let mut display = set_up.subscribe("display-entrance");
    let daemon = set_up.start_box();
    display.availability("online");
    let mut till = set_up.client("mosquitto_pub", "till-entrance");
    till.args(["-i", "box-entrance", "-t", "instored/entrance/cmd/present", "-m", "{}"]);
    assert_eq!(Process::start(&mut till, CLIENTS).wait().code, Some(0));
    // The client id of the box, as the program itself sends it.
    for (id, user, password) in [
        ("instored-entrance", "till-entrance", set_up.password("till-entrance")),
        ("box-entrance", "box-entrance", "wrong".to_owned()),
        ("instored-entrance", "box-entrance", "wrong".to_owned()),
    ] {
        let mut client = set_up.anonymous_client("mosquitto_pub");
        client.args(["-i", id, "-u", user, "-P", &password, "-t", "x", "-m", "x"]);
        Process::start(&mut client, CLIENTS).wait();
    }
    let present = set_up.command("till-entrance", "present", "{}");
    assert_eq!(present, json!({ "present": [] }));
    let received = display.received();
    assert!(!received.iter().any(|message| message.payload == "offline"), "{received:?}");
    let log = daemon.stop().stderr;
    assert_eq!(log.matches("connected to the MQTT broker").count(), 1, "{log}");
}

#[test]
fn remote_clients_connect_with_tls_and_account_only() {
    let set_up = SetUp::start(&["--remote", "127.0.0.1", "--displays", "2"]);
    let daemon = set_up.start_box();
    daemon.wait_for_log("connected to the MQTT broker");
    let authority = set_up.path("etc/mosquitto/instored/ca.pem");
    let mut display = program();
    display.args(["display", "--listen", "127.0.0.1:0"]);
    display.env("INSTORED_MQTT_PORT", set_up.tls_port.to_string());
    display.env("INSTORED_MQTT_TLS", "true").env("INSTORED_MQTT_CA_FILE", &authority);
    display.env("INSTORED_MQTT_USERNAME", "display-entrance-2");
    let password = set_up.path("etc/instored/accounts/display-entrance-2");
    display.env("INSTORED_MQTT_PASSWORD_FILE", password);
    let display = start(&mut display);
    display.stderr.wait_for("connected to the MQTT broker");
    display.terminate();

    let connect = |options: &[&str]| {
        let mut client = Command::new("mosquitto_sub");
        client.args(["-V", "5", "-h", "127.0.0.1", "-t", "instored/entrance/availability"]);
        client.args(["-p", &set_up.tls_port.to_string(), "-C", "1", "-W", "5"]).args(options);
        Process::start(&mut client, CLIENTS).wait().stdout
    };
    let authority = authority.to_str().expect("a path");
    let password = set_up.password("till-entrance");
    let account = ["--cafile", authority, "-u", "till-entrance", "-P", &password];
    assert_eq!(connect(&account), "online");
    assert_eq!(connect(&account[..2]), "");
    assert_eq!(connect(&account[2..]), "", "without TLS");
    daemon.stop();

    // A further address gets a new certificate of the same authority.
    let before = std::fs::read(authority).expect("the authority");
    assert_eq!(set_up.run(&["--remote", "localhost"]).code, Some(0));
    assert_eq!(std::fs::read(authority).expect("the authority"), before);
    let mut set_up = set_up;
    set_up.start_broker();
    let mut client = set_up.client("mosquitto_sub", "till-entrance");
    client.args(["-h", "localhost", "-p", &set_up.tls_port.to_string(), "--cafile", authority]);
    client.args(["-t", "x", "-E"]);
    assert_eq!(
        Process::start(&mut client, CLIENTS).wait_within(Duration::from_secs(20)).code,
        Some(0)
    );
}

#[test]
fn setup_is_repeated_extended_and_undone() {
    let set_up = SetUp::prepare();
    let before = contents(&set_up);
    let first = set_up.run(&["--tills", "2"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let parts = ["till-entrance-2", "?token=", "homeassistant", "setup --undo"];
    assert_contains(&first.stdout, &parts);
    let files = contents(&set_up);
    let again = set_up.run(&[]);
    assert_contains(&again.stdout, &["nothing was changed", "till-entrance-2"]);
    assert_eq!(contents(&set_up), files);
    let undone = set_up.run(&["--undo"]);
    assert_eq!(undone.code, Some(0), "{}", undone.stderr);
    assert_eq!(contents(&set_up), before);
    assert_contains(&set_up.run(&["--undo"]).stdout, &["nothing to undo"]);
}

#[test]
fn setup_leaves_edited_and_foreign_files() {
    let set_up = SetUp::prepare();
    set_up.write("etc/mosquitto/conf.d/shop.conf", "# ours\nlistener 1884\n");
    let before = contents(&set_up);
    let refused = set_up.run(&[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert_contains(&refused.stderr, &["conf.d/shop.conf, line 2", "listener", "remove this line"]);
    assert_eq!(contents(&set_up), before);

    set_up.write("etc/mosquitto/conf.d/shop.conf", "# ours\n");
    assert_eq!(set_up.run(&[]).code, Some(0));
    let acl = set_up.read("etc/mosquitto/instored/acl") + "\nuser our-own\ntopic read #\n";
    set_up.write("etc/mosquitto/instored/acl", &acl);
    let refused = set_up.run(&["--tills", "2"]);
    assert_contains(&refused.stderr, &["instored/acl was changed", "move it away"]);
    let undone = set_up.run(&["--undo"]);
    assert_contains(&undone.stdout, &["kept ", "instored/acl: it was changed"]);
    assert_eq!(set_up.read("etc/mosquitto/instored/acl"), acl);
    assert!(!set_up.path("etc/mosquitto/conf.d/instored.conf").exists());
    assert!(set_up.path("etc/mosquitto/conf.d/shop.conf").exists());
}

#[test]
fn setup_of_another_broker_is_refused_with_reason() {
    let set_up = SetUp::prepare();
    for (name, value, parts) in [
        ("INSTORED_MQTT_HOST", "192.0.2.7", &["mqtt.host", "not this machine"][..]),
        ("INSTORED_MQTT_USERNAME", "me", &["mqtt.username is set"][..]),
    ] {
        let mut command = set_up.program(["setup", "--prefix"]);
        let refused = run(command.arg(set_up.folder()).env(name, value));
        assert_eq!(refused.code, Some(1), "{}", refused.stdout);
        assert_contains(&refused.stderr, parts);
    }
    let refused = set_up.run(&["--remote", "https://box"]);
    assert_contains(&refused.stderr, &["`https://box` is no IP address"]);
    let mut command = set_up.program(["setup", "--prefix"]);
    let refused = run(command.arg(set_up.folder()).env("PATH", "/nowhere"));
    // mosquitto is found in /usr/sbin, the program for passwords is not.
    assert_contains(&refused.stderr, &["mosquitto is not installed", "sudo apt install mosquitto"]);
    assert!(!set_up.path("etc/instored").exists());
}
