//! The domain and the vault, built for fuzzing.

#[path = "../src/domain/mod.rs"]
pub mod domain;
#[path = "../src/vault/mod.rs"]
pub mod vault;
