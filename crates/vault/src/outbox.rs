//! Outbox: messages that must be delivered. Each message is stored in the same commit as the change
//! that it reports.
//!
//! A message about a customer is one of the customer's records and is deleted with them. A message that
//! reports a deletion is encrypted under a key of the box and outlives the customer. Messages are opaque
//! bytes: the caller encodes, signs and sends them.

use ciborium::Value;
use instored_domain::CustomerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Reader;
use crate::audit::AuditContext;
use crate::error::{TransactionError, VaultError};
use crate::record::SignedRecord;
use crate::record_error::RecordError;
use crate::record_key::{NAME_LENGTH, RecordKind, RecordName, customer_key, leading_customer};
use crate::schema::{META, OUTBOX, OUTBOX_NEXT_KEY, Rows, aad};
use crate::vault::Vault;
use crate::verified::{Rejected, Verified};
use crate::write_transaction::WriteTransaction;

/// First byte of a row of `outbox` whose message is a record of a customer. The customer's id follows.
const OF_CUSTOMER: u8 = 0;
/// First byte of a row of `outbox` whose message is no customer's record. The encrypted message follows.
const ENCRYPTED: u8 = 1;

/// Message that was stored and not confirmed as sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxEntry {
    /// Number of the message. Later messages have higher numbers.
    pub number: u64,
    /// Time at which it was stored.
    pub stored: Timestamp,
    /// Message.
    pub message: Vec<u8>,
}

/// Message with the time at which it was stored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OutgoingMessage {
    stored: Timestamp,
    message: Value,
}

impl OutgoingMessage {
    fn new(stored: Timestamp, message: &[u8]) -> Self {
        Self { stored, message: Value::Bytes(message.to_vec()) }
    }
}

impl SignedRecord for OutgoingMessage {
    const KIND: &'static str = "outgoing message";
    type Body = Self;

    fn to_body(&self) -> Self {
        self.clone()
    }

    fn from_body(_: CustomerId, body: Self) -> Option<Self> {
        Some(body)
    }
}

impl Vault {
    /// Returns the messages with a higher number than `after` that were not removed yet, oldest first.
    ///
    /// # Errors
    /// If the vault cannot be read. A message that does not verify is rejected, and the
    /// other messages are returned.
    pub fn outbox(&self, after: u64) -> Result<Verified<OutboxEntry>, VaultError> {
        self.read(|reader| {
            let mut rows = Vec::new();
            let first = (after + 1).to_be_bytes();
            reader.rows.rows(OUTBOX, &first, None, &mut |key, row| {
                rows.push((key.to_vec(), row.to_vec()));
                Ok(())
            })?;
            let mut entries = Verified::default();
            for (key, row) in rows {
                if let Some(read) = read_message(reader, &key, &row)?.transpose() {
                    entries.push(read.map(|read| OutboxEntry {
                        number: message_number(&key),
                        stored: read.stored,
                        message: read.message.into_bytes().unwrap_or_default(),
                    }));
                }
            }
            Ok(entries)
        })
    }

    /// Removes messages that were sent or have expired.
    ///
    /// # Errors
    /// If the vault cannot be written.
    pub fn remove_from_outbox(
        &self,
        numbers: &[u64],
        context: AuditContext,
    ) -> Result<(), VaultError> {
        self.write(context, |transaction| {
            numbers.iter().try_for_each(|number| transaction.unqueue(*number))
        })
    }
}

impl WriteTransaction<'_> {
    /// Stores a message as a record of a customer whose account was opened or created in this
    /// transaction. An empty message is not stored.
    pub(crate) fn queue_about(
        &mut self,
        id: CustomerId,
        message: &[u8],
    ) -> Result<(), TransactionError> {
        if message.is_empty() {
            return Ok(());
        }
        let key = self.next_message_key()?;
        let record = OutgoingMessage::new(self.time(), message);
        self.put(id, RecordKind::Outgoing, &message_name(&key), &record)?;
        self.tx().put(OUTBOX, &key, &[&[OF_CUSTOMER], customer_key(id).as_slice()].concat())
    }

    /// Stores a message that outlives the customer whom it is about. An empty message is not stored.
    pub(crate) fn queue(&mut self, message: &[u8]) -> Result<(), TransactionError> {
        if message.is_empty() {
            return Ok(());
        }
        let key = self.next_message_key()?;
        let record = OutgoingMessage::new(self.time(), message);
        let encryption_key = &self.reader.derived_keys.outbox;
        let encrypted = encryption_key.seal(&aad(OUTBOX, &key), &crate::record::cbor(&record)?)?;
        self.mark_changed();
        self.tx().put(OUTBOX, &key, &[&[ENCRYPTED], encrypted.as_slice()].concat())
    }

    fn unqueue(&mut self, number: u64) -> Result<(), TransactionError> {
        let key = number.to_be_bytes();
        let Some(row) = self.tx().row(OUTBOX, &key)? else { return Ok(()) };
        self.tx().remove(OUTBOX, &key)?;
        self.mark_changed();
        if row.first() == Some(&OF_CUSTOMER)
            && let Some(id) = row.get(1..).and_then(leading_customer)
            && matches!(self.account(id), Ok(Some(_)))
        {
            self.remove(id, RecordKind::Outgoing, &message_name(&key))?;
        }
        Ok(())
    }

    /// Returns the key of the next message. Numbers are never used again, so that a late confirmation
    /// does not remove another message.
    fn next_message_key(&self) -> Result<[u8; 8], TransactionError> {
        let next = self.tx().row(META, OUTBOX_NEXT_KEY)?;
        let next = next.map_or(1, |row| message_number(&row));
        self.tx().put(META, OUTBOX_NEXT_KEY, &(next + 1).to_be_bytes())?;
        Ok(next.to_be_bytes())
    }
}

/// Reads the message of a row of `outbox`, or returns `None` if its customer or record no longer exists.
fn read_message(
    reader: &Reader<'_, impl Rows>,
    key: &[u8],
    row: &[u8],
) -> Result<Result<Option<OutgoingMessage>, Rejected>, TransactionError> {
    match row.split_first() {
        Some((&OF_CUSTOMER, id)) => {
            let Some(id) = leading_customer(id) else { return Ok(Ok(None)) };
            let account = match reader.account(id) {
                Ok(Some(account)) => account,
                Ok(None) => return Ok(Ok(None)),
                Err(TransactionError::Vault(VaultError::Rejected(rejected))) => {
                    return Ok(Err(rejected));
                }
                Err(error) => return Err(error),
            };
            reader.record(&account, RecordKind::Outgoing, &message_name(key))
        }
        Some((&ENCRYPTED, encrypted)) => {
            let opened = reader.derived_keys.outbox.open(&aad(OUTBOX, key), encrypted);
            let message = opened.and_then(|bytes| {
                ciborium::from_reader(bytes.as_slice()).map_err(|_| RecordError::Malformed)
            });
            Ok(message
                .map(Some)
                .map_err(|error| Rejected::vault("an outgoing message", error.to_string())))
        }
        _ => Ok(Err(Rejected::vault("an outgoing message", "its row is malformed"))),
    }
}

/// Returns the number in a key of `outbox`.
fn message_number(key: &[u8]) -> u64 {
    key.first_chunk().map_or(0, |number| u64::from_be_bytes(*number))
}

/// Returns the name of the customer's record that contains the message with this key of `outbox`.
fn message_name(key: &[u8]) -> RecordName {
    let mut name = [0; NAME_LENGTH];
    name[NAME_LENGTH - 8..].copy_from_slice(&message_number(key).to_be_bytes());
    name
}

/// Returns the key of `outbox` for the record with this name.
pub(crate) fn message_key(name: &RecordName) -> [u8; 8] {
    name.last_chunk().copied().unwrap_or_default()
}
