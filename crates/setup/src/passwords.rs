//! Passwords of the accounts, the token of the page, and the broker's file of password hashes.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::error::{SetupError, file_error};

/// Random bytes of a secret: 160 bits, 32 characters.
const SECRET_BYTES: usize = 20;
/// Accepted lengths of a secret that somebody chose.
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 16..=128;
/// Program of the package mosquitto that replaces passwords by their hashes.
const PASSWORD_PROGRAM: &str = "mosquitto_passwd";

/// Returns the secret in a file, or a new one if the file does not exist.
pub(super) fn read_or_create(path: &Path) -> Result<Zeroizing<String>, SetupError> {
    match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => {
            let secret = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if SECRET_LENGTHS.contains(&secret.len()) && secret.bytes().all(is_allowed) {
                Ok(secret)
            } else {
                Err(SetupError::InvalidSecret(path.to_owned()))
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(),
        Err(error) => Err(file_error("read", path)(error)),
    }
}

fn create() -> Result<Zeroizing<String>, SetupError> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(bytes.as_mut())?;
    Ok(Zeroizing::new(BASE32_NOPAD.encode(bytes.as_ref()).to_lowercase()))
}

/// Returns the names in a file of password hashes.
pub(super) fn account_names(hashes: &str) -> Vec<&str> {
    hashes.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect()
}

/// Returns the broker's file with a hash of each account's password. The passwords are in a private
/// temporary file, not in the arguments of the program, which other users can read.
pub(super) fn hash<'a>(
    passwords: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<u8>, SetupError> {
    let mut file = tempfile::NamedTempFile::new()
        .map_err(file_error("create a file in", &std::env::temp_dir()))?;
    let path = file.path().to_owned();
    for (account, password) in passwords {
        writeln!(file, "{account}:{password}").map_err(file_error("write", &path))?;
    }
    let output = Command::new(PASSWORD_PROGRAM)
        .arg("-U")
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| SetupError::PasswordProgram(error.to_string()))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(SetupError::PasswordProgram(message));
    }
    fs::read(&path).map_err(file_error("read", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_read_or_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let (first, second) = (read_or_create(&path).unwrap(), read_or_create(&path).unwrap());
        assert!(first.len() == 32 && first != second);
        fs::write(&path, "a-password-of-the-shop\n").unwrap();
        assert_eq!(*read_or_create(&path).unwrap(), "a-password-of-the-shop");
        for invalid in ["", "short\n", "two-lines-of-text\nsecond-line\n", "colon:colon:colon:\n"] {
            fs::write(&path, invalid).unwrap();
            assert!(read_or_create(&path).is_err(), "{invalid:?}");
        }
    }
}
