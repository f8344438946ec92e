//! Guarantees of the types: no embedding without a purpose, no enrolment without a consent.
//!
//! If a newer compiler changes its messages, `TRYBUILD=overwrite` updates the expected ones.

// This module compiles, which proves that the others fail for the reason in their names.
mod with_purpose_and_consent;

#[test]
fn misuse_of_purpose_and_consent_does_not_compile() {
    let _ = (with_purpose_and_consent::embed as fn(_, _, _) -> _, with_purpose_and_consent::enrol);
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/embedding_without_a_purpose.rs");
    cases.compile_fail("ui/purpose_made_up.rs");
    cases.compile_fail("ui/enrolment_without_a_consent.rs");
    cases.compile_fail("ui/consent_made_up.rs");
}
