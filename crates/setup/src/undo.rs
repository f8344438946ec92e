//! Removal of a set-up.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::error::{SetupError, file_error};
use super::layout::Layout;
use super::record::Record;

/// Result of the removal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UndoReport {
    /// Deleted files.
    pub deleted: Vec<PathBuf>,
    /// Files that were changed since the set-up wrote them.
    pub edited: Vec<PathBuf>,
    /// Files that a changed file names, and which it therefore still needs.
    pub needed: Vec<PathBuf>,
}

/// Deletes the files that the set-up wrote. Keeps those that were changed since, and those that a kept file
/// names. Returns `None` if nothing is set up.
///
/// # Errors
/// A file cannot be read or deleted. The removal can be repeated.
pub fn undo(layout: &Layout) -> Result<Option<UndoReport>, SetupError> {
    let Some(record) = Record::load(&layout.record())? else { return Ok(None) };
    let mut report = UndoReport::default();
    let mut edited_text = String::new();
    let mut unchanged = Vec::new();
    for path in record.files.keys() {
        match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(file_error("read", path)(error)),
            Ok(content) if record.is_written(path, &content) => unchanged.push(path.clone()),
            Ok(content) => {
                edited_text += &String::from_utf8_lossy(&content);
                edited_text.push('\n');
                report.edited.push(path.clone());
            }
        }
    }
    let is_needed = |path: &PathBuf| {
        let name = path.display().to_string();
        edited_text.split([' ', '\t', '\n', '\r', ':', '=']).any(|word| word == name)
    };
    (report.needed, report.deleted) = unchanged.into_iter().partition(is_needed);
    // Configuration is deleted before the files that it names, so that an interruption leaves no
    // configuration that names a missing file.
    let configuration = layout.broker_configuration();
    report.deleted.sort_by_key(|path| {
        *path != configuration && path.file_name().is_none_or(|name| name != "setup.conf")
    });
    for path in &report.deleted {
        fs::remove_file(path).map_err(file_error("delete", path))?;
    }
    fs::remove_file(layout.record()).map_err(file_error("delete", &layout.record()))?;
    for folder in record.folders.iter().rev() {
        // The call fails if a file was added.
        let _ = fs::remove_dir(folder);
    }
    Ok(Some(report))
}
