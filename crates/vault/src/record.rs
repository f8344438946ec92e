//! One record, from a value to bytes and back: the seam at which records are signed and verified.
//!
//! A record is a `COSE_Sign1` (RFC 9052, `EdDSA`) over a CBOR payload that says what it is, whose,
//! of which box and of when; its place in the vault is its external additional data, so that a
//! record that was moved does not verify. What is signed is then sealed under its customer's key.

use ciborium::Value;
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, iana};
use ed25519_dalek::{Signature, VerifyingKey, verify_batch};
use instored_domain::{
    BoxId, ClaimCode, Consent, Customer, CustomerId, Embedding, ModelId, Order, OrderId, Template,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::box_key::{BoxKey, hex, key_id};
use super::error::VaultError;
use super::fault::RecordFault;

const PAYLOAD_VERSION: u8 = 2;

/// A kind of record that is signed.
pub(super) trait Kind: Sized {
    /// Its name, which is signed with the record.
    const KIND: &'static str;
    /// What stands in the payload beside the customer.
    type Body: Serialize + DeserializeOwned;
    fn body(&self) -> Self::Body;
    fn from_body(customer: CustomerId, body: Self::Body) -> Option<Self>;
}

/// What is signed.
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

/// Whose signatures are believed, on records of which box.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    pub(super) box_id: BoxId,
    pub(super) keys: Vec<VerifyingKey>,
}

/// Who signs, and who may have signed.
#[derive(Clone, Debug)]
pub(super) struct Signers {
    pub(super) active: BoxKey,
    /// The active key, and the one that a rotation is replacing.
    pub(super) trust: Trust,
}

impl Signers {
    pub(super) fn new(box_id: BoxId, active: BoxKey, former: Option<&BoxKey>) -> Self {
        let keys = [Some(&active), former].into_iter().flatten().map(BoxKey::verifying).collect();
        Self { trust: Trust { box_id, keys }, active }
    }

    /// Whether a rotation is under way.
    pub(super) fn are_changing(&self) -> bool {
        self.trust.keys.len() > 1
    }

    /// The signed bytes of `record` of `customer` at `place`.
    pub(super) fn sign<K: Kind>(
        &self,
        place: &[u8],
        customer: CustomerId,
        record: &K,
        written: Timestamp,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let payload = cbor(&Envelope {
            kind: K::KIND.to_owned(),
            version: PAYLOAD_VERSION,
            box_id: self.trust.box_id.clone(),
            customer,
            written,
            body: record.body(),
        })?;
        self.sign_payload(place, &payload)
    }

    /// The `COSE_Sign1` over any payload.
    pub(super) fn sign_payload(
        &self,
        place: &[u8],
        payload: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let protected = HeaderBuilder::new()
            .algorithm(iana::Algorithm::EdDSA)
            .key_id(self.active.key_id_bytes().to_vec())
            .build();
        let signed = CoseSign1Builder::new()
            .protected(protected)
            .payload(payload.to_vec())
            .create_signature(place, |message| self.active.sign(message).to_vec())
            .build();
        let bytes = signed.to_vec().map_err(|e| VaultError::Encode(e.to_string()))?;
        Ok(Zeroizing::new(bytes))
    }
}

impl Trust {
    /// Takes signed bytes apart, without verifying them yet.
    pub(super) fn parse(&self, place: &[u8], bytes: &[u8]) -> Result<Signed, RecordFault> {
        let signed = CoseSign1::from_slice(bytes).map_err(|_| RecordFault::Malformed)?;
        let header = &signed.protected.header;
        if header.alg != Some(coset::Algorithm::Assigned(iana::Algorithm::EdDSA))
            || !signed.unprotected.is_empty()
        {
            return Err(RecordFault::Malformed);
        }
        let key =
            *self.keys.iter().find(|key| header.key_id == key_id(key.as_bytes())).ok_or_else(
                || RecordFault::ForeignKey(hex(header.key_id.get(..8).unwrap_or_default())),
            )?;
        let signature =
            Signature::from_slice(&signed.signature).map_err(|_| RecordFault::Signature)?;
        let message = Zeroizing::new(signed.tbs_data(place));
        let payload = Zeroizing::new(signed.payload.unwrap_or_default());
        Ok(Signed { key, signature, message, payload_length: payload.len() })
    }

    /// The payload of signed bytes that verify.
    pub(super) fn verify_payload(
        &self,
        place: &[u8],
        bytes: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RecordFault> {
        let signed = self.parse(place, bytes)?;
        signed.verify()?;
        Ok(Zeroizing::new(signed.payload().to_vec()))
    }

    /// The record in a payload that has been, or is going to be, verified.
    pub(super) fn read<K: Kind>(
        &self,
        customer: CustomerId,
        signed: &Signed,
    ) -> Result<K, RecordFault> {
        let envelope: Envelope<K::Body> =
            ciborium::from_reader(signed.payload()).map_err(|_| RecordFault::Malformed)?;
        if envelope.version != PAYLOAD_VERSION {
            return Err(RecordFault::Format(envelope.version));
        }
        if envelope.kind != K::KIND
            || envelope.box_id != self.box_id
            || envelope.customer != customer
        {
            return Err(RecordFault::Malformed);
        }
        K::from_body(customer, envelope.body).ok_or(RecordFault::Malformed)
    }
}

/// A signature with all that is needed to verify it.
pub(super) struct Signed {
    key: VerifyingKey,
    signature: Signature,
    /// What the signature is over; the payload is its end.
    message: Zeroizing<Vec<u8>>,
    payload_length: usize,
}

impl Signed {
    pub(super) fn payload(&self) -> &[u8] {
        &self.message[self.message.len() - self.payload_length..]
    }

    /// Malleable signatures do not verify.
    pub(super) fn verify(&self) -> Result<(), RecordFault> {
        self.key.verify_strict(&self.message, &self.signature).map_err(|_| RecordFault::Signature)
    }
}

/// Signatures in a batch: enough that the shared work is paid, few enough to hold in memory.
const BATCH: usize = 256;

/// Verifies many signatures at once, which takes half the time, and says of each whether it holds.
///
/// A batch accepts no signature of anyone without the box's key, as verifying one by one does; what
/// it may accept beyond the strict rule are signatures that the box's own key made crookedly.
pub(super) struct Batch<T> {
    waiting: Vec<(Signed, T)>,
}

impl<T> Batch<T> {
    pub(super) fn new() -> Self {
        Self { waiting: Vec::with_capacity(BATCH) }
    }

    /// Takes one more; when the batch is full, each of it goes to `done`.
    pub(super) fn push(
        &mut self,
        signed: Signed,
        what: T,
        done: &mut impl FnMut(Result<(), RecordFault>, T),
    ) {
        self.waiting.push((signed, what));
        if self.waiting.len() == BATCH {
            self.finish(done);
        }
    }

    /// Verifies what waits.
    pub(super) fn finish(&mut self, done: &mut impl FnMut(Result<(), RecordFault>, T)) {
        let messages: Vec<&[u8]> = self.waiting.iter().map(|(s, _)| s.message.as_slice()).collect();
        let signatures: Vec<_> = self.waiting.iter().map(|(s, _)| s.signature).collect();
        let keys: Vec<_> = self.waiting.iter().map(|(s, _)| s.key).collect();
        let all_hold = verify_batch(&messages, &signatures, &keys).is_ok();
        for (signed, what) in self.waiting.drain(..) {
            done(if all_hold { Ok(()) } else { signed.verify() }, what);
        }
    }
}

pub(super) fn cbor(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    ciborium::into_writer(value, &mut *bytes).map_err(|e| VaultError::Encode(e.to_string()))?;
    Ok(bytes)
}

impl Kind for Customer {
    const KIND: &'static str = "customer";
    type Body = Self;

    fn body(&self) -> Self {
        self.clone()
    }

    fn from_body(customer: CustomerId, body: Self) -> Option<Self> {
        (body.id == customer).then_some(body)
    }
}

impl Kind for Consent {
    const KIND: &'static str = "consent";
    type Body = Self;

    fn body(&self) -> Self {
        self.clone()
    }

    fn from_body(customer: CustomerId, body: Self) -> Option<Self> {
        (body.customer == customer).then_some(body)
    }
}

impl Kind for Order {
    const KIND: &'static str = "order";
    type Body = Self;

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
    const KIND: &'static str = "template";
    type Body = TemplateBody;

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
    pub(super) code: ClaimCode,
    pub(super) expires: Timestamp,
}

impl Kind for Claim {
    const KIND: &'static str = "claim";
    type Body = (ClaimCode, Timestamp);

    fn body(&self) -> Self::Body {
        (self.code, self.expires)
    }

    fn from_body(_: CustomerId, (code, expires): Self::Body) -> Option<Self> {
        Some(Self { code, expires })
    }
}

/// An order id that another order took the place of.
pub(super) struct ReplacedOrder(pub(super) OrderId);

impl Kind for ReplacedOrder {
    const KIND: &'static str = "replaced order";
    type Body = OrderId;

    fn body(&self) -> OrderId {
        self.0.clone()
    }

    fn from_body(_: CustomerId, body: OrderId) -> Option<Self> {
        Some(Self(body))
    }
}
