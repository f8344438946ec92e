//! The demonstration: the whole story, with everything real but camera and button.

use std::time::Duration;

use serde_json::Value;

use crate::support::assert_says;
use crate::support::entrance::{program, start};
use crate::support::process::Ended;
use crate::support::serial::turn;

/// Half a minute of work for two cores, with room for a slow and busy machine.
const WHOLE_STORY: Duration = Duration::from_secs(600);

/// Plays it as fast as it goes, with a folder of its own for temporary files.
pub fn played(folder: &std::path::Path, settings: &[(&str, &str)]) -> Ended {
    let _turn = turn();
    let mut command = program();
    command.args(["demo", "--once", "--json"]).env("TMPDIR", folder);
    start(command.envs(settings.iter().copied())).wait_for(WHOLE_STORY)
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{what}: {value}"))
}

/// What the story is about: (what happened, to whom).
fn beats(messages: &[Value]) -> Vec<(&str, &str)> {
    messages
        .iter()
        .filter_map(|message| {
            let payload = &message["payload"];
            let who = match payload["event"].as_str()? {
                "done" | "arrived" => &payload["customer"]["id"],
                "withdrawn" => &payload["customer"],
                _ => return None,
            };
            Some((payload["event"].as_str()?, text(who, "a customer's id")))
        })
        .collect()
}

#[test]
fn customers_who_opted_in_are_greeted_strangers_are_not_and_who_withdraws_is_a_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let ended = played(folder.path(), &[("INSTORED_LOG", "trace")]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let messages: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
        .collect();

    let beats = beats(&messages);
    let enrolled: Vec<_> = beats.iter().filter(|b| b.0 == "done").map(|b| b.1).collect();
    let &[first, second] = &enrolled[..] else { panic!("not two enrolments: {beats:?}") };
    assert_ne!(first, second);
    assert_eq!(
        beats,
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
        assert!(!ended.stderr.contains(name), "the log says {name}");
        for recommendation in recommendations {
            let product = text(&recommendation["name"], "a product's name");
            assert!(!ended.stderr.contains(product), "the log says {product}");
            text(&recommendation["reason"], "a recommendation's reason");
        }
    }

    // Counts are the one thing said of templates and embeddings.
    let said = ended.stdout.replace("\"refused_templates\":0", "");
    let said = said.replace("\"embeddings\":{\"enrolment\":", "").to_lowercase();
    for secret in ["score", "embedding", "template", "cosine", "similarity", "confidence"] {
        assert!(!said.contains(secret), "`{secret}` is said on the bus");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn a_story_in_which_nobody_is_recognised_fails_and_says_what_was_missing() {
    let folder = tempfile::tempdir().unwrap();
    let ended = played(folder.path(), &[("INSTORED_RECOGNITION_THRESHOLD", "0.99")]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_says(&ended.stderr, &["Alex stood there for", "the greeting did not come"]);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn a_demonstration_that_is_stopped_midway_ends_well_and_leaves_nothing_behind() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["demo", "--listen", "127.0.0.1:0"]).env("TMPDIR", folder.path());
    let demo = start(&mut command);
    assert_says(&demo.stdout.expect("Watch it on"), &["http://127.0.0.1:"]);
    demo.stdout.expect("The box: welcome!");
    let ended = demo.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
