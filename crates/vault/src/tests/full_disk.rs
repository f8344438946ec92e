//! A full disk, on a small file system in memory. Mounting one needs root.

use std::process::Command;

use super::*;

/// File system of 16 MiB in memory.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts the file system, or returns `None` without root.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(folder.path())
            .output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            eprintln!("skipped: mounting a file system needs root");
            return None;
        }
        Some(Self(folder))
    }

    /// Fills the disk and returns the file that does.
    fn fill(&self) -> PathBuf {
        let filler = self.0.path().join("filler");
        let error = fs::write(&filler, vec![0; 32 << 20]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn customer_is_forgotten_on_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.0.path().join("vault.redb");
    let vault =
        Vault::open(&path, keys(disk.0.path(), &path).unwrap(), box_id(), second(0)).unwrap();
    add_customers(&vault, 200);
    let filler = disk.fill();
    let full =
        (0..).find_map(|n| vault.add_order(&order(1, &format!("order {n}"), 9), context(3)).err());
    let full = full.unwrap();
    assert!(matches!(full, VaultError::Full { .. }), "{full}");
    for n in 2..=5 {
        vault.forget(customer(n), context(4)).unwrap().unwrap();
        assert!(vault.customer(customer(n)).unwrap().is_none());
    }
    assert_valid(&vault);
    fs::remove_file(filler).unwrap();
    vault.compact().unwrap();
    // The reserve exists again.
    disk.fill();
    vault.forget(customer(6), context(5)).unwrap().unwrap();
    assert_valid(&vault);
    drop(vault);
}

#[test]
fn unwritable_rollback_guard_does_not_fail_a_stored_change() {
    let fixture = Fixture::new();
    drop(fixture.open());
    let guard = fixture.dir.path().join("vault.redb.seen");
    fs::remove_file(&guard).unwrap();
    std::os::unix::fs::symlink("/dev/full", guard).unwrap();
    let vault = fixture.open();
    enrol(&vault, 1);
    assert_eq!(vault.customers().unwrap().records.len(), 1);
    vault.forget(customer(1), context(2)).unwrap().unwrap();
}
