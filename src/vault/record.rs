//! One record, from a value to bytes and back: the seam at which records are signed and verified.
//!
//! The first byte is the format. Signed records (1) are a `COSE_Sign1` (RFC 9052, `EdDSA`) over a
//! CBOR payload; table and key are its external additional data, so that a record that was moved
//! does not verify. Checked records (2) are CBOR after a truncated SHA-256 over the same, which
//! shows damage but stops nobody.

use ciborium::Value;
use coset::iana;
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::domain::{BoxId, Consent, Customer, CustomerId, Embedding, ModelId, Order, Template};

use super::box_key::{BoxKey, hex};
use super::error::VaultError;

const SIGNED: u8 = 1;
const CHECKED: u8 = 2;
const PAYLOAD_VERSION: u8 = 1;
const CHECKSUM_LENGTH: usize = 16;

/// Why a record is not used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordFault {
    #[error("it has a format ({0}) that this version cannot read")]
    Format(u8),
    #[error("it is no record of its kind")]
    Malformed,
    #[error("it is signed with another key ({0})")]
    ForeignKey(String),
    #[error("its signature does not hold")]
    Signature,
    #[error("its checksum does not hold")]
    Checksum,
}

/// A kind of record that is signed.
pub(super) trait Kind: Sized {
    /// The table's name, which is signed with the record.
    const KIND: &'static str;
    /// What stands in the payload beside the customer.
    type Body: Serialize + DeserializeOwned;
    fn customer(&self) -> CustomerId;
    fn body(&self) -> Self::Body;
    fn from_body(customer: CustomerId, body: Self::Body) -> Option<Self>;
}

/// What is signed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<B> {
    kind: String,
    version: u8,
    #[serde(rename = "box")]
    box_id: BoxId,
    customer: CustomerId,
    body: B,
}

/// Signs and verifies the records of one box.
#[derive(Debug)]
pub(super) struct Seal {
    key: BoxKey,
    box_id: BoxId,
}

impl Seal {
    pub(super) fn new(key: BoxKey, box_id: BoxId) -> Self {
        Self { key, box_id }
    }

    pub(super) fn key(&self) -> &BoxKey {
        &self.key
    }

    /// The bytes of `record` under `key`.
    pub(super) fn sign<K: Kind>(
        &self,
        key: &[u8],
        record: &K,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let payload = Payload {
            kind: K::KIND.to_owned(),
            version: PAYLOAD_VERSION,
            box_id: self.box_id.clone(),
            customer: record.customer(),
            body: record.body(),
        };
        let protected = HeaderBuilder::new()
            .algorithm(iana::Algorithm::EdDSA)
            .key_id(self.key.key_id_bytes().to_vec())
            .build();
        let signed = CoseSign1Builder::new()
            .protected(protected)
            .payload(cbor(&payload)?)
            .create_signature(&place::<K>(key), |message| self.key.sign(message).to_vec())
            .build();
        let cose = Zeroizing::new(signed.to_vec().map_err(|e| VaultError::Encode(e.to_string()))?);
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + cose.len()));
        bytes.push(SIGNED);
        bytes.extend_from_slice(&cose);
        Ok(bytes)
    }

    /// The record that `bytes` under `key` hold, if this box signed it for this place.
    pub(super) fn verify<K: Kind>(&self, key: &[u8], bytes: &[u8]) -> Result<K, RecordFault> {
        let cose = after_format(bytes, SIGNED)?;
        let signed = CoseSign1::from_slice(cose).map_err(|_| RecordFault::Malformed)?;
        let header = &signed.protected.header;
        if header.alg != Some(coset::Algorithm::Assigned(iana::Algorithm::EdDSA))
            || !signed.unprotected.is_empty()
        {
            return Err(RecordFault::Malformed);
        }
        if header.key_id != self.key.key_id_bytes() {
            return Err(RecordFault::ForeignKey(hex(header.key_id.get(..8).unwrap_or_default())));
        }
        signed.verify_signature(&place::<K>(key), |signature, message| {
            if self.key.verifies(message, signature) { Ok(()) } else { Err(RecordFault::Signature) }
        })?;
        let payload: Payload<K::Body> =
            ciborium::from_reader(signed.payload.as_deref().unwrap_or_default())
                .map_err(|_| RecordFault::Malformed)?;
        if payload.version != PAYLOAD_VERSION {
            return Err(RecordFault::Format(payload.version));
        }
        if payload.kind != K::KIND || payload.box_id != self.box_id {
            return Err(RecordFault::Malformed);
        }
        K::from_body(payload.customer, payload.body).ok_or(RecordFault::Malformed)
    }
}

/// The bytes of an order under `key`.
pub(super) fn check_in(key: &[u8], order: &Order) -> Result<Vec<u8>, VaultError> {
    let body = cbor(order)?;
    Ok([[CHECKED].as_slice(), &checksum(key, &body), &body].concat())
}

/// The order that `bytes` under `key` hold.
pub(super) fn check_out(key: &[u8], bytes: &[u8]) -> Result<Order, RecordFault> {
    let (sum, body) = after_format(bytes, CHECKED)?
        .split_at_checked(CHECKSUM_LENGTH)
        .ok_or(RecordFault::Malformed)?;
    if sum != checksum(key, body) {
        return Err(RecordFault::Checksum);
    }
    ciborium::from_reader(body).map_err(|_| RecordFault::Malformed)
}

fn after_format(bytes: &[u8], format: u8) -> Result<&[u8], RecordFault> {
    match bytes.split_first() {
        Some((found, rest)) if *found == format => Ok(rest),
        Some((found, _)) => Err(RecordFault::Format(*found)),
        None => Err(RecordFault::Malformed),
    }
}

fn checksum(key: &[u8], body: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update((key.len() as u64).to_be_bytes())
        .chain_update(key)
        .chain_update(body)
        .finalize()
        .into();
    let mut sum = [0; CHECKSUM_LENGTH];
    sum.copy_from_slice(&digest[..CHECKSUM_LENGTH]);
    sum
}

/// External additional data: the table's name, a zero byte, the key.
fn place<K: Kind>(key: &[u8]) -> Vec<u8> {
    [K::KIND.as_bytes(), &[0], key].concat()
}

fn cbor(value: &impl Serialize) -> Result<Vec<u8>, VaultError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|e| VaultError::Encode(e.to_string()))?;
    Ok(bytes)
}

impl Kind for Customer {
    const KIND: &'static str = "customers";
    type Body = Self;

    fn customer(&self) -> CustomerId {
        self.id
    }

    fn body(&self) -> Self {
        self.clone()
    }

    fn from_body(customer: CustomerId, body: Self) -> Option<Self> {
        (body.id == customer).then_some(body)
    }
}

impl Kind for Consent {
    const KIND: &'static str = "consents";
    type Body = Self;

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn body(&self) -> Self {
        self.clone()
    }

    fn from_body(customer: CustomerId, body: Self) -> Option<Self> {
        (body.customer == customer).then_some(body)
    }
}

/// A template's payload; the embedding is a byte string of little-endian f32.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateBody {
    model: ModelId,
    sequence: u32,
    created: Timestamp,
    embedding: Value,
}

impl Drop for TemplateBody {
    fn drop(&mut self) {
        if let Value::Bytes(bytes) = &mut self.embedding {
            zeroize::Zeroize::zeroize(bytes);
        }
    }
}

impl Kind for Template {
    const KIND: &'static str = "templates";
    type Body = TemplateBody;

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn body(&self) -> TemplateBody {
        let bytes = self.embedding.values().iter().flat_map(|v| v.to_le_bytes()).collect();
        TemplateBody {
            model: self.model.clone(),
            sequence: self.sequence,
            created: self.created,
            embedding: Value::Bytes(bytes),
        }
    }

    fn from_body(customer: CustomerId, body: TemplateBody) -> Option<Self> {
        let (values, []) = body.embedding.as_bytes()?.as_chunks::<4>() else { return None };
        let values = values.iter().map(|v| f32::from_le_bytes(*v)).collect();
        Some(Self {
            customer,
            model: body.model.clone(),
            sequence: body.sequence,
            created: body.created,
            embedding: Embedding::normalised(values).ok()?,
        })
    }
}

/// Until when a claim code names a customer.
#[derive(Debug, PartialEq)]
pub(super) struct Claim {
    pub(super) customer: CustomerId,
    pub(super) expires: Timestamp,
}

impl Kind for Claim {
    const KIND: &'static str = "claims";
    type Body = Timestamp;

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn body(&self) -> Timestamp {
        self.expires
    }

    fn from_body(customer: CustomerId, expires: Timestamp) -> Option<Self> {
        Some(Self { customer, expires })
    }
}
