//! Messages that the troubleshooting document quotes are messages of the program.

use crate::markdown::{code_spans, documents};
use crate::sources::rust_sources;

/// First columns of tables whose code spans quote the program.
const QUOTING: [&str; 3] = ["| log line |", "| `doctor` line |", "| error message |"];

/// Returns the text with string literals that span lines joined, and escaped quotes plain.
fn joined(text: &str) -> String {
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
        if QUOTING.iter().any(|column| header.starts_with(column)) {
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

/// Returns the quotes of which a part, between ellipses, is in no source.
fn unknown(quotes: Vec<(usize, String)>, sources: &str) -> Vec<String> {
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
        .map(|(_, text)| joined(&text))
        .collect();
    let unknown = unknown(quotes, &sources.concat());
    assert!(unknown.is_empty(), "{} unknown quotes:\n{}", unknown.len(), unknown.join("\n"));
}

#[test]
fn check_rejects_planted_quote() {
    let text = "| Log line | Cause |\n|---|---|\n| `no … here` | `not quoted` |\n\n| `prose` | |\n";
    let quotes = quotes(text);
    assert_eq!(quotes, [(3, "no … here".to_owned())]);
    assert!(unknown(quotes.clone(), &joined("\"no camera \\\n   here\"")).is_empty());
    assert_eq!(unknown(quotes, "no").len(), 1);
}
