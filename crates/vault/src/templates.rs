//! Reading of all templates, from which recognition builds its gallery.

use instored_domain::Template;

use crate::account::Reader;
use crate::error::{TransactionError, VaultError};
use crate::manifest::MultisetHash;
use crate::record::BatchVerifier;
use crate::record_error::RecordError;
use crate::record_key::{RecordKind, numbered_name, record_parts, record_range};
use crate::schema::{RECORDS, Rows};
use crate::vault::Vault;
use crate::verified::{Rejected, Verified};

impl Vault {
    /// Visits every verified template, sorted by customer, and returns the rejected records.
    ///
    /// The vault does not collect the templates, so the caller decides how much memory they need.
    /// Signatures are verified in batches. The record indexes are verified against the manifest.
    /// `visit` must not call the vault.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn for_each_template(
        &self,
        mut visit: impl FnMut(Template),
    ) -> Result<Vec<Rejected>, VaultError> {
        self.read(|reader| visit_templates(reader, &mut visit))
    }

    /// Returns every template, sorted by customer and sequence.
    ///
    /// # Errors
    /// Same as [`Vault::for_each_template`].
    pub fn templates(&self) -> Result<Verified<Template>, VaultError> {
        let mut records = Vec::new();
        let rejected = self.for_each_template(|template| records.push(template))?;
        Ok(Verified { records, rejected })
    }
}

/// Visits the templates of one state of the vault.
pub(crate) fn visit_templates(
    reader: &Reader<'_, impl Rows>,
    visit: &mut dyn FnMut(Template),
) -> Result<Vec<Rejected>, TransactionError> {
    let mut rejected = Vec::new();
    let mut invalid = Vec::new();
    let mut batch = BatchVerifier::new();
    let mut hash = MultisetHash::default();
    let mut has_unreadable = false;
    let mut on_verified = |result: Result<(), RecordError>, template: Template| match result {
        Ok(()) => visit(template),
        Err(error) => invalid.push((template.customer, template.sequence, error)),
    };
    reader.accounts(|account| {
        let account = match account {
            Ok(account) => account,
            Err(rejection) => {
                has_unreadable = true;
                rejected.push(rejection);
                return Ok(());
            }
        };
        hash.add(reader.index_element(&account));
        let (from, to) = record_range(account.id, RecordKind::Template, RecordKind::Template);
        let mut missing: Vec<_> = account.index.names(RecordKind::Template).collect();
        reader.rows.rows(RECORDS, &from, Some(&to), &mut |key, row| {
            let Some((kind, name)) = record_parts(key) else { return Ok(()) };
            missing.retain(|listed| *listed != name);
            let keys = &reader.derived_keys;
            let read = account.signed_message(keys, kind, &name, row).and_then(|signed| {
                let template = keys.signers.trusted.decode(account.id, &signed)?;
                Ok((template, signed))
            });
            match read {
                Ok((template, signed)) => batch.push(signed, template, &mut on_verified),
                Err(error) => rejected.push(Rejected::record(account.id, kind, &name, &error)),
            }
            Ok(())
        })?;
        rejected.extend(missing.iter().map(|name| {
            Rejected::record(account.id, RecordKind::Template, name, &RecordError::Missing)
        }));
        Ok(())
    })?;
    batch.verify_pending(&mut on_verified);
    rejected.extend(invalid.into_iter().map(|(id, sequence, error)| {
        Rejected::record(id, RecordKind::Template, &numbered_name(sequence), &error)
    }));
    rejected.extend(check_hash(reader, hash, has_unreadable)?);
    Ok(rejected)
}

/// Compares the manifest's hash with `hash` over the readable record indexes, and returns a
/// rejection if they differ. The comparison is skipped if an index is unreadable.
pub(crate) fn check_hash(
    reader: &Reader<'_, impl Rows>,
    mut hash: MultisetHash,
    has_unreadable: bool,
) -> Result<Option<Rejected>, TransactionError> {
    reader.add_tombstones(&mut hash)?;
    Ok((!has_unreadable && hash != reader.manifest.hash).then(|| {
        Rejected::vault(
            "the vault as a whole",
            "its manifest was signed over other records: a customer was removed, added or set back \
             to an older state, or a tombstone of a forgotten customer is missing",
        )
    }))
}
