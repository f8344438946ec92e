//! The programs in `ui`, with a valid purpose and a valid consent.

use instored_domain::{ClaimCode, Consent, Embedding, ModelId};
use instored_imaging::Picture;
use instored_vault::{NewEnrolment, Vault};
use instored_vision::{Embedder, Purpose};

pub fn embed(embedder: &Embedder, face: &Picture, purpose: &Purpose<'_>) -> Option<Embedding> {
    embedder.embed(face, purpose).ok()?
}

pub fn enrol(vault: &Vault, model: &ModelId, consent: &Consent, claim: ClaimCode, face: Embedding) {
    let claim_expires = consent.given;
    let _ = vault.enrol(&NewEnrolment {
        consent,
        consent_text: "",
        model,
        embeddings: &[face],
        claim,
        claim_expires,
        announcement: b"",
        is_clock_confirmed: true,
    });
}
