//! Guarantees of the types: no embedding without a purpose, no customer in the vault without a
//! consent. After an update of the compiler, `TRYBUILD=overwrite` rewrites the expected messages.

// This module compiles. The programs in `ui` therefore fail only because of the purpose or consent.
mod with_purpose_and_consent;

#[test]
fn forbidden_programs_do_not_compile() {
    let _ = (with_purpose_and_consent::embed as fn(_, _, _) -> _, with_purpose_and_consent::enrol);
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/embedding_without_a_purpose.rs");
    cases.compile_fail("ui/purpose_outlives_window.rs");
    cases.compile_fail("ui/enrolment_without_a_consent.rs");
    cases.compile_fail("ui/consent_made_up.rs");
}
