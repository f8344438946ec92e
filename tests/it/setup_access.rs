//! Rights of every client with the set-up of `instored setup`: exactly the documented tables.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::support::http::request;
use crate::support::process::Process;
use crate::support::repository_path;
use crate::support::set_up::{AUDITORS, CLIENTS, SetUp};
use crate::support::test_box::{program, run};

/// Clients without an account.
const ANONYMOUS: &str = "(anonymous)";
const WRONG_PASSWORD: &str = "(wrong password)";
/// Seconds in which a subscriber receives all retained messages.
const RECEPTION_SECONDS: &str = "8";

/// Topic filters of an account.
#[derive(Default)]
struct Rights {
    sends: Vec<String>,
    receives: Vec<String>,
}

/// Returns the rights of each account in the documented table.
fn documented_rights() -> BTreeMap<String, Rights> {
    let document = std::fs::read_to_string(repository_path("docs/integration.md")).unwrap();
    let (_, table) = document.split_once("| Account | Sends to | Receives from |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with("| "));
    let filters = |cell: &str| {
        let spans = cell.split('`').skip(1).step_by(2);
        let resolve = |topic: &str| match topic.starts_with("homeassistant/") {
            true => topic.to_owned(),
            false => format!("instored/entrance/{topic}"),
        };
        spans.map(resolve).collect()
    };
    let rights = |row: &str| {
        let cells: Vec<_> = row.split('|').collect();
        let account = cells[1].trim().trim_matches('`').to_owned();
        (account, Rights { sends: filters(cells[2]), receives: filters(cells[3]) })
    };
    let mut table: BTreeMap<_, _> = rows.map(rights).collect();
    assert_eq!(table.len(), 6, "{:?}", table.keys());
    table.insert(ANONYMOUS.to_owned(), Rights::default());
    table.insert(WRONG_PASSWORD.to_owned(), Rights::default());
    table
}

/// Returns true if an MQTT topic filter matches a topic.
fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        match (part, levels.next()) {
            ("#", _) => return true,
            (_, None) => return false,
            ("+", Some(_)) => {}
            (part, Some(level)) if part == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Returns every topic of the interface, and neighbours of these topics.
fn topics(accounts: impl Iterator<Item = String>) -> BTreeSet<String> {
    let printed = run(program().args(["config", "asyncapi"]));
    let document: Value = serde_json::from_str(&printed.stdout).expect("a document");
    let channels = document["channels"].as_object().expect("channels").values();
    let addresses: Vec<_> =
        channels.filter_map(|channel| channel["address"].as_str().map(str::to_owned)).collect();
    assert!(addresses.len() > 15, "{addresses:?}");
    let mut topics = BTreeSet::new();
    for box_name in ["entrance", "elsewhere"] {
        topics.extend(addresses.iter().map(|address| address.replace("{box}", box_name)));
        topics.extend(addresses.iter().map(|a| a.replace("{box}", box_name) + "/below"));
    }
    for account in accounts {
        topics.insert(format!("instored/entrance/reply/{account}"));
        topics.insert(format!("instored/entrance/reply/{account}/1/2"));
        topics.insert(format!("instored/elsewhere/reply/{account}"));
    }
    let others = [
        "homeassistant/device/instored_elsewhere/config",
        "homeassistant/device/instored_entrance/config",
        "homeassistant/light/lamp/set",
        "homeassistant/status",
        "instored",
        "instored/entrance",
        "instored/entrance/cmd",
        "instored/entrance/cmd/unknown",
        "instored/entrance/reply",
        "instored/entrance/unknown",
        "something/else",
    ];
    topics.extend(others.map(str::to_owned));
    topics
}

/// Returns the command of an MQTT client as an account, or as a client without one.
fn client(set_up: &SetUp, program: &str, name: &str) -> Command {
    match name {
        ANONYMOUS => set_up.anonymous_client(program),
        WRONG_PASSWORD => {
            let mut command = set_up.anonymous_client(program);
            command.args(["-u", "display-entrance", "-P", "wrong"]);
            command
        }
        account => set_up.client(program, account),
    }
}

/// Sends a message to a topic. Returns true if the broker acknowledges it.
fn send(set_up: &SetUp, name: &str, topic: &str, options: &[&str]) -> bool {
    let mut command = client(set_up, "mosquitto_pub", name);
    command.args(["-t", topic, "-m", name]).args(options);
    Process::start(&mut command, CLIENTS).wait().code == Some(0)
}

/// Asserts that what is possible is exactly what is documented.
fn assert_equal(documented: BTreeSet<(String, String)>, possible: BTreeSet<(String, String)>) {
    let excess: Vec<_> = possible.difference(&documented).collect();
    let missing: Vec<_> = documented.difference(&possible).collect();
    assert!(
        excess.is_empty() && missing.is_empty(),
        "possible, but not documented: {excess:#?}\ndocumented, but not possible: {missing:#?}"
    );
}

#[test]
fn accounts_send_to_documented_topics_only() {
    let mut set_up = SetUp::start(&[]);
    set_up.add_auditors();
    let rights = documented_rights();
    let topics = topics(rights.keys().filter(|name| !name.starts_with('(')).cloned());
    let [auditor, second_auditor] = AUDITORS;
    let mut command = set_up.client("mosquitto_sub", auditor);
    let auditor = Process::start(command.args(["-t", "#", "-F", "%p %t"]), CLIENTS);
    // The first message that the auditor receives shows that its subscription is active.
    while !auditor.stdout.text_so_far().contains("audit/start") {
        assert!(send(&set_up, second_auditor, "audit/start", &[]));
    }
    std::thread::scope(|threads| {
        for name in rights.keys() {
            let (set_up, topics) = (&set_up, &topics);
            threads.spawn(move || {
                for topic in topics {
                    send(set_up, name, topic, &[]);
                }
            });
        }
    });
    assert!(send(&set_up, second_auditor, "audit/end", &[]));
    auditor.stdout.wait_for("audit/end");
    let text = auditor.stdout.text_so_far();
    let messages = text.lines().filter(|line| !line.contains(" audit/"));
    let possible = messages.map(|line| {
        // The names of clients without an account contain spaces.
        let (name, topic) = line.rsplit_once(' ').expect("name and topic");
        (name.to_owned(), topic.to_owned())
    });
    let possible = possible.collect();
    let documented = pairs(&rights, &topics, |rights| &rights.sends);
    assert!(documented.len() > 30, "{documented:?}");
    assert_equal(documented, possible);
}

#[test]
fn accounts_receive_documented_topics_only() {
    let mut set_up = SetUp::start(&[]);
    set_up.add_auditors();
    let rights = documented_rights();
    let topics = topics(rights.keys().filter(|name| !name.starts_with('(')).cloned());
    let [auditor, second_auditor] = AUDITORS;
    for topic in &topics {
        assert!(send(&set_up, second_auditor, topic, &["-r"]), "{topic}");
    }
    let receive = |name: &str| {
        let mut command = client(&set_up, "mosquitto_sub", name);
        command.args(["-t", "#", "-t", "$SYS/#", "-W", RECEPTION_SECONDS, "-F", "%t"]);
        let received = Process::start(&mut command, CLIENTS).wait().stdout;
        received.lines().map(|topic| (name.to_owned(), topic.to_owned())).collect::<Vec<_>>()
    };
    let possible = std::thread::scope(|threads| {
        let names = rights.keys().map(String::as_str).chain([auditor]);
        let running: Vec<_> = names.map(|name| threads.spawn(|| receive(name))).collect();
        let received = running.into_iter().flat_map(|thread| thread.join().expect("received"));
        received.collect::<BTreeSet<_>>()
    });
    // The auditor receives everything, the topics of the broker included.
    let (audited, possible): (BTreeSet<_>, _) =
        possible.into_iter().partition(|(name, _)| name == auditor);
    let audited: BTreeSet<_> = audited.into_iter().map(|(_, topic)| topic).collect();
    assert!(audited.contains("$SYS/broker/version") && audited.is_superset(&topics), "{audited:?}");
    let documented = pairs(&rights, &topics, |rights| &rights.receives);
    assert!(documented.len() > 30, "{documented:?}");
    assert_equal(documented, possible);
}

/// Returns each client with each topic that the documented filters match.
fn pairs(
    rights: &BTreeMap<String, Rights>,
    topics: &BTreeSet<String>,
    filters: impl Fn(&Rights) -> &Vec<String>,
) -> BTreeSet<(String, String)> {
    let all =
        rights.iter().flat_map(|(name, rights)| topics.iter().map(move |t| (name, rights, t)));
    all.filter(|(_, rights, topic)| filters(rights).iter().any(|filter| matches(filter, topic)))
        .map(|(name, _, topic)| (name.clone(), topic.clone()))
        .collect()
}

#[test]
fn client_without_account_is_rejected() {
    let set_up = SetUp::start(&["--remote", "127.0.0.1"]);
    let authority = set_up.path("etc/mosquitto/instored/ca.pem").display().to_string();
    let tls = ["-p", &set_up.tls_port.to_string(), "--cafile", &authority];
    let right = set_up.password("till-entrance");
    let wrong = set_up.password("display-entrance");
    for (options, is_accepted) in [
        (&["-u", "till-entrance", "-P", &right][..], true),
        (&["-u", "till-entrance", "-P", &wrong], false),
        (&["-u", "till-entrance", "-P", ""], false),
        (&["-u", "till-entrance"], false),
        (&["-u", "nobody", "-P", &right], false),
        (&["-u", "nobody"], false),
        (&["-i", "till-entrance"], false),
        (&[], false),
    ] {
        for listener in [&[][..], &tls] {
            let mut client = set_up.anonymous_client("mosquitto_sub");
            client.args(["-t", "x", "-E"]).args(options).args(listener);
            let finished = Process::start(&mut client, CLIENTS).wait();
            assert_eq!(
                finished.code == Some(0),
                is_accepted,
                "{options:?} {listener:?}: {finished:?}"
            );
        }
    }
}

#[test]
fn filters_match_as_in_mqtt() {
    for (filter, topic, is_match) in [
        ("a/b", "a/b", true),
        ("a/b", "a/b/c", false),
        ("a/b/c", "a/b", false),
        ("a/+", "a/b", true),
        ("a/+", "a/b/c", false),
        ("a/#", "a", true),
        ("a/#", "a/b/c", true),
        ("a/#", "b", false),
    ] {
        assert_eq!(matches(filter, topic), is_match, "{filter} {topic}");
    }
}

/// Returns the routes of the page: method and path.
fn routes() -> BTreeSet<(&'static str, String)> {
    let source = std::fs::read_to_string(repository_path("crates/display/src/server.rs")).unwrap();
    let declared: Vec<_> = source
        .split(".route(\"")
        .skip(1)
        .map(|rest| rest.split_once("\", ").expect("a path and a handler"))
        .collect();
    assert!(declared.len() >= 9, "{declared:?}");
    let mut routes = BTreeSet::new();
    for (path, handler) in declared {
        let method = if handler.starts_with("post(") { "POST" } else { "GET" };
        match path {
            "/{file}" => {
                let folder = repository_path("crates/display/src/page");
                for entry in std::fs::read_dir(folder).unwrap() {
                    let entry = entry.unwrap();
                    if entry.path().is_file() {
                        let name = entry.file_name().into_string().unwrap();
                        routes.insert((method, format!("/{name}")));
                    }
                }
                routes.insert((method, "/no-such-file".to_owned()));
            }
            path => {
                let path = path.replace("{tag}", "en").replace("{code}", "10ZC-M79Y");
                assert!(!path.contains('{'), "an unknown parameter: {path}");
                routes.insert((method, path));
            }
        }
    }
    routes.insert(("GET", "/no/such/route".to_owned()));
    routes
}

#[test]
fn page_routes_need_the_token() {
    let set_up = SetUp::start(&[]);
    let (_display, page) = set_up.start_display();
    let token = set_up.read("etc/instored/page-token").trim_end().to_owned();
    let json = "Content-Type: application/json".to_owned();
    let foreign_host = "Host: shop.example.org".to_owned();
    let foreign_origin = "Origin: https://evil.example.org".to_owned();
    let cookie = |token: &str| format!("Cookie: token={token}");
    let wrong = "0".repeat(32);
    let routes = routes();
    assert!(routes.len() > 20, "{routes:?}");
    for (method, path) in &routes {
        let body = match path.as_str() {
            "/ask" => r#"{"verb":"present"}"#,
            "/touch" => r#"{"customer":"00000000-0000-4000-8000-000000000001"}"#,
            _ => "",
        };
        let status = |path: &str, headers: &[&String]| {
            let headers: Vec<_> = headers.iter().map(|line| (*line).clone()).collect();
            request(&page, method, path, &headers, body).status
        };
        let route = format!("{method} {path}");
        for headers in [
            vec![&json],
            vec![&json, &cookie(&wrong)],
            vec![&json, &cookie("")],
            vec![&json, &foreign_host],
            vec![&json, &foreign_host, &cookie(&wrong)],
        ] {
            assert_eq!(status(path, &headers), 403, "{route} {headers:?}");
        }
        assert_eq!(status(&format!("{path}?token={wrong}"), &[&json]), 403, "{route}");
        assert_eq!(status(&format!("{path}?token={token}"), &[&json]), 303, "{route}");
        // With the token, the route answers. The page may not send `present`.
        let expected = match (path.as_str(), *method) {
            ("/ask", _) => 403,
            ("/touch", _) => 204,
            ("/no-such-file" | "/no/such/route", _) => 404,
            _ => 200,
        };
        let with_token = request(&page, method, path, &[json.clone(), cookie(&token)], body);
        assert_eq!(with_token.status, expected, "{route}: {with_token:?}");
        if path == "/ask" {
            assert!(with_token.body.contains("the page may not send"), "{with_token:?}");
        }
        let with_host = status(path, &[&json, &cookie(&token), &foreign_host]);
        assert_eq!(with_host, expected, "{route} with the token and another host");
        if *method == "POST" {
            let cross_site = status(path, &[&json, &cookie(&token), &foreign_origin]);
            assert_eq!(cross_site, 403, "{route} from another site");
        }
    }
}

#[test]
fn page_without_token_serves_this_machine_only() {
    let set_up = SetUp::start(&[]);
    let mut command = set_up.program(["display", "--listen", "127.0.0.1:0"]);
    command.envs(set_up.environment("instored-display")).env_remove("INSTORED_DISPLAY_TOKEN_FILE");
    let display = crate::support::test_box::start(&mut command);
    let (_, page) = display.stderr.find(0, "the page's address", crate::support::test_box::url_in);
    for (method, path) in routes() {
        let headers = ["Host: shop.example.org".to_owned()];
        assert_eq!(request(&page, method, &path, &headers, "{}").status, 403, "{method} {path}");
    }
    assert_eq!(request(&page, "GET", "/", &[], "").status, 200);
}
