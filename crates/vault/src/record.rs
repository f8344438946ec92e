//! Signed records: encoding, signing and verification.
//!
//! A record is a `COSE_Sign1` (RFC 9052, `EdDSA`) over a CBOR payload with the record's kind, box,
//! customer and time. The external AAD is the key of the record's row, so a moved record does not
//! verify. The signed bytes are then encrypted under the customer's key.

use ciborium::Value;
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, iana};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, VerifyingKey, verify_batch};
use instored_domain::{
    BoxId, ClaimCode, Consent, Customer, CustomerId, Embedding, ModelId, Order, OrderId, Template,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::error::VaultError;
use crate::record_error::RecordError;
use crate::signing_key::{SigningKey, key_id};

const PAYLOAD_VERSION: u8 = 2;

/// Type that is stored as a signed record.
pub(crate) trait SignedRecord: Sized {
    /// Name of the kind, which is signed with the record.
    const KIND: &'static str;
    /// Part of the payload that is specific to the kind.
    type Body: Serialize + DeserializeOwned;
    fn to_body(&self) -> Self::Body;

    /// Returns the time by which the record index sorts, in microseconds since 1970, or 0 if it does
    /// not.
    fn time(&self) -> i64 {
        0
    }

    /// Returns the record, or `None` if the body is invalid or contains another customer's id.
    fn from_body(customer: CustomerId, body: Self::Body) -> Option<Self>;
}

/// Signed payload of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<B> {
    kind: String,
    version: u8,
    #[serde(rename = "box")]
    box_id: BoxId,
    customer: CustomerId,
    written: Timestamp,
    body: B,
}

/// Box and public keys whose signatures are accepted.
#[derive(Clone, Debug)]
pub(crate) struct TrustedSigners {
    pub(crate) box_id: BoxId,
    pub(crate) keys: Vec<VerifyingKey>,
}

/// Active signing key, and the public keys whose signatures are accepted.
#[derive(Clone, Debug)]
pub(crate) struct Signers {
    pub(crate) active: SigningKey,
    /// Public keys: the active key, and during a rotation also the key that it replaces.
    pub(crate) trusted: TrustedSigners,
}

impl Signers {
    pub(crate) fn new(box_id: BoxId, active: SigningKey, former: Option<&SigningKey>) -> Self {
        let keys = [Some(&active), former].into_iter().flatten();
        let keys = keys.map(SigningKey::verifying_key).collect();
        Self { trusted: TrustedSigners { box_id, keys }, active }
    }

    /// Returns true while a rotation is running.
    pub(crate) fn is_rotating(&self) -> bool {
        self.trusted.keys.len() > 1
    }

    /// Encodes and signs a record of `customer`.
    pub(crate) fn sign<R: SignedRecord>(
        &self,
        aad: &[u8],
        customer: CustomerId,
        record: &R,
        written: Timestamp,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let payload = cbor(&Envelope {
            kind: R::KIND.to_owned(),
            version: PAYLOAD_VERSION,
            box_id: self.trusted.box_id.clone(),
            customer,
            written,
            body: record.to_body(),
        })?;
        self.sign_payload(aad, &payload)
    }

    /// Signs a payload as `COSE_Sign1`.
    pub(crate) fn sign_payload(
        &self,
        aad: &[u8],
        payload: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let protected = HeaderBuilder::new()
            .algorithm(iana::Algorithm::EdDSA)
            .key_id(self.active.id().to_vec())
            .build();
        let signed = CoseSign1Builder::new()
            .protected(protected)
            .payload(payload.to_vec())
            .create_signature(aad, |message| self.active.sign(message).to_vec())
            .build();
        let bytes = signed.to_vec().map_err(|e| VaultError::Encode(e.to_string()))?;
        Ok(Zeroizing::new(bytes))
    }
}

impl TrustedSigners {
    /// Decodes a `COSE_Sign1` of a trusted key without verifying its signature.
    pub(crate) fn parse(&self, aad: &[u8], bytes: &[u8]) -> Result<SignedMessage, RecordError> {
        let signed = CoseSign1::from_slice(bytes).map_err(|_| RecordError::Malformed)?;
        let header = &signed.protected.header;
        if header.alg != Some(coset::Algorithm::Assigned(iana::Algorithm::EdDSA))
            || !signed.unprotected.is_empty()
        {
            return Err(RecordError::Malformed);
        }
        let unknown = || {
            let id = header.key_id.get(..8).unwrap_or_default();
            RecordError::UnknownSigner(HEXLOWER.encode(id))
        };
        let mut keys = self.keys.iter();
        let key = *keys.find(|key| header.key_id == key_id(key.as_bytes())).ok_or_else(unknown)?;
        let signature =
            Signature::from_slice(&signed.signature).map_err(|_| RecordError::InvalidSignature)?;
        let message = Zeroizing::new(signed.tbs_data(aad));
        let payload = Zeroizing::new(signed.payload.unwrap_or_default());
        Ok(SignedMessage { key, signature, message, payload_length: payload.len() })
    }

    /// Verifies a `COSE_Sign1` and returns its payload.
    pub(crate) fn verify_payload(
        &self,
        aad: &[u8],
        bytes: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        let signed = self.parse(aad, bytes)?;
        signed.verify()?;
        Ok(Zeroizing::new(signed.payload().to_vec()))
    }

    /// Decodes the record of `customer` in a message. The caller must verify the signature.
    pub(crate) fn decode<R: SignedRecord>(
        &self,
        customer: CustomerId,
        signed: &SignedMessage,
    ) -> Result<R, RecordError> {
        let envelope: Envelope<R::Body> =
            ciborium::from_reader(signed.payload()).map_err(|_| RecordError::Malformed)?;
        if envelope.version != PAYLOAD_VERSION {
            return Err(RecordError::UnsupportedFormat(envelope.version));
        }
        if envelope.kind != R::KIND
            || envelope.box_id != self.box_id
            || envelope.customer != customer
        {
            return Err(RecordError::Malformed);
        }
        R::from_body(customer, envelope.body).ok_or(RecordError::Malformed)
    }
}

/// Decoded `COSE_Sign1` with the key that verifies it.
pub(crate) struct SignedMessage {
    key: VerifyingKey,
    signature: Signature,
    /// Signed bytes. The payload is at their end.
    message: Zeroizing<Vec<u8>>,
    payload_length: usize,
}

impl SignedMessage {
    pub(crate) fn payload(&self) -> &[u8] {
        &self.message[self.message.len() - self.payload_length..]
    }

    /// Verifies the signature strictly: malleable signatures are rejected.
    pub(crate) fn verify(&self) -> Result<(), RecordError> {
        self.key
            .verify_strict(&self.message, &self.signature)
            .map_err(|_| RecordError::InvalidSignature)
    }
}

/// Number of signatures in a batch. A larger batch needs more memory and saves little time.
const BATCH_SIZE: usize = 256;

/// Verifier of signatures in batches, twice as fast as the verification of each one alone.
///
/// A batch rejects every signature that was made without the box's key. It may accept non-canonical
/// signatures that were made with that key; [`SignedMessage::verify`] rejects them.
pub(crate) struct BatchVerifier<T> {
    pending: Vec<(SignedMessage, T)>,
}

impl<T> BatchVerifier<T> {
    pub(crate) fn new() -> Self {
        Self { pending: Vec::with_capacity(BATCH_SIZE) }
    }

    /// Adds a message. When the batch is full, this calls `on_verified` with the result and the
    /// `context` of each message.
    pub(crate) fn push(
        &mut self,
        signed: SignedMessage,
        context: T,
        on_verified: &mut impl FnMut(Result<(), RecordError>, T),
    ) {
        self.pending.push((signed, context));
        if self.pending.len() == BATCH_SIZE {
            self.verify_pending(on_verified);
        }
    }

    /// Verifies the pending messages.
    pub(crate) fn verify_pending(
        &mut self,
        on_verified: &mut impl FnMut(Result<(), RecordError>, T),
    ) {
        let messages: Vec<&[u8]> = self.pending.iter().map(|(s, _)| s.message.as_slice()).collect();
        let signatures: Vec<_> = self.pending.iter().map(|(s, _)| s.signature).collect();
        let keys: Vec<_> = self.pending.iter().map(|(s, _)| s.key).collect();
        let is_batch_valid = verify_batch(&messages, &signatures, &keys).is_ok();
        for (signed, context) in self.pending.drain(..) {
            on_verified(if is_batch_valid { Ok(()) } else { signed.verify() }, context);
        }
    }
}

/// Encodes a value as CBOR.
pub(crate) fn cbor(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    ciborium::into_writer(value, &mut *bytes).map_err(|e| VaultError::Encode(e.to_string()))?;
    Ok(bytes)
}

/// Implements [`SignedRecord`] for a type that is stored as its own body and contains a customer
/// id.
macro_rules! own_body {
    ($record:ty, $kind:literal, $customer:ident $(, $time:expr)?) => {
        impl SignedRecord for $record {
            const KIND: &'static str = $kind;
            type Body = Self;

            fn to_body(&self) -> Self {
                self.clone()
            }

            fn from_body(customer: CustomerId, body: Self) -> Option<Self> {
                (body.$customer == customer).then_some(body)
            }

            $(fn time(&self) -> i64 {
                $time(self)
            })?
        }
    };
}
own_body!(Customer, "customer", id);
own_body!(Consent, "consent", customer);
own_body!(Order, "order", customer, |order: &Order| order.placed.timestamp().as_microsecond());

/// Body of a template; the embedding is a byte string of little-endian f32.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateBody {
    model: ModelId,
    sequence: u32,
    created: Timestamp,
    embedding: Value,
}

impl Drop for TemplateBody {
    fn drop(&mut self) {
        if let Value::Bytes(bytes) = &mut self.embedding {
            bytes.zeroize();
        }
    }
}

impl SignedRecord for Template {
    const KIND: &'static str = "template";
    type Body = TemplateBody;

    fn to_body(&self) -> TemplateBody {
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

/// Claim code of a customer and the time at which it expires.
#[derive(Debug, PartialEq)]
pub(crate) struct Claim {
    pub(crate) code: ClaimCode,
    pub(crate) expires: Timestamp,
}

impl SignedRecord for Claim {
    const KIND: &'static str = "claim";
    type Body = (ClaimCode, Timestamp);

    fn to_body(&self) -> Self::Body {
        (self.code, self.expires)
    }

    fn from_body(_: CustomerId, (code, expires): Self::Body) -> Option<Self> {
        Some(Self { code, expires })
    }
}

/// Id of an order that another order replaced.
pub(crate) struct ReplacedOrder(pub(crate) OrderId);

impl SignedRecord for ReplacedOrder {
    const KIND: &'static str = "replaced order";
    type Body = OrderId;

    fn to_body(&self) -> OrderId {
        self.0.clone()
    }

    fn from_body(_: CustomerId, body: OrderId) -> Option<Self> {
        Some(Self(body))
    }
}
