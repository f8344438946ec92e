//! File encrypted with a passphrase.
//!
//! Argon2id (RFC 9106) derives the key. The STREAM construction of Hoang, Reyhanitabar, Rogaway and
//! Vizár ("Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015)
//! over XChaCha20-Poly1305 encrypts the file in segments. A changed, moved, removed or truncated
//! segment is detected.

use std::io::{self, Read, Write};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::Payload;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::symmetric_key::{KEY_LENGTH, random};

const MAGIC: &[u8; 16] = b"instored backup\x01";
const SALT_LENGTH: usize = 16;
/// Length of the nonce in bytes: 24 for XChaCha20, minus 5 for STREAM's segment counter and
/// last-segment flag.
const NONCE_LENGTH: usize = 19;
/// Length of an encoded [`Argon2Cost`] in bytes: three u32, big-endian.
const COST_LENGTH: usize = 12;
const HEADER_LENGTH: usize = MAGIC.len() + COST_LENGTH + SALT_LENGTH + NONCE_LENGTH;
/// Length of a segment's plaintext in bytes.
const SEGMENT_LENGTH: usize = 64 << 10;
const TAG_LENGTH: usize = 16;
/// Second recommended option of RFC 9106, with one lane because a box has few free CPU cores.
const COST: Argon2Cost = Argon2Cost { memory: 64 << 10, passes: 3, lanes: 1 };
/// Highest accepted parameters (256 MiB), so that a crafted file cannot exhaust the box's memory.
const COST_MAX: Argon2Cost = Argon2Cost { memory: 256 << 10, passes: 16, lanes: 8 };
/// Minimum length of a passphrase in characters.
const PASSPHRASE_LENGTH_MIN: usize = 12;

/// Passphrase of a backup, at least twelve characters. Zeroed on drop; `Debug` redacts it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Creates a passphrase.
    ///
    /// # Errors
    /// If `text` has fewer than twelve characters.
    pub fn new(text: String) -> Result<Self, VaultError> {
        let text = Zeroizing::new(text);
        if text.chars().count() < PASSPHRASE_LENGTH_MIN {
            return Err(VaultError::PassphraseTooShort(PASSPHRASE_LENGTH_MIN));
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Passphrase {
    type Error = VaultError;

    fn try_from(text: String) -> Result<Self, VaultError> {
        Self::new(text)
    }
}

impl From<Passphrase> for String {
    fn from(passphrase: Passphrase) -> Self {
        passphrase.0.to_string()
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase([redacted])")
    }
}

/// Parameters of Argon2id.
#[derive(Clone, Copy)]
struct Argon2Cost {
    /// Memory in KiB.
    memory: u32,
    /// Passes over the memory.
    passes: u32,
    /// Degree of parallelism.
    lanes: u32,
}

/// Unencrypted start of the file. It is the AAD of every segment.
struct Header([u8; HEADER_LENGTH]);

impl Header {
    fn new(cost: Argon2Cost) -> Self {
        let mut bytes = [0; HEADER_LENGTH];
        let (magic, rest) = bytes.split_at_mut(MAGIC.len());
        magic.copy_from_slice(MAGIC);
        let (fields, rest) = rest.split_at_mut(COST_LENGTH);
        for (field, value) in fields.chunks_mut(4).zip([cost.memory, cost.passes, cost.lanes]) {
            field.copy_from_slice(&value.to_be_bytes());
        }
        rest.copy_from_slice(&random::<{ SALT_LENGTH + NONCE_LENGTH }>());
        Self(bytes)
    }

    fn read(from: &mut impl Read) -> Result<Self, VaultError> {
        let mut bytes = [0; HEADER_LENGTH];
        from.read_exact(&mut bytes).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => VaultError::NotABackup,
            _ => file_error("read", e),
        })?;
        let header = Self(bytes);
        let Argon2Cost { memory, passes, lanes } = header.cost();
        let is_allowed =
            memory <= COST_MAX.memory && passes <= COST_MAX.passes && lanes <= COST_MAX.lanes;
        if bytes.starts_with(MAGIC) && is_allowed {
            Ok(header)
        } else {
            Err(VaultError::NotABackup)
        }
    }

    fn cost(&self) -> Argon2Cost {
        let field = |i: usize| {
            let start = MAGIC.len() + 4 * i;
            u32::from_be_bytes(std::array::from_fn(|byte| self.0[start + byte]))
        };
        Argon2Cost { memory: field(0), passes: field(1), lanes: field(2) }
    }

    fn key(&self, passphrase: &Passphrase) -> Result<Zeroizing<[u8; KEY_LENGTH]>, VaultError> {
        let Argon2Cost { memory, passes, lanes } = self.cost();
        let params = Params::new(memory, passes, lanes, Some(KEY_LENGTH))
            .map_err(|_| VaultError::NotABackup)?;
        let salt = &self.0[MAGIC.len() + COST_LENGTH..][..SALT_LENGTH];
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), salt, key.as_mut_slice())
            .map_err(|_| VaultError::NotABackup)?;
        Ok(key)
    }

    fn nonce(&self) -> [u8; NONCE_LENGTH] {
        let mut nonce = [0; NONCE_LENGTH];
        nonce.copy_from_slice(&self.0[HEADER_LENGTH - NONCE_LENGTH..]);
        nonce
    }
}

/// Writer that encrypts bytes and passes them to `to`.
pub(crate) struct EncryptingWriter<'w, W> {
    to: &'w mut W,
    header: Header,
    stream: EncryptorBE32<XChaCha20Poly1305>,
    segment: Zeroizing<Vec<u8>>,
    /// Number of bytes that were written to `to`.
    written: u64,
}

impl<'w, W: Write> EncryptingWriter<'w, W> {
    pub(crate) fn new(to: &'w mut W, passphrase: &Passphrase) -> Result<Self, VaultError> {
        Self::at_cost(to, passphrase, COST)
    }

    /// Creates a writer with a cheap key derivation, because fuzzing needs 100 files per second.
    #[cfg(fuzzing)]
    pub(crate) fn cheap(to: &'w mut W, passphrase: &Passphrase) -> Result<Self, VaultError> {
        Self::at_cost(to, passphrase, Argon2Cost { memory: 8, passes: 1, lanes: 1 })
    }

    fn at_cost(
        to: &'w mut W,
        passphrase: &Passphrase,
        cost: Argon2Cost,
    ) -> Result<Self, VaultError> {
        let header = Header::new(cost);
        to.write_all(&header.0).map_err(|e| file_error("write", e))?;
        let key = header.key(passphrase)?;
        let stream = EncryptorBE32::new(&(*key).into(), &header.nonce().into());
        let segment = Zeroizing::new(Vec::with_capacity(SEGMENT_LENGTH));
        Ok(Self { to, header, stream, segment, written: HEADER_LENGTH as u64 })
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), VaultError> {
        while !bytes.is_empty() {
            if self.segment.len() == SEGMENT_LENGTH {
                let payload = Payload { msg: self.segment.as_slice(), aad: &self.header.0 };
                let encrypted = self.stream.encrypt_next(payload).map_err(|_| too_long_error())?;
                self.to.write_all(&encrypted).map_err(|e| file_error("write", e))?;
                self.written += encrypted.len() as u64;
                self.segment.clear();
            }
            let (first, rest) =
                bytes.split_at(bytes.len().min(SEGMENT_LENGTH - self.segment.len()));
            self.segment.extend_from_slice(first);
            bytes = rest;
        }
        Ok(())
    }

    /// Writes the last segment and returns the length of the file in bytes.
    pub(crate) fn write_last_segment(self) -> Result<u64, VaultError> {
        let payload = Payload { msg: self.segment.as_slice(), aad: &self.header.0 };
        let encrypted = self.stream.encrypt_last(payload).map_err(|_| too_long_error())?;
        self.to
            .write_all(&encrypted)
            .and_then(|()| self.to.flush())
            .map_err(|e| file_error("write", e))?;
        Ok(self.written + encrypted.len() as u64)
    }
}

/// Reader that decrypts a file of [`EncryptingWriter`]. It reads one segment ahead, so that it
/// detects the last segment.
pub(crate) struct DecryptingReader<R> {
    from: R,
    header: Header,
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    /// Encrypted segment that follows `segment`.
    next: Vec<u8>,
    segment: Zeroizing<Vec<u8>>,
    /// Number of bytes of `segment` that the caller has read.
    position: usize,
    is_first: bool,
}

impl<R: Read> DecryptingReader<R> {
    pub(crate) fn new(mut from: R, passphrase: &Passphrase) -> Result<Self, VaultError> {
        let header = Header::read(&mut from)?;
        let key = header.key(passphrase)?;
        let stream = DecryptorBE32::new(&(*key).into(), &header.nonce().into());
        let next = encrypted_segment(&mut from)?;
        let segment = Zeroizing::default();
        Ok(Self { from, header, stream: Some(stream), next, segment, position: 0, is_first: true })
    }

    /// Fills `bytes`, or returns false if the file has no more bytes.
    pub(crate) fn read(&mut self, mut bytes: &mut [u8]) -> Result<bool, VaultError> {
        let mut has_begun = false;
        while !bytes.is_empty() {
            if self.position == self.segment.len() && !self.next_segment()? {
                return if has_begun { Err(VaultError::BackupDamaged) } else { Ok(false) };
            }
            let length = bytes.len().min(self.segment.len() - self.position);
            let (first, rest) = bytes.split_at_mut(length);
            first.copy_from_slice(&self.segment[self.position..self.position + length]);
            self.position += length;
            has_begun |= length > 0;
            bytes = rest;
        }
        Ok(true)
    }

    /// Decrypts the next segment, or returns false if there is none.
    fn next_segment(&mut self) -> Result<bool, VaultError> {
        let Some(mut stream) = self.stream.take() else { return Ok(false) };
        let next = encrypted_segment(&mut self.from)?;
        let payload = Payload { msg: &self.next, aad: &self.header.0 };
        let decrypted = if next.is_empty() {
            stream.decrypt_last(payload)
        } else {
            let decrypted = stream.decrypt_next(payload);
            self.stream = Some(stream);
            decrypted
        };
        let error =
            if self.is_first { VaultError::WrongPassphrase } else { VaultError::BackupDamaged };
        self.segment = Zeroizing::new(decrypted.map_err(|_| error)?);
        (self.next, self.position, self.is_first) = (next, 0, false);
        Ok(true)
    }
}

fn encrypted_segment(from: &mut impl Read) -> Result<Vec<u8>, VaultError> {
    let mut segment = Vec::new();
    from.take((SEGMENT_LENGTH + TAG_LENGTH) as u64)
        .read_to_end(&mut segment)
        .map_err(|e| file_error("read", e))?;
    Ok(segment)
}

fn file_error(action: &'static str, source: io::Error) -> VaultError {
    VaultError::BackupFile { action, source }
}

/// Returns the error for a file with more than 2^32 segments (256 TiB), which STREAM cannot count.
fn too_long_error() -> VaultError {
    file_error("write", io::Error::from(io::ErrorKind::FileTooLarge))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.into()).unwrap()
    }

    fn encrypted(length: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = EncryptingWriter::new(&mut file, &passphrase("correct horse")).unwrap();
        for chunk in vec![7; length].chunks(1000) {
            writer.write(chunk).unwrap();
        }
        assert_eq!(writer.write_last_segment().unwrap(), file.len() as u64);
        file
    }

    fn decrypted_length(file: &[u8], text: &str) -> Result<usize, VaultError> {
        let mut reader = DecryptingReader::new(file, &passphrase(text))?;
        let (mut byte, mut length) = ([0], 0);
        while reader.read(&mut byte)? {
            assert_eq!(byte, [7]);
            length += 1;
        }
        Ok(length)
    }

    #[test]
    fn encrypted_file_opens_only_with_its_passphrase() {
        for length in [0, 1, SEGMENT_LENGTH, SEGMENT_LENGTH + 1, 3 * SEGMENT_LENGTH] {
            let file = encrypted(length);
            assert_eq!(decrypted_length(&file, "correct horse").unwrap(), length);
        }
        let error = decrypted_length(&encrypted(9), "correct house").unwrap_err();
        assert!(matches!(error, VaultError::WrongPassphrase));
        assert!(matches!(Passphrase::new("short".into()), Err(VaultError::PassphraseTooShort(_))));
    }

    #[test]
    fn truncated_changed_or_reordered_file_is_rejected() {
        let file = encrypted(2 * SEGMENT_LENGTH + 5);
        let segment = SEGMENT_LENGTH + TAG_LENGTH;
        for cut in [10, HEADER_LENGTH, HEADER_LENGTH + 9, HEADER_LENGTH + segment, file.len() - 1] {
            assert!(decrypted_length(&file[..cut], "correct horse").is_err(), "cut at {cut}");
        }
        for at in [0, 17, 30, HEADER_LENGTH + 1, HEADER_LENGTH + segment + 1, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(decrypted_length(&changed, "correct horse").is_err(), "changed at {at}");
        }
        let mut swapped = file.clone();
        let (first, second) = swapped[HEADER_LENGTH..].split_at_mut(segment);
        first.swap_with_slice(&mut second[..segment]);
        assert!(decrypted_length(&swapped, "correct horse").is_err());
        let longer = [file.as_slice(), b"x"].concat();
        assert!(decrypted_length(&longer, "correct horse").is_err());
    }

    #[test]
    fn file_with_excessive_argon2_memory_is_rejected() {
        let mut file = encrypted(1);
        file[MAGIC.len()..][..4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(decrypted_length(&file, "correct horse"), Err(VaultError::NotABackup)));
    }
}
