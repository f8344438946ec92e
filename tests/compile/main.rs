//! What the types promise: no embedding without a purpose, nobody in the vault without a consent.

#[test]
fn what_must_not_be_written_does_not_compile() {
    let cases = trybuild::TestCases::new();
    // That these compile shows that the others fail for the reason that they name.
    cases.pass("ui/with_purpose_and_consent.rs");
    cases.compile_fail("ui/embedding_without_a_purpose.rs");
    cases.compile_fail("ui/purpose_made_up.rs");
    cases.compile_fail("ui/enrolment_without_a_consent.rs");
    cases.compile_fail("ui/consent_made_up.rs");
}
