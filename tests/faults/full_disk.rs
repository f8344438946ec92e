//! Small file system in memory that can be filled. It needs root.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// Size of the file system: enough for the vault, its reserve of 4 MiB, its copy during a compaction,
/// and a backup.
const SIZE: &str = "size=64m,mode=700";
const FILLER: &str = "filler";
const BLOCK: [u8; 4096] = [0; 4096];

/// Mounted file system. Dropping it unmounts it.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a file system at a new folder. Returns `None` without the right to mount one.
    pub fn mount(folder: &Path) -> Result<Option<Self>> {
        fs::create_dir(folder)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "instored-walk"]).arg(folder);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        Ok(is_mounted.then(|| Self { folder: folder.to_owned() }))
    }

    /// Fills the file system to its last byte.
    pub fn fill(&self) -> Result<()> {
        let mut filler =
            File::options().create(true).append(true).open(self.folder.join(FILLER))?;
        loop {
            match filler.write_all(&BLOCK) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => bail!("cannot fill the disk: {error}"),
            }
        }
    }

    /// Frees the space that [`SmallDisk::fill`] took.
    pub fn free(&self) {
        // Fails if the disk was not filled.
        let _ = fs::remove_file(self.folder.join(FILLER));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("cannot unmount {}", self.folder.display());
        }
    }
}
