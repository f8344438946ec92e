//! Restoring a backup into a vault.
//!
//! Customers who are in the vault stay unchanged. Customers who were forgotten after the backup
//! stay forgotten. All other customers are restored under new keys.

use std::io::Read;

use data_encoding::HEXLOWER;
use ed25519_dalek::VerifyingKey;
use instored_domain::{Consent, Customer, CustomerId, Order, Product, Template};
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::audit::{AuditAction, AuditContext};
use crate::backup::{FORMAT, Header, Item, SIGNATURE_AAD};
use crate::catalogue;
use crate::codes;
use crate::consent_texts;
use crate::encrypted_file::{DecryptingReader, Passphrase};
use crate::error::{TransactionError, VaultError};
use crate::record::{Claim, ReplacedOrder, SignedMessage, SignedRecord, TrustedSigners};
use crate::record_error::RecordError;
use crate::record_key::{RecordKind, RecordName, customer_key, numbered_name, record_key};
use crate::schema::{ORDER_IDS, PRODUCTS, RECORDS, Rows, TOMBSTONES, aad};
use crate::signing_key::key_id;
use crate::vault::Vault;
use crate::write_transaction::{WriteTransaction, tombstone};

/// Maximum length of an item in bytes. An order of ten thousand line items is shorter.
const ITEM_LENGTH_MAX: u32 = 16 << 20;

/// Outcome of a restore.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RestoreSummary {
    /// Number of restored customers.
    pub customers: u64,
    /// Number of customers who are in the vault and stayed unchanged.
    pub present: u64,
    /// Number of customers who were forgotten after the backup and stay forgotten.
    pub forgotten: u64,
    /// Number of restored orders.
    pub orders: u64,
    /// Number of orders and codes that were not restored because another customer has them now.
    pub taken: u64,
    /// Number of restored products.
    pub products: u64,
}

impl Vault {
    /// Restores a backup in one commit.
    ///
    /// The backup must be signed by this box's key, or by the key with the id `trusted`. Customers
    /// with a tombstone in the vault or in the backup are not restored. A new vault has no
    /// tombstones, so customers who were forgotten after the backup are restored there.
    ///
    /// # Errors
    /// If the passphrase is wrong, the file is damaged or incomplete, another key signed it, or the
    /// vault cannot be written. Nothing is restored then.
    pub fn restore(
        &self,
        from: impl Read,
        passphrase: &Passphrase,
        trusted: Option<&str>,
        context: AuditContext,
    ) -> Result<RestoreSummary, VaultError> {
        let file = DecryptingReader::new(from, passphrase)?;
        let mut items = BackupReader { file, digest: Sha256::new() };
        let Some(Item::Header(header)) = items.next()? else { return Err(VaultError::NotABackup) };
        let trusted = self.trusted_signers(&header, trusted)?;
        self.write(context, |transaction| {
            let summary = RestoreSummary::default();
            let mut restore = Restore { transaction, trusted, summary, current: None };
            loop {
                let digest = items.digest.clone().finalize();
                match items.next()?.ok_or(VaultError::BackupDamaged)? {
                    Item::Header(_) => return Err(VaultError::BackupDamaged.into()),
                    Item::End(signed) => {
                        verify_end(&restore.trusted, &signed, &digest)?;
                        if items.next()?.is_some() {
                            return Err(VaultError::BackupDamaged.into());
                        }
                        return Ok(restore.into_summary());
                    }
                    Item::Tombstone(tombstone) => {
                        restore.transaction.insert_tombstone(&tombstone)?;
                    }
                    Item::Product(product) => restore.restore_product(&product)?,
                    Item::ConsentText(text) => consent_texts::put(restore.transaction, &text)?,
                    Item::Customer(id) => restore.restore_customer(id)?,
                    Item::Record { kind, name, signed } => {
                        restore.restore_record(kind, &name, &signed)?
                    }
                }
            }
        })
    }

    /// Returns the signers of a backup if the key that signed the backup is trusted.
    fn trusted_signers(
        &self,
        header: &Header,
        trusted: Option<&str>,
    ) -> Result<TrustedSigners, VaultError> {
        if header.format != FORMAT {
            return Err(VaultError::NotABackup);
        }
        let signer = header.signers.first().ok_or(VaultError::BackupDamaged)?;
        let id = HEXLOWER.encode(&key_id(signer));
        let box_keys = &self.derived_keys().signers.trusted.keys;
        if !box_keys.iter().any(|key| key.as_bytes() == signer) && trusted != Some(id.as_str()) {
            return Err(VaultError::BackupSigner(id));
        }
        signers(header)
    }
}

/// Reads a whole backup: it is complete, the passphrase decrypts it, and the key that it names signed it.
///
/// # Errors
/// If one of these is not the case.
pub fn check_backup(from: impl Read, passphrase: &Passphrase) -> Result<(), VaultError> {
    let mut items =
        BackupReader { file: DecryptingReader::new(from, passphrase)?, digest: Sha256::new() };
    let Some(Item::Header(header)) = items.next()? else { return Err(VaultError::NotABackup) };
    let signers = signers(&header)?;
    loop {
        let digest = items.digest.clone().finalize();
        match items.next()?.ok_or(VaultError::BackupDamaged)? {
            Item::End(signed) => {
                verify_end(&signers, &signed, &digest)?;
                return match items.next()? {
                    None => Ok(()),
                    Some(_) => Err(VaultError::BackupDamaged),
                };
            }
            Item::Header(_) => return Err(VaultError::BackupDamaged),
            Item::Tombstone(_)
            | Item::Product(_)
            | Item::ConsentText(_)
            | Item::Customer(_)
            | Item::Record { .. } => {}
        }
    }
}

/// Returns the box and the keys that signed a backup's records.
fn signers(header: &Header) -> Result<TrustedSigners, VaultError> {
    let keys = header.signers.iter().map(VerifyingKey::from_bytes);
    let keys = keys.collect::<Result<_, _>>().map_err(|_| VaultError::BackupDamaged)?;
    Ok(TrustedSigners { box_id: header.box_id.clone(), keys })
}

/// Verifies that the first signer signed the digest of all items before the end.
fn verify_end(
    signers: &TrustedSigners,
    signed: &ciborium::Value,
    digest: &[u8],
) -> Result<(), VaultError> {
    let signed = signed.as_bytes().ok_or(VaultError::BackupDamaged)?;
    let first = TrustedSigners {
        keys: signers.keys.first().copied().into_iter().collect(),
        box_id: signers.box_id.clone(),
    };
    let payload = first.verify_payload(SIGNATURE_AAD, signed).map_err(damaged_error)?;
    if payload.as_slice() == digest { Ok(()) } else { Err(VaultError::BackupDamaged) }
}

struct BackupReader<R> {
    file: DecryptingReader<R>,
    /// Digest of the items read so far.
    digest: Sha256,
}

impl<R: Read> BackupReader<R> {
    fn next(&mut self) -> Result<Option<Item>, VaultError> {
        let mut length = [0; 4];
        if !self.file.read(&mut length)? {
            return Ok(None);
        }
        let bytes = u32::from_be_bytes(length);
        if bytes > ITEM_LENGTH_MAX {
            return Err(VaultError::BackupDamaged);
        }
        let mut body = Zeroizing::new(vec![0; bytes as usize]);
        if !self.file.read(&mut body)? {
            return Err(VaultError::BackupDamaged);
        }
        self.digest.update(length);
        self.digest.update(&*body);
        ciborium::from_reader(body.as_slice()).map(Some).map_err(|_| VaultError::BackupDamaged)
    }
}

/// State of a restore.
struct Restore<'c, 't> {
    transaction: &'c mut WriteTransaction<'t>,
    trusted: TrustedSigners,
    summary: RestoreSummary,
    /// Customer of the next records; `None` if these records are skipped.
    current: Option<CustomerId>,
}

impl Restore<'_, '_> {
    /// Adds an entry to the audit log and returns the summary.
    fn into_summary(self) -> RestoreSummary {
        let RestoreSummary { customers, orders, products, .. } = self.summary;
        let records = customers + orders + products;
        self.transaction.audit(AuditAction::Restored, records, None);
        self.summary
    }

    fn restore_product(&mut self, product: &Product) -> Result<(), TransactionError> {
        let tx = self.transaction.tx();
        if tx.row(PRODUCTS, product.sku.as_bytes())?.is_none() {
            let mac_key = &self.transaction.reader.derived_keys.catalogue;
            tx.put(PRODUCTS, product.sku.as_bytes(), &catalogue::encode(mac_key, product)?)?;
            self.summary.products += 1;
        }
        Ok(())
    }

    fn restore_customer(&mut self, id: CustomerId) -> Result<(), TransactionError> {
        self.current = None;
        if self.transaction.has_account(id)? {
            self.summary.present += 1;
        } else if self.transaction.tx().row(TOMBSTONES, &tombstone(id))?.is_some() {
            self.summary.forgotten += 1;
        } else {
            self.transaction.create_account(id)?;
            self.summary.customers += 1;
            self.current = Some(id);
        }
        Ok(())
    }

    fn restore_record(
        &mut self,
        kind: u8,
        name: &RecordName,
        signed: &ciborium::Value,
    ) -> Result<(), TransactionError> {
        let kind = RecordKind::from_byte(kind).ok_or(VaultError::BackupDamaged)?;
        let signed = signed.as_bytes().ok_or(VaultError::BackupDamaged)?;
        let Some(id) = self.current else { return Ok(()) };
        let aad = aad(RECORDS, &record_key(id, kind, name));
        let signed = self.trusted.parse(&aad, signed).map_err(damaged_error)?;
        signed.verify().map_err(damaged_error)?;
        match kind {
            RecordKind::Index | RecordKind::Outgoing => {
                return Err(VaultError::BackupDamaged.into());
            }
            RecordKind::Customer => {
                let customer: Customer = self.decode(id, &signed)?;
                self.transaction.put(id, kind, &numbered_name(0), &customer)?;
            }
            RecordKind::Template => {
                let template: Template = self.decode(id, &signed)?;
                self.transaction.put(id, kind, &numbered_name(template.sequence), &template)?;
            }
            RecordKind::Consent => {
                let consent: Consent = self.decode(id, &signed)?;
                let put = codes::put_receipt(self.transaction, &consent);
                self.summary.taken += u64::from(is_taken(put)?);
            }
            RecordKind::Claim => {
                let claim: Claim = self.decode(id, &signed)?;
                let now = self.transaction.time();
                let put = codes::put_claim(self.transaction, id, &claim, now);
                self.summary.taken += u64::from(is_taken(put)?);
            }
            RecordKind::Order => {
                let order: Order = self.decode(id, &signed)?;
                let tag = self.transaction.reader.derived_keys.order_tag(&order.id);
                if self.put_order(id, kind, &tag, &order)? {
                    self.summary.orders += 1;
                }
            }
            RecordKind::Replaced => {
                let replaced: ReplacedOrder = self.decode(id, &signed)?;
                let tag = self.transaction.reader.derived_keys.order_tag(&replaced.0);
                self.put_order(id, kind, &tag, &replaced)?;
            }
        }
        Ok(())
    }

    fn decode<R: SignedRecord>(
        &self,
        id: CustomerId,
        signed: &SignedMessage,
    ) -> Result<R, VaultError> {
        self.trusted.decode(id, signed).map_err(damaged_error)
    }

    /// Stores an order or a replaced order. Returns false if the vault already contains its id.
    fn put_order<R: SignedRecord>(
        &mut self,
        id: CustomerId,
        kind: RecordKind,
        tag: &RecordName,
        record: &R,
    ) -> Result<bool, TransactionError> {
        let tx = self.transaction.tx();
        if tx.row(ORDER_IDS, tag)?.is_some() {
            self.summary.taken += 1;
            return Ok(false);
        }
        tx.put(ORDER_IDS, tag, &customer_key(id))?;
        self.transaction.put(id, kind, tag, record)?;
        Ok(true)
    }
}

fn damaged_error(_: RecordError) -> VaultError {
    VaultError::BackupDamaged
}

/// Returns true if a code was not stored because the vault already contains it.
fn is_taken(put: Result<(), TransactionError>) -> Result<bool, TransactionError> {
    match put {
        Ok(()) => Ok(false),
        Err(TransactionError::Vault(VaultError::CodeTaken)) => Ok(true),
        Err(error) => Err(error),
    }
}
