//! Check that mosquitto has no configuration of listeners and accounts besides that of the set-up.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{SetupError, file_error};
use super::layout::Layout;

/// Directives that decide who can connect and what a client may do.
const DIRECTIVES: [&str; 18] = [
    "acl_file",
    "allow_anonymous",
    "auth_plugin",
    "bind_address",
    "bind_interface",
    "clientid_prefixes",
    "global_plugin",
    "listener",
    "password_file",
    "per_listener_settings",
    "plugin",
    "port",
    "psk_file",
    "require_certificate",
    "use_identity_as_username",
    "use_subject_as_username",
    "use_username_as_clientid",
    "user",
];
/// Value of `user` that the packages use.
const BROKER_USER: &str = "mosquitto";

/// Checks the configuration of the broker, without the file of the set-up.
pub(super) fn check(layout: &Layout) -> Result<(), SetupError> {
    let (main, folder) = (layout.broker_main_configuration(), layout.broker_configuration_folder());
    let mut files = vec![main.clone()];
    let mut folders = vec![folder.clone()];
    if let Some(text) = read(&main)? {
        let included: Vec<_> = directives(&text)
            .filter(|(_, name, _)| *name == "include_dir")
            .map(|(_, _, value)| PathBuf::from(value))
            .collect();
        if !included.contains(&folder) {
            return Err(SetupError::NotIncluded { path: main, folder });
        }
        folders.extend(included.into_iter().filter(|included| *included != folder));
    }
    for folder in folders {
        files.extend(configuration_files(&folder)?);
    }
    files.retain(|path| *path != layout.broker_configuration());
    files.iter().try_for_each(|path| check_file(path))
}

fn check_file(path: &Path) -> Result<(), SetupError> {
    let Some(text) = read(path)? else { return Ok(()) };
    let foreign = directives(&text).find(|(_, name, value)| {
        DIRECTIVES.contains(name) && !(*name == "user" && *value == BROKER_USER)
    });
    match foreign {
        Some((line, name, _)) => Err(SetupError::ForeignConfiguration {
            path: path.to_owned(),
            line,
            directive: name.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Returns the directives of a configuration: line number from 1, name and value.
fn directives(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(at, line)| {
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        (at, name, value.trim())
    })
}

fn configuration_files(folder: &Path) -> Result<Vec<PathBuf>, SetupError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(file_error("read", folder))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>().map_err(file_error("read", folder))?;
    paths.retain(|path| path.extension() == Some(OsStr::new("conf")));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Option<String>, SetupError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_have_line_numbers_and_values() {
        let text = "# listener 1\n\n  listener\t1883 0.0.0.0\nallow_anonymous\n";
        let found: Vec<_> = directives(text).collect();
        assert_eq!(found, [(3, "listener", "1883 0.0.0.0"), (4, "allow_anonymous", "")]);
    }
}
