//! Backing up: everything in the vault at one moment, in a file that opens with a passphrase alone
//! and that this box signed. Made while the vault is in use.

use std::io::Write;

use instored_domain::{BoxId, CustomerId, Product};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Vault;
use super::account::{Account, Reader};
use super::audit::{Act, Done};
use super::catalogue::check_out;
use super::error::{Fault, VaultError};
use super::loaded::Refused;
use super::passphrase_stream::{Passphrase, Sealing};
use super::record::cbor;
use super::schema::{PRODUCTS, RECORDS, Rows, TOMBSTONES, place};
use super::slot::{Name, record_key};

pub(super) const FORMAT: u8 = 1;
/// What the signature at the end is over, beside the digest.
pub(super) const SIGNED_AT: &[u8] = b"backup\0";

/// What lies in a backup, one after the other, each behind its length: the head, tombstones and
/// products, then each customer followed by their records, and the signature over all that.
#[derive(Serialize, Deserialize)]
pub(super) enum Item {
    Head(Head),
    Tombstone(Name),
    Product(Product),
    Customer(CustomerId),
    Record {
        slot: u8,
        name: Name,
        /// The `COSE_Sign1` that the vault holds, not sealed.
        signed: ciborium::Value,
    },
    /// A `COSE_Sign1` over the SHA-256 of everything before.
    End(ciborium::Value),
}

/// Of what this is a backup.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) format: u8,
    #[serde(rename = "box")]
    pub(super) box_id: BoxId,
    /// The public keys with which records are signed; the first one signed the backup.
    pub(super) signers: Vec<[u8; 32]>,
    pub(super) at: Timestamp,
    /// Changes of the vault until then.
    pub(super) changes: u64,
}

/// What a backup holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackedUp {
    /// Customers.
    pub customers: u64,
    /// Records of theirs.
    pub records: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// What could not be read and is not in the backup, a sentence each.
    pub left_out: Vec<String>,
}

impl Vault {
    /// Writes a backup of this moment's state to `to`. What does not verify is left out and named.
    ///
    /// Whoever was forgotten before is not in it. Whoever is forgotten afterwards still is: keep
    /// backups no longer than you promise to, and see [`Vault::restore`].
    ///
    /// # Errors
    /// When `to` or the vault fails.
    pub fn backup(
        &self,
        to: &mut impl Write,
        passphrase: &Passphrase,
        act: Act,
    ) -> Result<BackedUp, VaultError> {
        let sealing = Sealing::new(to, passphrase)?;
        let done = self.read(|reader| {
            let mut items = Items {
                sealing,
                digest: Sha256::new(),
                customers: 0,
                records: 0,
                left_out: vec![],
            };
            items.all(reader, act.at)?;
            Ok(items.finish(reader)?)
        })?;
        self.change(act, |change| {
            change.note(Done::BackedUp, done.records, None);
            Ok(())
        })?;
        Ok(done)
    }
}

struct Items<'w, W> {
    sealing: Sealing<'w, W>,
    digest: Sha256,
    customers: u64,
    records: u64,
    left_out: Vec<String>,
}

impl<W: Write> Items<'_, W> {
    fn all(&mut self, reader: &Reader<'_, impl Rows>, at: Timestamp) -> Result<(), Fault> {
        let trust = &reader.ring.signers.trust;
        self.put(&Item::Head(Head {
            format: FORMAT,
            box_id: trust.box_id.clone(),
            signers: trust.keys.iter().map(|key| key.to_bytes()).collect(),
            at,
            changes: reader.manifest.changes,
        }))?;
        reader.rows.rows(TOMBSTONES, &[], None, &mut |key, _| {
            if let Ok(tombstone) = key.try_into() {
                self.put(&Item::Tombstone(tombstone))?;
            }
            Ok(())
        })?;
        reader.rows.rows(PRODUCTS, &[], None, &mut |key, row| {
            match check_out(&reader.ring.catalogue, key, row) {
                Ok(product) => self.put(&Item::Product(product))?,
                Err(refused) => self.left_out.push(refused.to_string()),
            }
            Ok(())
        })?;
        reader.accounts(|account| match account {
            Ok(account) => self.account(reader, &account),
            Err(refused) => {
                self.left_out.push(refused.to_string());
                Ok(())
            }
        })
    }

    fn account(&mut self, reader: &Reader<'_, impl Rows>, account: &Account) -> Result<(), Fault> {
        self.put(&Item::Customer(account.id))?;
        self.customers += 1;
        for (slot, name) in account.roll.entries() {
            let key = record_key(account.id, slot, &name);
            let row = reader.rows.row(RECORDS, &key)?.unwrap_or_default();
            let signed = account.unsealed((slot, &name), &row).and_then(|signed| {
                reader.ring.signers.trust.verify_payload(&place(RECORDS, &key), &signed)?;
                Ok(signed)
            });
            match signed {
                Ok(signed) => {
                    let signed = ciborium::Value::Bytes(signed.to_vec());
                    self.put(&Item::Record { slot: slot as u8, name, signed })?;
                    self.records += 1;
                }
                Err(fault) => {
                    self.left_out.push(Refused::record(account.id, slot, &name, &fault).to_string())
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, item: &Item) -> Result<(), VaultError> {
        let bytes = framed(item)?;
        self.digest.update(&bytes);
        self.sealing.write(&bytes)
    }

    fn finish(mut self, reader: &Reader<'_, impl Rows>) -> Result<BackedUp, VaultError> {
        let digest = self.digest.finalize();
        let signed = reader.ring.signers.sign_payload(SIGNED_AT, &digest)?;
        self.sealing.write(&framed(&Item::End(ciborium::Value::Bytes(signed.to_vec())))?)?;
        let bytes = self.sealing.finish()?;
        let Self { customers, records, left_out, .. } = self;
        Ok(BackedUp { customers, records, bytes, left_out })
    }
}

/// An item behind its length, 32 bits, big-endian.
pub(super) fn framed(item: &Item) -> Result<Vec<u8>, VaultError> {
    let body = cbor(item)?;
    let length = u32::try_from(body.len()).map_err(|e| VaultError::Encode(e.to_string()))?;
    Ok([length.to_be_bytes().as_slice(), &body].concat())
}
