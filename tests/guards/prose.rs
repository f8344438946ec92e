//! Check of the first lines of doc comments: no headless clauses, and a verb first for functions.

use crate::sources::rust_sources;

/// First words of a headless clause.
const HEADLESS: [&str; 12] = [
    "What", "Whatever", "Who", "Whoever", "Whom", "Whose", "Whether", "How", "Where", "When",
    "Which", "Why",
];

/// First line of a doc comment, and the documented item.
struct Summary {
    /// Path and line number.
    place: String,
    text: String,
    /// First code line after the comment and the attributes; empty for module documentation.
    item: String,
}

fn summaries() -> Vec<Summary> {
    let mut summaries = Vec::new();
    for (path, text) in rust_sources() {
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(marker) = ["///", "//!"].into_iter().find(|m| line.starts_with(m)) else {
                continue;
            };
            if at > 0 && lines[at - 1].starts_with(marker) {
                continue;
            }
            let item = lines[at..].iter().find(|line| {
                !line.starts_with("//") && !line.starts_with("#[") && !line.is_empty()
            });
            summaries.push(Summary {
                place: format!("{path}:{}", at + 1),
                text: line[3..].trim().to_owned(),
                item: if marker == "///" { item.unwrap_or(&"").to_string() } else { String::new() },
            });
        }
    }
    assert!(summaries.len() > 1000, "only {} doc comments found", summaries.len());
    summaries
}

fn is_headless(text: &str) -> bool {
    let first = text.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    HEADLESS.contains(&first) || text.starts_with("Of what") || text.starts_with("Of which")
}

fn is_function(item: &str) -> bool {
    let words = ["pub", "async", "const", "unsafe", "extern", "fn"];
    let mut parts = item.split([' ', '(']).filter(|part| !part.is_empty());
    parts.by_ref().take_while(|part| words.contains(part) || part.ends_with(')')).any(|p| p == "fn")
}

fn starts_with_verb(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    first.starts_with(char::is_uppercase) && first.trim_end_matches([',', '.']).ends_with('s')
}

/// Returns places and texts of the summaries that `is_wrong` selects.
fn wrong_summaries(is_wrong: impl Fn(&Summary) -> bool) -> Vec<String> {
    let found = summaries().into_iter().filter(|summary| is_wrong(summary));
    found.map(|Summary { place, text, .. }| format!("{place}: {text}")).collect()
}

#[test]
fn summary_is_not_a_headless_clause() {
    let found = wrong_summaries(|summary| is_headless(&summary.text));
    assert!(found.is_empty(), "{} headless summaries:\n{}", found.len(), found.join("\n"));
}

#[test]
fn function_summary_begins_with_verb() {
    let found = wrong_summaries(|s| is_function(&s.item) && !starts_with_verb(&s.text));
    assert!(found.is_empty(), "{} summaries without a verb:\n{}", found.len(), found.join("\n"));
}

#[test]
fn planted_summaries_are_classified() {
    assert!(is_headless("What is shown of a customer."));
    assert!(is_headless("Of what this is a backup."));
    assert!(!is_headless("Whole picture."));
    assert!(is_function("pub(super) async fn run("));
    assert!(is_function("const fn side<T>() -> u32 {"));
    assert!(!is_function("pub struct Frame {"));
    assert!(starts_with_verb("Returns the side, in pixels."));
    assert!(!starts_with_verb("The side, in pixels."));
}
