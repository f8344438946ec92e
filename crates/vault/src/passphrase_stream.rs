//! A file that opens with a passphrase alone: Argon2id (RFC 9106) makes the key, and the STREAM
//! construction of Hoang, Reyhanitabar, Rogaway and Vizár ("Online Authenticated-Encryption and its
//! Nonce-Reuse Misuse-Resistance", CRYPTO 2015) over XChaCha20-Poly1305 seals it piece by piece, so
//! that pieces cannot be changed, moved, dropped or cut off.

use std::io::{self, Read, Write};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::Payload;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::VaultError;
use super::secret::{KEY_LENGTH, random};

const MAGIC: &[u8; 16] = b"instored backup\x01";
const SALT_LENGTH: usize = 16;
/// XChaCha20's 24 bytes without STREAM's counter and mark of the end.
const NONCE_LENGTH: usize = 19;
const HEADER_LENGTH: usize = MAGIC.len() + 12 + SALT_LENGTH + NONCE_LENGTH;
const PIECE_LENGTH: usize = 64 << 10;
const TAG_LENGTH: usize = 16;
/// RFC 9106's second recommended choice, with one lane: a box has few cores to spare.
const COST: Cost = Cost { memory: 64 << 10, passes: 3, lanes: 1 };
/// What a file may ask for, so that a crafted one cannot take the box's memory: 256 MiB.
const HIGHEST_COST: Cost = Cost { memory: 256 << 10, passes: 16, lanes: 8 };
const SHORTEST: usize = 12;

/// What a backup is sealed with: at least twelve characters. Zeroed when dropped; does not print.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase.
    ///
    /// # Errors
    /// When it has less than twelve characters.
    pub fn new(text: String) -> Result<Self, VaultError> {
        let text = Zeroizing::new(text);
        if text.chars().count() < SHORTEST {
            return Err(VaultError::Passphrase(SHORTEST));
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

/// Argon2's parameters.
#[derive(Clone, Copy)]
struct Cost {
    /// KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// The clear beginning of a file; every piece is bound to it.
struct Header([u8; HEADER_LENGTH]);

impl Header {
    fn new(cost: Cost) -> Self {
        let mut bytes = [0; HEADER_LENGTH];
        let (magic, rest) = bytes.split_at_mut(MAGIC.len());
        magic.copy_from_slice(MAGIC);
        let (fields, rest) = rest.split_at_mut(12);
        for (field, value) in fields.chunks_mut(4).zip([cost.memory, cost.passes, cost.lanes]) {
            field.copy_from_slice(&value.to_be_bytes());
        }
        rest.copy_from_slice(&random::<{ SALT_LENGTH + NONCE_LENGTH }>());
        Self(bytes)
    }

    fn read(from: &mut impl Read) -> Result<Self, VaultError> {
        let mut bytes = [0; HEADER_LENGTH];
        from.read_exact(&mut bytes).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => VaultError::NoBackup,
            _ => failed("read", e),
        })?;
        let header = Self(bytes);
        let Cost { memory, passes, lanes } = header.cost();
        let allowed = memory <= HIGHEST_COST.memory
            && passes <= HIGHEST_COST.passes
            && lanes <= HIGHEST_COST.lanes;
        if bytes.starts_with(MAGIC) && allowed { Ok(header) } else { Err(VaultError::NoBackup) }
    }

    fn cost(&self) -> Cost {
        let field = |i: usize| {
            let at = MAGIC.len() + 4 * i;
            u32::from_be_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
        };
        Cost { memory: field(0), passes: field(1), lanes: field(2) }
    }

    fn key(&self, passphrase: &Passphrase) -> Result<Zeroizing<[u8; KEY_LENGTH]>, VaultError> {
        let Cost { memory, passes, lanes } = self.cost();
        let params = Params::new(memory, passes, lanes, Some(KEY_LENGTH))
            .map_err(|_| VaultError::NoBackup)?;
        let salt = &self.0[MAGIC.len() + 12..][..SALT_LENGTH];
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), salt, key.as_mut_slice())
            .map_err(|_| VaultError::NoBackup)?;
        Ok(key)
    }

    fn nonce(&self) -> [u8; NONCE_LENGTH] {
        let mut nonce = [0; NONCE_LENGTH];
        nonce.copy_from_slice(&self.0[HEADER_LENGTH - NONCE_LENGTH..]);
        nonce
    }
}

/// Seals what is written.
pub(super) struct Sealing<'w, W> {
    to: &'w mut W,
    header: Header,
    stream: EncryptorBE32<XChaCha20Poly1305>,
    piece: Zeroizing<Vec<u8>>,
    written: u64,
}

impl<'w, W: Write> Sealing<'w, W> {
    pub(super) fn new(to: &'w mut W, passphrase: &Passphrase) -> Result<Self, VaultError> {
        Self::at_cost(to, passphrase, COST)
    }

    /// Opens as any other does, and is quickly made: a hundred times a second is needed for fuzzing.
    #[cfg(fuzzing)]
    pub(super) fn cheap(to: &'w mut W, passphrase: &Passphrase) -> Result<Self, VaultError> {
        Self::at_cost(to, passphrase, Cost { memory: 8, passes: 1, lanes: 1 })
    }

    fn at_cost(to: &'w mut W, passphrase: &Passphrase, cost: Cost) -> Result<Self, VaultError> {
        let header = Header::new(cost);
        to.write_all(&header.0).map_err(|e| failed("write", e))?;
        let key = header.key(passphrase)?;
        let stream = EncryptorBE32::new(&(*key).into(), &header.nonce().into());
        let piece = Zeroizing::new(Vec::with_capacity(PIECE_LENGTH));
        Ok(Self { to, header, stream, piece, written: HEADER_LENGTH as u64 })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), VaultError> {
        while !bytes.is_empty() {
            if self.piece.len() == PIECE_LENGTH {
                let payload = Payload { msg: self.piece.as_slice(), aad: &self.header.0 };
                let sealed = self.stream.encrypt_next(payload).map_err(|_| too_long())?;
                self.to.write_all(&sealed).map_err(|e| failed("write", e))?;
                self.written += sealed.len() as u64;
                self.piece.clear();
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE_LENGTH - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Writes the last piece, and gives back the length of the whole.
    pub(super) fn finish(self) -> Result<u64, VaultError> {
        let payload = Payload { msg: self.piece.as_slice(), aad: &self.header.0 };
        let sealed = self.stream.encrypt_last(payload).map_err(|_| too_long())?;
        self.to
            .write_all(&sealed)
            .and_then(|()| self.to.flush())
            .map_err(|e| failed("write", e))?;
        Ok(self.written + sealed.len() as u64)
    }
}

/// Opens what was sealed. Reads a piece ahead, to know the last one.
pub(super) struct Opening<R> {
    from: R,
    header: Header,
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    ahead: Vec<u8>,
    piece: Zeroizing<Vec<u8>>,
    at: usize,
    first: bool,
}

impl<R: Read> Opening<R> {
    pub(super) fn new(mut from: R, passphrase: &Passphrase) -> Result<Self, VaultError> {
        let header = Header::read(&mut from)?;
        let key = header.key(passphrase)?;
        let stream = DecryptorBE32::new(&(*key).into(), &header.nonce().into());
        let ahead = sealed_piece(&mut from)?;
        let piece = Zeroizing::default();
        Ok(Self { from, header, stream: Some(stream), ahead, piece, at: 0, first: true })
    }

    /// Fills `bytes`. `false`: the end came before the first of them.
    pub(super) fn read(&mut self, mut bytes: &mut [u8]) -> Result<bool, VaultError> {
        let mut begun = false;
        while !bytes.is_empty() {
            if self.at == self.piece.len() && !self.next_piece()? {
                return if begun { Err(VaultError::BackupDamaged) } else { Ok(false) };
            }
            let length = bytes.len().min(self.piece.len() - self.at);
            let (now, later) = bytes.split_at_mut(length);
            now.copy_from_slice(&self.piece[self.at..self.at + length]);
            self.at += length;
            begun |= length > 0;
            bytes = later;
        }
        Ok(true)
    }

    fn next_piece(&mut self) -> Result<bool, VaultError> {
        let Some(mut stream) = self.stream.take() else { return Ok(false) };
        let next = sealed_piece(&mut self.from)?;
        let payload = Payload { msg: &self.ahead, aad: &self.header.0 };
        let opened = if next.is_empty() {
            stream.decrypt_last(payload)
        } else {
            let opened = stream.decrypt_next(payload);
            self.stream = Some(stream);
            opened
        };
        let wrong = if self.first { VaultError::BackupLocked } else { VaultError::BackupDamaged };
        self.piece = Zeroizing::new(opened.map_err(|_| wrong)?);
        (self.ahead, self.at, self.first) = (next, 0, false);
        Ok(true)
    }
}

fn sealed_piece(from: &mut impl Read) -> Result<Vec<u8>, VaultError> {
    let mut sealed = Vec::new();
    from.take((PIECE_LENGTH + TAG_LENGTH) as u64)
        .read_to_end(&mut sealed)
        .map_err(|e| failed("read", e))?;
    Ok(sealed)
}

fn failed(doing: &'static str, source: io::Error) -> VaultError {
    VaultError::BackupFile { doing, source }
}

/// STREAM counts 2^32 pieces: 256 TiB.
fn too_long() -> VaultError {
    failed("write", io::Error::from(io::ErrorKind::FileTooLarge))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.into()).unwrap()
    }

    fn sealed(length: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut sealing = Sealing::new(&mut file, &passphrase("correct horse")).unwrap();
        for chunk in vec![7; length].chunks(1000) {
            sealing.write(chunk).unwrap();
        }
        assert_eq!(sealing.finish().unwrap(), file.len() as u64);
        file
    }

    fn opened(file: &[u8], words: &str) -> Result<usize, VaultError> {
        let mut opening = Opening::new(file, &passphrase(words))?;
        let (mut byte, mut length) = ([0], 0);
        while opening.read(&mut byte)? {
            assert_eq!(byte, [7]);
            length += 1;
        }
        Ok(length)
    }

    #[test]
    fn what_was_sealed_comes_back_with_the_passphrase_alone() {
        for length in [0, 1, PIECE_LENGTH, PIECE_LENGTH + 1, 3 * PIECE_LENGTH] {
            let file = sealed(length);
            assert_eq!(opened(&file, "correct horse").unwrap(), length);
        }
        let error = opened(&sealed(9), "correct house").unwrap_err();
        assert!(matches!(error, VaultError::BackupLocked));
        assert!(matches!(Passphrase::new("short".into()), Err(VaultError::Passphrase(_))));
    }

    #[test]
    fn nothing_can_be_cut_off_changed_or_moved() {
        let file = sealed(2 * PIECE_LENGTH + 5);
        let piece = PIECE_LENGTH + TAG_LENGTH;
        for cut in [10, HEADER_LENGTH, HEADER_LENGTH + 9, HEADER_LENGTH + piece, file.len() - 1] {
            assert!(opened(&file[..cut], "correct horse").is_err(), "cut at {cut}");
        }
        for at in [0, 17, 30, HEADER_LENGTH + 1, HEADER_LENGTH + piece + 1, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, "correct horse").is_err(), "changed at {at}");
        }
        let mut swapped = file.clone();
        let (first, second) = swapped[HEADER_LENGTH..].split_at_mut(piece);
        first.swap_with_slice(&mut second[..piece]);
        assert!(opened(&swapped, "correct horse").is_err());
        let longer = [file.as_slice(), b"x"].concat();
        assert!(opened(&longer, "correct horse").is_err());
    }

    #[test]
    fn a_file_that_asks_for_much_memory_is_no_backup() {
        let mut file = sealed(1);
        file[MAGIC.len()..][..4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(opened(&file, "correct horse"), Err(VaultError::NoBackup)));
    }
}
