//! Check that the tests that the document of promises names exist.

use crate::markdown::{code_spans, documents};
use crate::sources::rust_sources;

/// Document of promises.
const DOCUMENT: &str = "docs/reliability.md";

#[test]
fn reliability_document_names_existing_tests() {
    let sources: String = rust_sources().into_iter().map(|(_, text)| text).collect();
    let document = documents().into_iter().find(|document| document.path == DOCUMENT);
    let document = document.expect("the document of promises is listed in the repository");
    let rows = document.text.lines().filter(|line| line.starts_with("| "));
    let tests: Vec<_> = rows
        .filter_map(|row| row.trim_end_matches('|').rsplit(" | ").next())
        .flat_map(code_spans)
        // File names and commands are no tests.
        .filter(|name| !name.contains(['.', ' ']))
        .collect();
    assert!(tests.len() > 15, "{tests:?}");
    let missing: Vec<_> =
        tests.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{DOCUMENT} names tests that do not exist: {missing:?}");
}
