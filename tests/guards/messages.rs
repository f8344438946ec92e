//! Check that the program contains the messages that the troubleshooting document quotes.

use crate::markdown::{code_spans, documents};
use crate::sources::rust_sources;

/// Headers of first columns whose code spans quote messages of the program.
const QUOTING_COLUMNS: [&str; 3] = ["| log line |", "| `doctor` line |", "| error message |"];

/// Joins string literals that span several lines, and replaces escaped quotation marks.
fn join_literals(text: &str) -> String {
    let mut joined = String::new();
    for line in text.lines() {
        match line.strip_suffix('\\') {
            Some(line) => joined += line.trim_start(),
            None => {
                joined += line.trim_start();
                joined.push('\n');
            }
        }
    }
    joined.replace("\\\"", "\"")
}

/// Returns the quotes of the troubleshooting document, with their line numbers.
fn quotes(text: &str) -> Vec<(usize, String)> {
    let mut is_quoting = false;
    let mut quotes = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let header = line.to_lowercase();
        if QUOTING_COLUMNS.iter().any(|column| header.starts_with(column)) {
            is_quoting = true;
        } else if !line.starts_with('|') {
            is_quoting = false;
        } else if is_quoting {
            let first = line[1..].split(" | ").next().unwrap_or_default();
            quotes.extend(code_spans(first).into_iter().map(|span| (at + 1, span)));
        }
    }
    quotes
}

/// Returns the quotes that `sources` does not contain. The parts between ellipses are searched
/// separately.
fn unknown_quotes(quotes: Vec<(usize, String)>, sources: &str) -> Vec<String> {
    let is_unknown = |quote: &str| {
        quote.split('…').map(str::trim).any(|part| !part.is_empty() && !sources.contains(part))
    };
    let unknown = quotes.into_iter().filter(|(_, quote)| is_unknown(quote));
    unknown.map(|(line, quote)| format!("docs/troubleshooting.md:{line}: `{quote}`")).collect()
}

#[test]
fn quoted_messages_are_in_sources() {
    let documents = documents();
    let document = documents.iter().find(|d| d.path == "docs/troubleshooting.md").unwrap();
    let quotes = quotes(&document.text);
    assert!(quotes.len() > 20, "only {} quotes found", quotes.len());
    let sources: Vec<_> = rust_sources()
        .into_iter()
        .filter(|(path, _)| path.starts_with("src/") || path.starts_with("crates/"))
        .map(|(_, text)| join_literals(&text))
        .collect();
    let unknown = unknown_quotes(quotes, &sources.concat());
    assert!(unknown.is_empty(), "{} unknown quotes:\n{}", unknown.len(), unknown.join("\n"));
}

#[test]
fn planted_quote_is_reported() {
    let text = "| Log line | Cause |\n|---|---|\n| `no … here` | `not quoted` |\n\n| `prose` | |\n";
    let quotes = quotes(text);
    assert_eq!(quotes, [(3, "no … here".to_owned())]);
    assert!(unknown_quotes(quotes.clone(), &join_literals("\"no camera \\\n   here\"")).is_empty());
    assert_eq!(unknown_quotes(quotes, "no").len(), 1);
}
