//! Templates: read at start, written by enrolling alone.

use instored_domain::Template;

use super::Vault;
use super::account::Reader;
use super::error::{Fault, VaultError};
use super::fault::RecordFault;
use super::loaded::{Loaded, Refused};
use super::manifest::{Sum, roll_element};
use super::record::Batch;
use super::schema::{RECORDS, Rows};
use super::slot::{Slot, numbered, record_parts, record_range};

impl Vault {
    /// Shows every template that holds, by customer, without keeping them: at a hundred thousand
    /// their memory is the caller's alone. Signatures are verified in batches, and the customers'
    /// rolls against the manifest; what is refused is given back. `visit` must not call the vault.
    ///
    /// # Errors
    /// When the vault cannot be read; a template that does not verify is refused by itself.
    pub fn for_each_template(
        &self,
        mut visit: impl FnMut(Template),
    ) -> Result<Vec<Refused>, VaultError> {
        self.read(|reader| load(reader, &mut visit))
    }

    /// Every template, by customer and sequence.
    ///
    /// # Errors
    /// As [`Vault::for_each_template`].
    pub fn templates(&self) -> Result<Loaded<Template>, VaultError> {
        let mut good = Vec::new();
        let refused = self.for_each_template(|template| good.push(template))?;
        Ok(Loaded { good, refused })
    }
}

/// The same for one state of the vault.
pub(super) fn load(
    reader: &Reader<'_, impl Rows>,
    visit: &mut dyn FnMut(Template),
) -> Result<Vec<Refused>, Fault> {
    let mut refused = Vec::new();
    let mut batch = Batch::new();
    let mut sum = Sum::default();
    let mut unreadable = false;
    let mut done = |verified: Result<(), RecordFault>, read: Template| match verified {
        Ok(()) => visit(read),
        Err(fault) => refused.push((read.customer, read.sequence, fault)),
    };
    let mut broken = Vec::new();
    reader.accounts(|account| {
        let account = match account {
            Ok(account) => account,
            Err(fault) => {
                unreadable = true;
                broken.push(fault);
                return Ok(());
            }
        };
        sum.add(roll_element(&reader.ring.sums, account.id, &account.roll.to_bytes()));
        let (from, to) = record_range(account.id, Slot::Template, Slot::Template);
        let mut missing: Vec<_> = account.roll.names(Slot::Template).collect();
        reader.rows.rows(RECORDS, &from, Some(&to), &mut |key, row| {
            let Some((slot, name)) = record_parts(key) else { return Ok(()) };
            missing.retain(|listed| *listed != name);
            let read = account.signed(&reader.ring, (slot, &name), row).and_then(|signed| {
                Ok((reader.ring.signers.trust.read(account.id, &signed)?, signed))
            });
            match read {
                Ok((template, signed)) => batch.push(signed, template, &mut done),
                Err(f) => broken.push(Refused::record(account.id, slot, &name, &f)),
            }
            Ok(())
        })?;
        broken.extend(
            missing.iter().map(|name| {
                Refused::record(account.id, Slot::Template, name, &RecordFault::Missing)
            }),
        );
        Ok(())
    })?;
    batch.finish(&mut done);
    broken.extend(refused.into_iter().map(|(id, sequence, fault)| {
        Refused::record(id, Slot::Template, &numbered(sequence), &fault)
    }));
    broken.extend(check_sum(reader, sum, unreadable)?);
    Ok(broken)
}

/// What is wrong with the vault as a whole, given the sum over the rolls that could be opened.
/// While one cannot be opened, `unreadable`, nothing can be said of the sum.
pub(super) fn check_sum(
    reader: &Reader<'_, impl Rows>,
    mut sum: Sum,
    unreadable: bool,
) -> Result<Option<Refused>, Fault> {
    reader.add_tombstones(&mut sum)?;
    Ok((!unreadable && sum != reader.manifest.sum).then(|| {
        Refused::vault(
            "the vault as a whole",
            "its manifest was signed over other records: a customer was removed, added or put \
             back to an older state, or a note that somebody was forgotten is missing",
        )
    }))
}
