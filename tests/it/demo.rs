//! Scenario of `instored demo`.

use std::time::Duration;

use serde_json::Value;

use crate::support::assert_contains;
use crate::support::box_permit::acquire;
use crate::support::process::Finished;
use crate::support::test_box::{program, start, start_demo};

/// Maximum time of the scenario. It takes half a minute on two idle cores.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(600);

/// Runs the scenario at full speed, with JSON output and a folder for its temporary files.
pub fn run_once(folder: &std::path::Path, environment: &[(&str, &str)]) -> Finished {
    let _permit = acquire();
    let mut command = program();
    command.args(["demo", "--once", "--json"]).env("TMPDIR", folder);
    start(command.envs(environment.iter().copied())).wait_within(SCENARIO_TIMEOUT)
}

/// Returns a text that must not be empty. `name` names it in the failure message.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{name}: {value}"))
}

/// Returns the events about customers, with the customer's id.
fn customer_events(messages: &[Value]) -> Vec<(&str, &str)> {
    messages
        .iter()
        .filter_map(|message| {
            let payload = &message["payload"];
            let customer = match payload["event"].as_str()? {
                "done" | "arrived" => &payload["customer"]["id"],
                "withdrawn" => &payload["customer"],
                _ => return None,
            };
            Some((payload["event"].as_str()?, text(customer, "a customer's id")))
        })
        .collect()
}

#[test]
fn demo_greets_enrolled_customers_only() {
    let folder = tempfile::tempdir().unwrap();
    let finished = run_once(folder.path(), &[("INSTORED_LOG", "trace")]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let messages: Vec<Value> = finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
        .collect();

    let events = customer_events(&messages);
    let enrolled: Vec<_> =
        events.iter().filter(|event| event.0 == "done").map(|event| event.1).collect();
    let &[first, second] = &enrolled[..] else { panic!("not two enrolments: {events:?}") };
    assert_ne!(first, second);
    assert_eq!(
        events,
        [
            ("done", first),
            ("done", second),
            ("arrived", first),
            ("arrived", second),
            ("arrived", first),
            ("withdrawn", first),
        ]
    );

    let greetings = messages.iter().map(|m| &m["payload"]).filter(|p| p["event"] == "arrived");
    for (greeting, name) in greetings.zip(["Alex", "Bea", "Alex"]) {
        assert_eq!(greeting["customer"]["name"], name);
        assert!(greeting["orders"].as_array().is_some_and(|o| !o.is_empty()), "{greeting}");
        let recommendations = greeting["recommendations"].as_array().unwrap();
        assert!(!recommendations.is_empty(), "{greeting}");
        assert!(!finished.stderr.contains(name), "the log contains {name}");
        for recommendation in recommendations {
            let product = text(&recommendation["name"], "a product's name");
            assert!(!finished.stderr.contains(product), "the log contains {product}");
            text(&recommendation["reason"], "a recommendation's reason");
        }
    }

    // Counters are the only published data about templates and embeddings.
    let published = finished.stdout.replace("\"refused_templates\":0", "");
    let published = published.replace("\"embeddings\":{\"enrolment\":", "").to_lowercase();
    for secret in ["score", "embedding", "template", "cosine", "similarity", "confidence"] {
        assert!(!published.contains(secret), "`{secret}` is published");
    }
    let remaining: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(remaining.is_empty(), "remaining files: {remaining:?}");
}

#[test]
fn demo_without_recognition_fails_with_missing_event() {
    let folder = tempfile::tempdir().unwrap();
    let finished = run_once(folder.path(), &[("INSTORED_RECOGNITION_THRESHOLD", "0.99")]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert_contains(&finished.stderr, &["Alex stood in view for", "without a greeting"]);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

#[test]
fn stopped_demo_leaves_no_files() {
    let _permit = acquire();
    let folder = tempfile::tempdir().unwrap();
    let (demo, url) = start_demo(folder.path());
    assert_contains(&url, &["http://127.0.0.1:"]);
    demo.stdout.wait_for("The box: thank you!");
    let finished = demo.terminate();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    let remaining: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(remaining.is_empty(), "remaining files: {remaining:?}");
}
