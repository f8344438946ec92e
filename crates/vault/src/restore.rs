//! Restoring a backup into a vault, which may hold customers already: those stay as they are, those
//! who were forgotten since stay forgotten, the others come back, under new keys.

use std::io::Read;

use ed25519_dalek::VerifyingKey;
use instored_domain::{Consent, Customer, CustomerId, Order, Template};
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Vault;
use super::audit::{Act, Done};
use super::backup::{FORMAT, Head, Item, SIGNED_AT};
use super::box_key::{hex, key_id};
use super::catalogue::check_in;
use super::change::{Change, tombstone};
use super::codes;
use super::error::{Fault, VaultError};
use super::fault::RecordFault;
use super::passphrase_stream::{Opening, Passphrase};
use super::record::{Claim, ReplacedOrder, Signed, Trust};
use super::schema::{ORDER_IDS, PRODUCTS, RECORDS, Rows, TOMBSTONES, place};
use super::slot::{Name, Slot, customer_key, numbered, record_key};

/// More than any item can have: an order of ten thousand lines.
const LONGEST_ITEM: u32 = 16 << 20;

/// What a backup brought back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Restored {
    /// Customers who are back.
    pub customers: u64,
    /// Customers who are in the vault, and stayed as they are.
    pub present: u64,
    /// Customers who were forgotten since the backup was made, and stay forgotten.
    pub forgotten: u64,
    /// Orders that are back.
    pub orders: u64,
    /// Orders and codes of theirs that are somebody else's now, and were left out.
    pub taken: u64,
    /// Products that are back.
    pub products: u64,
}

impl Vault {
    /// Restores a backup, in one commit: all of it, or nothing.
    ///
    /// A backup is believed when this box's key signed it, or the key whose id is `trusted`. Who was
    /// forgotten since is known by the tombstones of this vault and of the backup; a vault made
    /// anew does not know who was forgotten after the backup was made.
    ///
    /// # Errors
    /// When the passphrase is wrong, the file is damaged or cut short, another key signed it, or
    /// the vault fails.
    pub fn restore(
        &self,
        from: impl Read,
        passphrase: &Passphrase,
        trusted: Option<&str>,
        act: Act,
    ) -> Result<Restored, VaultError> {
        let mut items = Items { opening: Opening::new(from, passphrase)?, digest: Sha256::new() };
        let Some(Item::Head(head)) = items.next()? else { return Err(VaultError::NoBackup) };
        let trust = self.trust(&head, trusted)?;
        self.change(act, |change| {
            let mut into = Into { change, trust, restored: Restored::default(), current: None };
            loop {
                let digest = items.digest.clone().finalize();
                match items.next()?.ok_or(VaultError::BackupDamaged)? {
                    Item::Head(_) => return Err(VaultError::BackupDamaged.into()),
                    Item::End(signed) => {
                        let signed = signed.as_bytes().ok_or(VaultError::BackupDamaged)?;
                        let signer = Trust {
                            keys: into.trust.keys.first().copied().into_iter().collect(),
                            box_id: into.trust.box_id.clone(),
                        };
                        let payload = signer
                            .verify_payload(SIGNED_AT, signed)
                            .map_err(|_| VaultError::BackupDamaged)?;
                        if payload.as_slice() != digest.as_slice() || items.next()?.is_some() {
                            return Err(VaultError::BackupDamaged.into());
                        }
                        let Restored { customers, orders, products, .. } = into.restored;
                        into.change.note(Done::Restored, customers + orders + products, None);
                        return Ok(into.restored);
                    }
                    item => into.take(item)?,
                }
            }
        })
    }

    fn trust(&self, head: &Head, trusted: Option<&str>) -> Result<Trust, VaultError> {
        if head.format != FORMAT {
            return Err(VaultError::NoBackup);
        }
        let signer = head.signers.first().ok_or(VaultError::BackupDamaged)?;
        let id = hex(&key_id(signer));
        let ours = &self.ring().signers.trust.keys;
        if !ours.iter().any(|key| key.as_bytes() == signer) && trusted != Some(id.as_str()) {
            return Err(VaultError::BackupSigner(id));
        }
        let keys = head.signers.iter().map(VerifyingKey::from_bytes);
        let keys = keys.collect::<Result<_, _>>().map_err(|_| VaultError::BackupDamaged)?;
        Ok(Trust { box_id: head.box_id.clone(), keys })
    }
}

struct Items<R> {
    opening: Opening<R>,
    digest: Sha256,
}

impl<R: Read> Items<R> {
    fn next(&mut self) -> Result<Option<Item>, VaultError> {
        let mut length = [0; 4];
        if !self.opening.read(&mut length)? {
            return Ok(None);
        }
        let bytes = u32::from_be_bytes(length);
        if bytes > LONGEST_ITEM {
            return Err(VaultError::BackupDamaged);
        }
        let mut body = Zeroizing::new(vec![0; bytes as usize]);
        if !self.opening.read(&mut body)? {
            return Err(VaultError::BackupDamaged);
        }
        self.digest.update(length);
        self.digest.update(&*body);
        ciborium::from_reader(body.as_slice()).map(Some).map_err(|_| VaultError::BackupDamaged)
    }
}

struct Into<'c, 't> {
    change: &'c mut Change<'t>,
    trust: Trust,
    restored: Restored,
    /// Whose records follow; `None` when they are left out.
    current: Option<CustomerId>,
}

impl Into<'_, '_> {
    fn take(&mut self, item: Item) -> Result<(), Fault> {
        match item {
            Item::Tombstone(tombstone) => self.change.bury(&tombstone)?,
            Item::Product(product) => {
                if self.change.tx().row(PRODUCTS, product.sku.as_bytes())?.is_none() {
                    let row = check_in(&self.change.reader.ring.catalogue, &product)?;
                    self.change.tx().put(PRODUCTS, product.sku.as_bytes(), &row)?;
                    self.restored.products += 1;
                }
            }
            Item::Customer(id) => self.begin(id)?,
            Item::Record { slot, name, signed } => {
                let slot = Slot::from_byte(slot).ok_or(VaultError::BackupDamaged)?;
                let signed = signed.as_bytes().ok_or(VaultError::BackupDamaged)?;
                if let Some(id) = self.current {
                    self.record(id, slot, &name, signed)?;
                }
            }
            Item::Head(_) | Item::End(_) => return Err(VaultError::BackupDamaged.into()),
        }
        Ok(())
    }

    fn begin(&mut self, id: CustomerId) -> Result<(), Fault> {
        self.current = None;
        if self.change.is_known(id)? {
            self.restored.present += 1;
        } else if self.change.tx().row(TOMBSTONES, &tombstone(id))?.is_some() {
            self.restored.forgotten += 1;
        } else {
            self.change.open_account(id)?;
            self.restored.customers += 1;
            self.current = Some(id);
        }
        Ok(())
    }

    fn record(
        &mut self,
        id: CustomerId,
        slot: Slot,
        name: &Name,
        signed: &[u8],
    ) -> Result<(), Fault> {
        let damaged = |_: RecordFault| VaultError::BackupDamaged;
        let at = place(RECORDS, &record_key(id, slot, name));
        let signed: Signed = self.trust.parse(&at, signed).map_err(damaged)?;
        signed.verify().map_err(damaged)?;
        let (trust, change) = (&self.trust, &mut *self.change);
        let ring = std::sync::Arc::clone(&change.reader.ring);
        match slot {
            Slot::Roll => return Err(VaultError::BackupDamaged.into()),
            Slot::Customer => {
                let customer: Customer = trust.read(id, &signed).map_err(damaged)?;
                change.put(id, slot, &numbered(0), &customer)?;
            }
            Slot::Template => {
                let template: Template = trust.read(id, &signed).map_err(damaged)?;
                change.put(id, slot, &numbered(template.sequence), &template)?;
            }
            Slot::Consent => {
                let consent: Consent = trust.read(id, &signed).map_err(damaged)?;
                self.restored.taken += left_out(codes::put_receipt(change, &consent))?;
            }
            Slot::Claim => {
                let claim: Claim = trust.read(id, &signed).map_err(damaged)?;
                let now = change.at();
                self.restored.taken += left_out(codes::put_claim(change, id, &claim, now))?;
            }
            Slot::Order | Slot::Replaced => {
                let order: Option<Order> = match slot {
                    Slot::Order => Some(trust.read(id, &signed).map_err(damaged)?),
                    _ => None,
                };
                let order_id = match &order {
                    Some(order) => order.id.clone(),
                    None => trust.read::<ReplacedOrder>(id, &signed).map_err(damaged)?.0,
                };
                let tag = ring.order_tag(&order_id);
                if change.tx().row(ORDER_IDS, &tag)?.is_some() {
                    self.restored.taken += 1;
                    return Ok(());
                }
                change.tx().put(ORDER_IDS, &tag, &customer_key(id))?;
                match order {
                    Some(order) => {
                        change.put(id, slot, &tag, &order)?;
                        self.restored.orders += 1;
                    }
                    None => change.put(id, slot, &tag, &ReplacedOrder(order_id))?,
                }
            }
        }
        Ok(())
    }
}

/// Whether a code was left out because somebody else has it now.
fn left_out(put: Result<(), Fault>) -> Result<u64, Fault> {
    match put {
        Ok(()) => Ok(0),
        Err(Fault::Vault(VaultError::CodeTaken)) => Ok(1),
        Err(fault) => Err(fault),
    }
}
