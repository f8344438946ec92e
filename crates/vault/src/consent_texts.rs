//! Consent texts, by their hash. They contain no personal data and are stored in plain text. A text is
//! kept after its last customer is deleted.
//!
//! The hash in a signed consent identifies the text: a changed text has another hash and is rejected.

use instored_domain::ConsentTextHash;

use crate::error::{TransactionError, VaultError};
use crate::schema::{CONSENT_TEXTS, Rows};
use crate::vault::Vault;
use crate::write_transaction::WriteTransaction;

impl Vault {
    /// Returns the consent text with this hash, or `None` if the text is not stored or was changed.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn consent_text(&self, hash: &ConsentTextHash) -> Result<Option<String>, VaultError> {
        self.read(|reader| {
            let row = reader.rows.row(CONSENT_TEXTS, hash.as_bytes())?;
            let text = row.and_then(|row| String::from_utf8(row).ok());
            Ok(text.filter(|text| ConsentTextHash::of(text) == *hash))
        })
    }
}

/// Stores a text, unless it is stored already.
pub(crate) fn put(transaction: &WriteTransaction<'_>, text: &str) -> Result<(), TransactionError> {
    let hash = ConsentTextHash::of(text);
    let row = transaction.tx().row(CONSENT_TEXTS, hash.as_bytes())?;
    if row.is_some_and(|row| row == text.as_bytes()) {
        return Ok(());
    }
    transaction.tx().put(CONSENT_TEXTS, hash.as_bytes(), text.as_bytes())
}
