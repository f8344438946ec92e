//! Operations on the files of the vault: backups, and files that are moved away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{Walk, check_orders};
use crate::journal::{Deletion, Promises};
use crate::test_box::Finished;

/// Files of the state folder that the box cannot do without.
pub(super) const MOVED_FILES: [&str; 4] =
    ["vault.redb", "vault.redb.wrap", "vault.key", "signing.key"];

/// Backup, and what it must contain.
pub(super) struct Backup {
    file: PathBuf,
    key_id: String,
    customers: BTreeMap<String, Promises>,
}

impl Walk {
    /// Returns the arguments of a command with a backup file.
    fn backup_arguments(&self, verb: &str, file: &Path) -> Vec<String> {
        let passphrase = self.test_box.path("passphrase");
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let fixed = ["vault", verb, &text(file), "--passphrase-file", &text(&passphrase)];
        fixed.map(str::to_owned).to_vec()
    }

    pub(super) fn back_up(&mut self) -> Result<()> {
        let name = format!("backup-{}", self.next_number());
        let file = self.test_box.path(&name);
        let mut customers = self.customers.clone();
        let listed = self.listed()?;
        customers
            .retain(|id, promises| promises.deletion == Deletion::None && listed.contains_key(id));
        let finished = self.test_box.run(self.backup_arguments("backup", &file))?;
        if self.check_success("vault backup", &finished)? {
            // A backup is decrypted with its own keys, and signed with the key of that moment.
            let key = self.test_box.json(&["keys", "show", "--json"])?;
            let key_id = key["key_id"].as_str().context("a key without id")?.to_owned();
            self.backup = Some(Backup { file, key_id, customers });
        } else {
            ensure!(!file.exists(), "a failed backup left its file");
        }
        Ok(())
    }

    /// Returns the arguments that restore the last backup.
    fn restore_arguments(&mut self) -> Option<Vec<String>> {
        let Some(backup) = &self.backup else {
            self.skip("no backup");
            return None;
        };
        let mut arguments = self.backup_arguments("restore", &backup.file);
        arguments.extend(["--trust".to_owned(), backup.key_id.clone()]);
        Some(arguments)
    }

    pub(super) fn restore(&mut self) -> Result<()> {
        let Some(arguments) = self.restore_arguments() else { return Ok(()) };
        self.test_box.stop()?;
        let finished = self.test_box.run(arguments)?;
        self.check_success("vault restore", &finished)?;
        self.start_daemon()
    }

    pub(super) fn restore_elsewhere(&mut self) -> Result<()> {
        let Some(arguments) = self.restore_arguments() else { return Ok(()) };
        let name = format!("other-{}", self.next_number());
        let other = self.test_box.path(&name);
        let run = |arguments: &[String]| {
            let mut command = self.test_box.command(arguments)?;
            command
                .env("INSTORED_STATE_DIR", &other)
                .env("INSTORED_RUNTIME_DIR", other.join("run"));
            let finished = Finished::of(&mut command)?;
            ensure!(finished.code == Some(0), "{arguments:?} in a new vault: {finished:?}");
            Ok(finished.stdout)
        };
        run(&arguments)?;
        run(&["vault", "verify"].map(str::to_owned))?;
        for (customer, promises) in &self.backup.as_ref().context("there is a backup")?.customers {
            let export = run(&["customers", "export", customer].map(str::to_owned))?;
            check_orders(customer, promises, &serde_json::from_str(&export)?)
                .context("in a new vault with the backup")?;
        }
        Ok(fs::remove_dir_all(&other)?)
    }

    /// Moves a file of the vault away and back. Meanwhile the program must report it.
    pub(super) fn move_file(&mut self, name: &str) -> Result<()> {
        self.free_disk();
        self.test_box.stop()?;
        let (path, away) = (self.test_box.state_dir().join(name), self.test_box.path("away"));
        fs::copy(&path, &away)?;
        fs::remove_file(&path)?;
        for arguments in [&["run"][..], &["customers", "list"], &["run"]] {
            let finished = self.test_box.run(arguments)?;
            ensure!(
                finished.code == Some(1)
                    && finished.stderr.contains("is missing")
                    && finished.stderr.contains(name),
                "{name} is missing, and {arguments:?} does not report it: {finished:?}"
            );
        }
        fs::copy(&away, &path)?;
        self.start_daemon()
    }
}
