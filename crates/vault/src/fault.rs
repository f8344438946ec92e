//! What is wrong with a record.

/// Why a record is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordFault {
    #[error("it has a format ({0}) that this version cannot read")]
    Format(u8),
    #[error("it is no record of its kind")]
    Malformed,
    #[error("it does not open with its key: it was changed, moved, or belongs to another vault")]
    Sealed,
    #[error("it is signed with another key ({0})")]
    ForeignKey(String),
    #[error("its signature does not hold")]
    Signature,
    #[error("it was changed")]
    Mac,
    #[error("it is not the one that was written last")]
    Stale,
    #[error("it is gone, and nobody removed it")]
    Missing,
    #[error("it was put there by somebody else")]
    Planted,
}
