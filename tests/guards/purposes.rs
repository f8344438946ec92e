//! Check of the places that create the purpose of an embedding.

use crate::sources::rust_sources;

/// Source prefixes with the number of calls that each contains: an enrolment in progress, an open
/// recognition window, and measurements on pictures that the operator brings.
const CREATORS: [(&str, usize); 4] = [
    ("crates/evaluate/src/", 2),
    ("crates/recognition/src/enrolment", 1),
    ("crates/recognition/src/", 1),
    ("crates/vision/", 2),
];

#[test]
fn purpose_is_created_at_listed_places_only() {
    let mut calls = [0; CREATORS.len()];
    for (path, text) in rust_sources() {
        if path.starts_with("tests/compile/") || path.starts_with("tests/guards/") {
            continue;
        }
        let count = text.matches("Purpose::enrolment(").count()
            + text.matches("Purpose::recognition(").count();
        if count > 0 {
            let creator = CREATORS.iter().position(|(prefix, _)| path.starts_with(prefix));
            calls[creator.unwrap_or_else(|| panic!("{path} creates a purpose"))] += count;
        }
    }
    assert_eq!(calls, CREATORS.map(|(_, count)| count), "calls at {CREATORS:?}");
}
