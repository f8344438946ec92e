//! Reasons for rejecting a record.

/// Reason for rejecting a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("its format ({0}) is not supported by this version")]
    UnsupportedFormat(u8),
    #[error("its content is malformed")]
    Malformed,
    #[error("it cannot be decrypted: it was changed, moved, or belongs to another vault")]
    Decryption,
    #[error("it is signed with an unknown key ({0})")]
    UnknownSigner(String),
    #[error("its signature is invalid")]
    InvalidSignature,
    #[error("its checksum (MAC) is invalid: it was changed")]
    InvalidMac,
    #[error("it is older than the last version that the box wrote")]
    Stale,
    #[error("it is missing, although the box did not remove it")]
    Missing,
    #[error("it is not in the list of records: the box did not write it")]
    Unlisted,
}
