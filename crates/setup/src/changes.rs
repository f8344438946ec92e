//! Change of several files: either all of them are written, or none.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Gid;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::error::{SetupError, file_error};

/// Prefix of temporary files. A file with this prefix is left over from an interrupted set-up.
const TEMPORARY_PREFIX: &str = ".instored-setup-";
const GROUP_FILE: &str = "/etc/group";
/// Group of the broker's process.
const BROKER_GROUP: &str = "mosquitto";

/// Readers of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Readers {
    /// Everybody.
    All,
    /// The owner.
    Owner,
    /// The owner and the broker.
    Broker,
}

/// File with its planned content.
pub(super) struct PlannedFile {
    pub path: PathBuf,
    pub content: Zeroizing<Vec<u8>>,
    pub readers: Readers,
    /// Readers of the folder, if it does not exist yet.
    pub folder_readers: Readers,
}

/// Written files, with their previous contents.
pub struct Applied {
    previous: Vec<(PathBuf, Option<PreviousFile>)>,
    folders: Vec<PathBuf>,
}

struct PreviousFile {
    content: Zeroizing<Vec<u8>>,
    mode: u32,
    group: u32,
}

impl Readers {
    fn file_mode(self) -> u32 {
        match self {
            Self::All => 0o644,
            Self::Owner => 0o600,
            Self::Broker => 0o640,
        }
    }

    fn folder_mode(self) -> u32 {
        match self {
            Self::All => 0o755,
            Self::Owner => 0o700,
            Self::Broker => 0o750,
        }
    }

    /// Returns the group of a file or folder, or `None` for the group of the process. Only root can give
    /// a file to the group of the broker.
    fn group(self) -> Option<Gid> {
        let is_root = rustix::process::geteuid().is_root();
        if self == Self::Broker && is_root { broker_group() } else { None }
    }
}

impl PlannedFile {
    /// Returns true if the file exists with this content and these readers.
    pub fn is_in_place(&self) -> bool {
        let Ok(metadata) = fs::symlink_metadata(&self.path) else { return false };
        let has_group = self.readers.group().is_none_or(|group| metadata.gid() == group.as_raw());
        metadata.is_file()
            && metadata.permissions().mode() & 0o777 == self.readers.file_mode()
            && has_group
            && fs::read(&self.path).is_ok_and(|content| content == *self.content)
    }
}

/// Writes the files in this order. After an error, all files have their previous content.
pub(super) fn apply(files: &[&PlannedFile]) -> Result<Applied, SetupError> {
    let mut applied = Applied { previous: Vec::new(), folders: Vec::new() };
    match applied.write_all(files) {
        Ok(()) => Ok(applied),
        Err(error) => {
            // The first error is the one to report.
            let _ = applied.roll_back();
            Err(error)
        }
    }
}

/// Returns the folders of these files that do not exist, parents first.
pub(super) fn missing_folders(files: &[PlannedFile]) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> = files
        .iter()
        .flat_map(|file| file.path.ancestors().skip(1))
        .filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_owned)
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

impl Applied {
    /// Restores the previous content of all files, and deletes files and folders that did not exist.
    ///
    /// # Errors
    /// A file cannot be restored. The others are restored.
    pub fn roll_back(self) -> Result<(), SetupError> {
        let mut result = Ok(());
        for (path, previous) in self.previous.into_iter().rev() {
            let restored = match previous {
                Some(PreviousFile { content, mode, group }) => {
                    write(&path, &content, mode, Some(group)).and_then(|file| persist(file, &path))
                }
                None => fs::remove_file(&path).map_err(file_error("delete", &path)),
            };
            result = result.and(restored);
        }
        for folder in self.folders.iter().rev() {
            // The call fails if somebody else has added a file.
            let _ = fs::remove_dir(folder);
        }
        result
    }

    fn write_all(&mut self, files: &[&PlannedFile]) -> Result<(), SetupError> {
        let mut temporaries = Vec::new();
        for file in files {
            let folder = file.path.parent().unwrap_or(Path::new("/"));
            self.create_folder(folder, file.folder_readers)?;
            delete_left_over(folder)?;
        }
        for file in files {
            let group = file.readers.group().map(Gid::as_raw);
            temporaries.push(write(&file.path, &file.content, file.readers.file_mode(), group)?);
        }
        for (file, temporary) in files.iter().zip(temporaries) {
            let previous = PreviousFile::read(&file.path)?;
            persist(temporary, &file.path)?;
            self.previous.push((file.path.clone(), previous));
        }
        Ok(())
    }

    fn create_folder(&mut self, folder: &Path, readers: Readers) -> Result<(), SetupError> {
        if folder.exists() {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            self.create_folder(parent, Readers::All)?;
        }
        let mode = readers.folder_mode();
        fs::DirBuilder::new().mode(mode).create(folder).map_err(file_error("create", folder))?;
        self.folders.push(folder.to_owned());
        set_access(folder, mode, readers.group().map(Gid::as_raw))
            .map_err(file_error("set the permissions of", folder))
    }
}

impl PreviousFile {
    fn read(path: &Path) -> Result<Option<Self>, SetupError> {
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(file_error("read", path))?,
        };
        let content = Zeroizing::new(fs::read(path).map_err(file_error("read", path))?);
        let mode = metadata.permissions().mode() & 0o777;
        Ok(Some(Self { content, mode, group: metadata.gid() }))
    }
}

/// Writes a temporary file beside `path`.
fn write(
    path: &Path,
    content: &[u8],
    mode: u32,
    group: Option<u32>,
) -> Result<NamedTempFile, SetupError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let written = || {
        let mut file = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(folder)?;
        file.write_all(content)?;
        set_access(file.path(), mode, group)?;
        file.as_file().sync_all()?;
        io::Result::Ok(file)
    };
    written().map_err(file_error("write", path))
}

fn persist(temporary: NamedTempFile, path: &Path) -> Result<(), SetupError> {
    temporary.persist(path).map_err(|error| error.error).map_err(file_error("replace", path))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file_error("sync", folder))
}

fn set_access(path: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    if let Some(group) = group {
        std::os::unix::fs::chown(path, None, Some(group))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Deletes temporary files of an interrupted set-up.
fn delete_left_over(folder: &Path) -> Result<(), SetupError> {
    for entry in fs::read_dir(folder).map_err(file_error("read", folder))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            fs::remove_file(entry.path()).map_err(file_error("delete", &entry.path()))?;
        }
    }
    Ok(())
}

/// Returns the id of the broker's group, or `None` if the broker is not installed.
fn broker_group() -> Option<Gid> {
    let groups = fs::read_to_string(GROUP_FILE).ok()?;
    let line =
        groups.lines().find_map(|line| line.strip_prefix(BROKER_GROUP)?.strip_prefix(':'))?;
    line.split(':').nth(1)?.parse().ok().map(Gid::from_raw)
}
