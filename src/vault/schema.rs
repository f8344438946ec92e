//! The tables and the shape of their keys.
//!
//! A customer's id leads every key but those of `claims`, where it ends it, and of `order_ids`,
//! where it leads the value: a customer can be forgotten by keys alone, whatever the records say.

use std::path::Path;

use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use uuid::Uuid;

use crate::domain::{BoxId, ClaimCode, Consent, CustomerId, Order, OrderId, Template};

use super::error::{Fault, VaultError};

/// A table from bytes to bytes.
pub(super) type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// customer → signed customer.
pub(super) const CUSTOMERS: Bytes = TableDefinition::new("customers");
/// customer, time given → signed consent.
pub(super) const CONSENTS: Bytes = TableDefinition::new("consents");
/// customer, sequence → signed template.
pub(super) const TEMPLATES: Bytes = TableDefinition::new("templates");
/// code, customer → signed expiry.
pub(super) const CLAIMS: Bytes = TableDefinition::new("claims");
/// customer, time placed, order id → order.
pub(super) const ORDERS: Bytes = TableDefinition::new("orders");
/// order id → customer, time placed: where the order lies.
pub(super) const ORDER_IDS: Bytes = TableDefinition::new("order_ids");
const RECORDS: [Bytes; 6] = [CUSTOMERS, CONSENTS, TEMPLATES, CLAIMS, ORDERS, ORDER_IDS];
/// What the file is.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

const FORMAT: u8 = 1;
const FORMAT_KEY: &str = "format";
const BOX_KEY: &str = "box";
const KEY_ID_KEY: &str = "key";
const REWRITE_DUE_KEY: &str = "rewrite_due";

const ID_LENGTH: usize = 16;
const TIME_LENGTH: usize = 8;
const CODE_LENGTH: usize = 8;

/// Whose vault this is.
pub(super) struct Identity {
    pub(super) box_id: BoxId,
    pub(super) key_id: String,
}

/// Whose vault the file says it is.
pub(super) struct StoredIdentity {
    format: u8,
    box_id: String,
    key_id: String,
}

impl StoredIdentity {
    pub(super) fn check(self, ours: &Identity, path: &Path) -> Result<(), VaultError> {
        let path = path.to_owned();
        if self.format != FORMAT {
            return Err(VaultError::Format { path, found: self.format });
        }
        if self.box_id != ours.box_id.as_str() {
            let ours = ours.box_id.to_string();
            return Err(VaultError::OtherBox { path, theirs: self.box_id, ours });
        }
        if self.key_id != ours.key_id {
            let ours = ours.key_id.clone();
            return Err(VaultError::OtherKey { path, theirs: self.key_id, ours });
        }
        Ok(())
    }
}

/// Makes every table of an empty file.
pub(super) fn create(txn: &WriteTransaction, identity: &Identity) -> Result<(), Fault> {
    for table in RECORDS {
        txn.open_table(table)?;
    }
    let mut meta = txn.open_table(META)?;
    meta.insert(FORMAT_KEY, [FORMAT].as_slice())?;
    meta.insert(BOX_KEY, identity.box_id.as_str().as_bytes())?;
    meta.insert(KEY_ID_KEY, identity.key_id.as_bytes())?;
    Ok(())
}

/// What the file says it is; `None` when it is new.
pub(super) fn read_identity(txn: &ReadTransaction) -> Result<Option<StoredIdentity>, Fault> {
    let meta = match txn.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = |key: &str| -> Result<String, Fault> {
        let value = meta.get(key)?;
        Ok(value.map(|v| String::from_utf8_lossy(v.value()).into_owned()).unwrap_or_default())
    };
    let format = meta.get(FORMAT_KEY)?.and_then(|v| v.value().first().copied()).unwrap_or(0);
    Ok(Some(StoredIdentity { format, box_id: text(BOX_KEY)?, key_id: text(KEY_ID_KEY)? }))
}

/// Whether something was deleted and the file not rewritten since.
pub(super) fn rewrite_due(txn: &ReadTransaction) -> Result<bool, Fault> {
    Ok(txn.open_table(META)?.get(REWRITE_DUE_KEY)?.is_some())
}

/// Notes that the file holds deleted data.
pub(super) fn set_rewrite_due(txn: &WriteTransaction) -> Result<(), Fault> {
    txn.open_table(META)?.insert(REWRITE_DUE_KEY, [1].as_slice())?;
    Ok(())
}

/// Copies every record into an empty file, which then holds nothing else.
pub(super) fn copy(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), Fault> {
    for table in RECORDS {
        let mut copy = to.open_table(table)?;
        for entry in from.open_table(table)?.iter()? {
            let (key, value) = entry?;
            copy.insert(key.value(), value.value())?;
        }
    }
    let mut copy = to.open_table(META)?;
    for entry in from.open_table(META)?.iter()? {
        let (key, value) = entry?;
        if key.value() != REWRITE_DUE_KEY {
            copy.insert(key.value(), value.value())?;
        }
    }
    Ok(())
}

pub(super) fn customer_key(id: CustomerId) -> [u8; ID_LENGTH] {
    id.0.into_bytes()
}

pub(super) fn consent_key(consent: &Consent) -> Vec<u8> {
    [customer_key(consent.customer).as_slice(), &time_key(consent.given)].concat()
}

pub(super) fn template_key(template: &Template) -> Vec<u8> {
    [customer_key(template.customer).as_slice(), &template.sequence.to_be_bytes()].concat()
}

pub(super) fn claim_key(code: &ClaimCode, customer: CustomerId) -> Vec<u8> {
    [code.as_bytes().as_slice(), &customer_key(customer)].concat()
}

/// Where an order lies: customer and time.
pub(super) fn order_place(order: &Order) -> Vec<u8> {
    [customer_key(order.customer).as_slice(), &time_key(order.placed.timestamp())].concat()
}

pub(super) fn order_key(place: &[u8], id: &OrderId) -> Vec<u8> {
    [place, id.0.as_bytes()].concat()
}

/// Microseconds, biased so that bytes sort as times do.
fn time_key(time: Timestamp) -> [u8; TIME_LENGTH] {
    (time.as_microsecond().cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The customer that leads a key.
pub(super) fn leading_customer(key: &[u8]) -> Option<CustomerId> {
    key.first_chunk().map(|id| CustomerId(Uuid::from_bytes(*id)))
}

/// The sequence in a template's key.
pub(super) fn template_sequence(key: &[u8]) -> Option<u32> {
    key.get(ID_LENGTH..)?.try_into().ok().map(u32::from_be_bytes)
}

/// The order id in an order's key.
pub(super) fn order_id(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(ID_LENGTH + TIME_LENGTH..)?).ok()
}

/// The code and the customer of a claim's key.
pub(super) fn claim_parts(key: &[u8]) -> Option<(ClaimCode, CustomerId)> {
    let (code, customer) = key.split_at_checked(CODE_LENGTH)?;
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    Some((code, CustomerId(Uuid::from_slice(customer).ok()?)))
}

/// Everything in `table` whose key begins with `prefix`, in the order of the keys.
pub(super) fn with_prefix<'t>(
    table: &'t impl ReadableTable<&'static [u8], &'static [u8]>,
    prefix: &[u8],
) -> Result<redb::Range<'t, &'static [u8], &'static [u8]>, Fault> {
    Ok(table.range::<&[u8]>(prefix..after(prefix).as_slice())?)
}

/// Above every key that begins with `prefix`: it, followed by more 0xFF than any key goes on for.
pub(super) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    end.resize(prefix.len() + LONGEST_REST, 0xFF);
    end
}

/// More than a time (8 bytes) and an order id (64 characters of up to 4).
const LONGEST_REST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_their_bytes() {
        let times = [i64::MIN / 1_000_000 / 100, -1, 0, 1, 1_800_000_000];
        let keys: Vec<_> =
            times.iter().map(|s| time_key(Timestamp::from_second(*s).unwrap())).collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_claim_key_gives_back_its_parts() {
        let code = ClaimCode::from_random([1, 0, 31, 12, 20, 7, 9, 30]);
        let customer = CustomerId(Uuid::from_u128(7));
        assert_eq!(claim_parts(&claim_key(&code, customer)), Some((code, customer)));
        assert_eq!(claim_parts(b"short"), None);
    }
}
