//! Migration of a vault from format 2 to format 3, in one commit.
//!
//! Format 3 lists the time of each order in the record indexes, adds the tags of their rows instead of
//! whole indexes to the manifest's hash, and has the table of outgoing messages. Records keep their
//! signatures.

use instored_domain::{CustomerId, Order};

use crate::account::{Account, open_key};
use crate::derived_keys::DerivedKeys;
use crate::error::{TransactionError, VaultError};
use crate::manifest::{Manifest, index_element, index_element_of_format_2};
use crate::record::SignedRecord;
use crate::record_index::{RecordIndex, row_tag};
use crate::record_key::{RecordKind, leading_customer, numbered_name, record_key};
use crate::schema::{ACCOUNTS, MANIFEST_KEY, META, RECORDS, Rows, upgrade};
use crate::storage::{Commit, JournaledTransaction, Storage};
use crate::symmetric_key::SymmetricKey;

/// Migrates a vault of format 2.
pub(crate) fn migrate(
    storage: &Storage,
    keys: &DerivedKeys,
    key_encryption_key: &SymmetricKey,
) -> Result<(), VaultError> {
    storage.write(|tx| {
        let mut manifest = Manifest::read(tx, &keys.manifest)?;
        let mut accounts = Vec::new();
        tx.rows(ACCOUNTS, &[], None, &mut |key, row| {
            if let Some(id) = leading_customer(key)
                && let Ok(key) = open_key(key_encryption_key, id, row)
            {
                accounts.push((id, key));
            }
            Ok(())
        })?;
        for (id, key) in accounts {
            migrate_index(tx, keys, &mut manifest, id, key)?;
        }
        upgrade(tx.redb())?;
        manifest.changes += 1;
        tx.put(META, MANIFEST_KEY, &manifest.seal(&keys.manifest, &keys.signers)?)?;
        Ok(((), Commit::Yes))
    })
}

/// Adds the times of a customer's orders to the record index. An index that cannot be read stays as it
/// is, and its customer stays rejected.
fn migrate_index(
    tx: &JournaledTransaction,
    keys: &DerivedKeys,
    manifest: &mut Manifest,
    id: CustomerId,
    key: SymmetricKey,
) -> Result<(), TransactionError> {
    let mut account = Account::new(id, key, RecordIndex::default());
    let index_key = record_key(id, RecordKind::Index, &numbered_name(0));
    let Some(row) = tx.row(RECORDS, &index_key)? else { return Ok(()) };
    let Ok(old) = account.open(&index_key, &row) else { return Ok(()) };
    let Ok(index) = RecordIndex::from_bytes_of_format_2(&old) else { return Ok(()) };
    account.index = index;
    let names: Vec<_> = account.index.names(RecordKind::Order).collect();
    for name in names {
        let row = tx.row(RECORDS, &record_key(id, RecordKind::Order, &name))?;
        if let Some(row) = row
            && let Ok(signed) = account.signed_message(keys, RecordKind::Order, &name, &row)
            && let Ok(order) = keys.signers.trusted.decode::<Order>(id, &signed)
        {
            account.index.insert(RecordKind::Order, name, &row, order.time());
        }
    }
    let row = account.seal(&index_key, &account.index.to_bytes())?;
    manifest.hash.remove(index_element_of_format_2(&keys.multiset_hash, id, &old));
    manifest.hash.add(index_element(&keys.multiset_hash, id, &row_tag(&row)));
    tx.put(RECORDS, &index_key, &row)
}
