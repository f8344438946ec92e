use instored_domain::{ClaimCode, Customer, Embedding, ModelId};
use instored_vault::{NewEnrolment, Vault};

fn enrol(vault: &Vault, model: &ModelId, customer: &Customer, claim: ClaimCode, face: Embedding) {
    let claim_expires = customer.enrolled;
    let _ = vault.enrol(&NewEnrolment { model, embeddings: &[face], claim, claim_expires, consent_text: "", announcement: b"", is_clock_confirmed: true });
}

fn main() {}
