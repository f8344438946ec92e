//! Backup: one state of the vault in a file that is encrypted with a passphrase and signed by the
//! box. The vault can be used while the backup is written.

use std::io::Write;

use instored_domain::{BoxId, ConsentTextHash, CustomerId, Product};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::account::{Account, Reader};
use crate::audit::{AuditAction, AuditContext};
use crate::catalogue;
use crate::encrypted_file::{EncryptingWriter, Passphrase};
use crate::error::{TransactionError, VaultError};
use crate::record::cbor;
use crate::record_key::{RecordKind, RecordName, record_key};
use crate::schema::{CONSENT_TEXTS, PRODUCTS, RECORDS, Rows, TOMBSTONES, aad};
use crate::vault::Vault;
use crate::verified::Rejected;

pub(crate) const FORMAT: u8 = 1;
/// Additional data of the signature at the end of a backup.
pub(crate) const SIGNATURE_AAD: &[u8] = b"backup\0";

/// Item of a backup, stored with its length as a prefix. The order of items is: header, tombstones,
/// products, consent texts, each customer followed by the customer's records, end.
#[derive(Serialize, Deserialize)]
pub(crate) enum Item {
    #[serde(rename = "Head")]
    Header(Header),
    Tombstone(RecordName),
    Product(Product),
    ConsentText(String),
    Customer(CustomerId),
    Record {
        #[serde(rename = "slot")]
        kind: u8,
        name: RecordName,
        /// `COSE_Sign1` of the record, as the vault stores it before encryption.
        signed: ciborium::Value,
    },
    /// `COSE_Sign1` over the SHA-256 of all items before it.
    End(ciborium::Value),
}

/// Header of a backup.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u8,
    #[serde(rename = "box")]
    pub(crate) box_id: BoxId,
    /// Public keys that signed the records. The first key signed the backup.
    pub(crate) signers: Vec<[u8; 32]>,
    /// Time of the backup.
    pub(crate) at: Timestamp,
    /// Number of changes since the vault was created.
    pub(crate) changes: u64,
}

/// Content of a backup.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackupSummary {
    /// Number of customers.
    pub customers: u64,
    /// Number of the customers' records.
    pub records: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// A message for each record that could not be read and is not in the backup.
    pub left_out: Vec<String>,
}

impl Vault {
    /// Writes a backup of the vault to `to`. Records that do not verify are left out and listed.
    ///
    /// The backup does not contain customers who were forgotten earlier. It still contains
    /// customers who are forgotten later, so keep it no longer than the shop has promised. It does
    /// not contain outgoing messages, because a restore must not send them again. See also
    /// [`Vault::restore`].
    ///
    /// # Errors
    /// If `to` cannot be written or the vault cannot be read.
    pub fn backup(
        &self,
        to: &mut impl Write,
        passphrase: &Passphrase,
        context: AuditContext,
    ) -> Result<BackupSummary, VaultError> {
        let file = EncryptingWriter::new(to, passphrase)?;
        let summary = self.read(|reader| {
            let mut writer = BackupWriter {
                file,
                digest: Sha256::new(),
                customers: 0,
                records: 0,
                left_out: Vec::new(),
            };
            writer.write_all(reader, context.at)?;
            Ok(writer.write_end(reader)?)
        })?;
        self.write(context, |transaction| {
            transaction.audit(AuditAction::BackedUp, summary.records, None);
            Ok(())
        })?;
        Ok(summary)
    }
}

struct BackupWriter<'w, W> {
    file: EncryptingWriter<'w, W>,
    digest: Sha256,
    customers: u64,
    records: u64,
    left_out: Vec<String>,
}

impl<W: Write> BackupWriter<'_, W> {
    fn write_all(
        &mut self,
        reader: &Reader<'_, impl Rows>,
        at: Timestamp,
    ) -> Result<(), TransactionError> {
        let trusted = &reader.derived_keys.signers.trusted;
        self.write_item(&Item::Header(Header {
            format: FORMAT,
            box_id: trusted.box_id.clone(),
            signers: trusted.keys.iter().map(|key| key.to_bytes()).collect(),
            at,
            changes: reader.manifest.changes,
        }))?;
        reader.rows.rows(TOMBSTONES, &[], None, &mut |key, _| {
            if let Ok(tombstone) = key.try_into() {
                self.write_item(&Item::Tombstone(tombstone))?;
            }
            Ok(())
        })?;
        reader.rows.rows(PRODUCTS, &[], None, &mut |key, row| {
            match catalogue::decode(&reader.derived_keys.catalogue, key, row) {
                Ok(product) => self.write_item(&Item::Product(product))?,
                Err(rejected) => self.left_out.push(rejected.to_string()),
            }
            Ok(())
        })?;
        reader.rows.rows(CONSENT_TEXTS, &[], None, &mut |hash, text| {
            // A changed text has another hash.
            if let Ok(text) = str::from_utf8(text)
                && ConsentTextHash::of(text).as_bytes() == hash
            {
                self.write_item(&Item::ConsentText(text.to_owned()))?;
            }
            Ok(())
        })?;
        reader.accounts(|account| match account {
            Ok(account) => self.write_account(reader, &account),
            Err(rejected) => {
                self.left_out.push(rejected.to_string());
                Ok(())
            }
        })
    }

    fn write_account(
        &mut self,
        reader: &Reader<'_, impl Rows>,
        account: &Account,
    ) -> Result<(), TransactionError> {
        let trusted = &reader.derived_keys.signers.trusted;
        self.write_item(&Item::Customer(account.id))?;
        self.customers += 1;
        let records = account.index.entries().filter(|(kind, _)| *kind != RecordKind::Outgoing);
        for (kind, name) in records {
            let key = record_key(account.id, kind, &name);
            let row = reader.rows.row(RECORDS, &key)?.unwrap_or_default();
            let signed = account.unseal(kind, &name, &row).and_then(|signed| {
                trusted.verify_payload(&aad(RECORDS, &key), &signed)?;
                Ok(signed)
            });
            match signed {
                Ok(signed) => {
                    let signed = ciborium::Value::Bytes(signed.to_vec());
                    self.write_item(&Item::Record { kind: kind as u8, name, signed })?;
                    self.records += 1;
                }
                Err(error) => {
                    let rejected = Rejected::record(account.id, kind, &name, &error);
                    self.left_out.push(rejected.to_string());
                }
            }
        }
        Ok(())
    }

    fn write_item(&mut self, item: &Item) -> Result<(), VaultError> {
        let bytes = length_prefixed(item)?;
        self.digest.update(&bytes);
        self.file.write(&bytes)
    }

    /// Writes the signed end and the last segment.
    fn write_end(mut self, reader: &Reader<'_, impl Rows>) -> Result<BackupSummary, VaultError> {
        let digest = self.digest.finalize();
        let signed = reader.derived_keys.signers.sign_payload(SIGNATURE_AAD, &digest)?;
        let end = Item::End(ciborium::Value::Bytes(signed.to_vec()));
        self.file.write(&length_prefixed(&end)?)?;
        let bytes = self.file.write_last_segment()?;
        let Self { customers, records, left_out, .. } = self;
        Ok(BackupSummary { customers, records, bytes, left_out })
    }
}

/// Encodes an item, prefixed with its length (u32, big-endian).
pub(crate) fn length_prefixed(item: &Item) -> Result<Vec<u8>, VaultError> {
    let body = cbor(item)?;
    let length = u32::try_from(body.len()).map_err(|e| VaultError::Encode(e.to_string()))?;
    Ok([length.to_be_bytes().as_slice(), &body].concat())
}
