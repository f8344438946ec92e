//! List of the files that the set-up wrote, with the options of the set-up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{SetupError, file_error};

const HEADER: &str =
    "# Written by `instored setup`, which needs this list to repeat and to undo the set-up.\n";

/// Content of the list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// Number of displays.
    pub displays: u16,
    /// Number of tills.
    pub tills: u16,
    /// Addresses of this machine by which other machines reach the broker.
    pub remote: Vec<String>,
    /// Last day of the broker's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_expires: Option<Date>,
    /// Public key of the box that the display trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub box_key: Option<String>,
    /// Folders that the set-up created.
    pub(super) folders: BTreeSet<PathBuf>,
    /// SHA-256 digests of each written file. There are two while a set-up is in progress.
    pub(super) files: BTreeMap<PathBuf, String>,
}

impl Record {
    /// Reads the list. Returns `None` if nothing is set up.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn load(path: &Path) -> Result<Option<Self>, SetupError> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(file_error("read", path))?,
        };
        let record = toml::from_str(&text).map_err(|error| SetupError::InvalidRecord {
            path: path.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        Ok(Some(record))
    }

    /// Returns true if the set-up wrote this content to the file.
    pub(super) fn is_written(&self, path: &Path, content: &[u8]) -> bool {
        let digest = digest(content);
        self.files.get(path).is_some_and(|digests| digests.split(' ').any(|known| known == digest))
    }

    /// Adds a file with this content. Keeps the digest of a previous content if `keeps_previous`.
    pub(super) fn add(&mut self, path: &Path, content: &[u8], keeps_previous: bool) {
        let digest = digest(content);
        let digests = self.files.entry(path.to_owned()).or_default();
        if !keeps_previous || digests.is_empty() {
            *digests = digest;
        } else if !digests.split(' ').any(|known| known == digest) {
            *digests = format!("{digests} {digest}");
        }
    }

    /// Returns the list as text.
    pub(super) fn to_text(&self) -> Result<String, SetupError> {
        let text = toml::to_string(self).map_err(|error| SetupError::InvalidRecord {
            path: PathBuf::from("setup.toml"),
            reason: error.to_string(),
        })?;
        Ok(format!("{HEADER}{text}"))
    }
}

fn digest(content: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(content))
}
