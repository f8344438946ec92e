//! What the types promise: no embedding without a purpose, nobody in the vault without a consent.
//! When a newer compiler words its refusals otherwise, `TRYBUILD=overwrite` takes them down anew.

// That this compiles shows that the others fail for the reason that they name.
mod with_purpose_and_consent;

#[test]
fn what_must_not_be_written_does_not_compile() {
    let _ = (with_purpose_and_consent::embed as fn(_, _, _) -> _, with_purpose_and_consent::enrol);
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/embedding_without_a_purpose.rs");
    cases.compile_fail("ui/purpose_made_up.rs");
    cases.compile_fail("ui/enrolment_without_a_consent.rs");
    cases.compile_fail("ui/consent_made_up.rs");
}
