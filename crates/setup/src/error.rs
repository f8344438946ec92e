//! Errors of the set-up.

use std::io;
use std::path::{Path, PathBuf};

/// Error of the set-up. Nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The broker has another configuration of listeners or accounts.
    #[error(
        "{}, line {line}: mosquitto has a configuration of its own (`{directive}`), which `instored setup` \
         does not change: remove this line, or move the file out of the folder; or keep it, and add \
         the accounts yourself as docs/integration.md describes",
        path.display()
    )]
    ForeignConfiguration {
        /// Configuration file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// First word of the line.
        directive: String,
    },
    /// The broker does not read its folder of additional configuration.
    #[error(
        "{} does not read the folder {}: add the line `include_dir {}`",
        path.display(),
        folder.display(),
        folder.display()
    )]
    NotIncluded {
        /// Main configuration file.
        path: PathBuf,
        /// Folder of the additional configuration.
        folder: PathBuf,
    },
    /// A file exists that the set-up did not write.
    #[error(
        "{} exists, but `instored setup` did not write it: move it away, and run `instored setup` again",
        .0.display()
    )]
    ForeignFile(PathBuf),
    /// A file was changed since the set-up wrote it.
    #[error(
        "{} was changed since `instored setup` wrote it: move it away, and run `instored setup` again",
        .0.display()
    )]
    EditedFile(PathBuf),
    /// A file of a password or token has a content that cannot be used.
    #[error(
        "{} has no usable secret: write one line of 16 to 128 letters, digits, `-` and `_`, or delete the \
         file for a new secret",
        .0.display()
    )]
    InvalidSecret(PathBuf),
    /// The prefix of Home Assistant cannot be part of an access rule.
    #[error(
        "mqtt.home_assistant_prefix = {0:?} cannot be part of an access rule: remove wildcards and spaces \
         at its ends"
    )]
    InvalidPrefix(String),
    /// An address cannot be part of a certificate.
    #[error(
        "`{0}` is no IP address and no host name: give the address of this machine in the shop's network"
    )]
    InvalidAddress(String),
    /// The list of written files cannot be read.
    #[error("cannot read {}: {reason}; restore it from a backup", path.display())]
    InvalidRecord {
        /// Path of the list.
        path: PathBuf,
        /// Reason.
        reason: String,
    },
    /// A certificate cannot be created.
    #[error("cannot create a certificate for the broker: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The broker's program for passwords failed.
    #[error("mosquitto_passwd failed: {0}; install it with `sudo apt install mosquitto`")]
    PasswordProgram(String),
    /// The system has no random numbers.
    #[error("the system provides no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// Verb.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// Returns a function that converts an error of the operating system.
pub(super) fn file_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> SetupError {
    move |source| SetupError::File { action, path: path.to_owned(), source }
}
