//! Templates: read at start and after each change, written by enrolling alone.

use redb::ReadableTable;

use crate::domain::Template;

use super::Vault;
use super::customers::whose;
use super::error::VaultError;
use super::loaded::{Loaded, Refused};
use super::record::Seal;
use super::schema::{TEMPLATES, template_sequence};

impl Vault {
    /// Every template, by customer and sequence.
    ///
    /// # Errors
    /// When the vault cannot be read; a template that does not verify is refused by itself.
    pub fn templates(&self) -> Result<Loaded<Template>, VaultError> {
        self.storage.read(|txn| {
            let mut loaded = Loaded::default();
            for entry in txn.open_table(TEMPLATES)?.iter()? {
                let (key, value) = entry?;
                loaded.push(read_template(&self.seal, key.value(), value.value()));
            }
            Ok(loaded)
        })
    }
}

pub(super) fn read_template(seal: &Seal, key: &[u8], value: &[u8]) -> Result<Template, Refused> {
    seal.verify(key, value).map_err(|fault| {
        let which = template_sequence(key).map_or_else(String::new, |n| format!(" {n}"));
        Refused::person(format!("template{which} of {}", whose(key)), &fault)
    })
}
