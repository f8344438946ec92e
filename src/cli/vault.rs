//! `instored vault`: verification, backups and audit log of the vault.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use instored_vault::{
    AuditEntry, BackupSummary, Passphrase, Vault, VaultError, VerificationReport, check_backup,
};

use super::table::{left, right, table};
use super::vault_client::{self, UNEXPECTED_RESPONSE, operator_context};
use super::{exit, print_record_errors};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};
use crate::daemon::{open_vault, send_admin_request};
use crate::output::{print, print_json, print_line};

/// Actions on the vault.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Create an empty vault
    ///
    /// `instored run` creates a vault too, unless files of another vault exist. Stop the daemon first.
    Create {
        /// Destroy the keys of a vault whose file is missing; its customers are lost
        #[arg(long)]
        discard_old: bool,
    },
    /// Check every record, signature and index, and list the faults
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write all data into a file encrypted with a passphrase, while the box keeps running
    Backup {
        /// File to create
        file: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseSource,
    },
    /// Restore the customers of a backup, except customers who were deleted after the backup
    ///
    /// Stop the daemon first. Customers who are in the vault stay unchanged.
    Restore {
        /// Backup file
        file: PathBuf,
        /// Accept a backup signed with this key id, such as the key of a replaced box
        #[arg(long, value_name = "KEY_ID")]
        trust: Option<String>,
        #[command(flatten)]
        passphrase: PassphraseSource,
    },
    /// Rewrite the vault file without deleted data; the daemon does this regularly
    Compact,
    /// Show the audit log, oldest entry first
    Log {
        /// Maximum number of entries; the newest are shown
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Source of the passphrase of a backup.
#[derive(clap::Args)]
pub(super) struct PassphraseSource {
    /// File with the passphrase in its first line, or - for standard input
    #[arg(long, value_name = "FILE", env = "INSTORED_PASSPHRASE_FILE")]
    passphrase_file: PathBuf,
}

/// Maximum number of bytes that are read from a passphrase file.
const PASSPHRASE_FILE_BYTES_MAX: u64 = 4096;

impl PassphraseSource {
    /// Reads the passphrase.
    fn read(&self) -> anyhow::Result<Passphrase> {
        let mut text = String::new();
        if self.passphrase_file == Path::new("-") {
            io::stdin().lock().take(PASSPHRASE_FILE_BYTES_MAX).read_to_string(&mut text)?;
        } else {
            let path = self.passphrase_file.display();
            File::open(&self.passphrase_file)
                .and_then(|file| file.take(PASSPHRASE_FILE_BYTES_MAX).read_to_string(&mut text))
                .with_context(|| format!("cannot read the passphrase file {path}"))?;
        }
        Ok(Passphrase::new(text.lines().next().unwrap_or_default().to_owned())?)
    }
}

/// Runs `instored vault`.
pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Create { discard_old } => create(config, discard_old),
        Action::Verify { json } => verify(config, json),
        Action::Backup { file, passphrase } => backup(config, &file, passphrase.read()?),
        Action::Restore { file, trust, passphrase } => {
            restore(config, &file, trust.as_deref(), &passphrase.read()?)
        }
        Action::Compact => match vault_client::send(config, Request::Compact)? {
            Response::Compacted => Ok(ExitCode::SUCCESS),
            _ => bail!(UNEXPECTED_RESPONSE),
        },
        Action::Log { limit, json } => {
            let request = Request::AuditLog { limit };
            let Response::AuditLog(entries) = vault_client::send(config, request)? else {
                bail!(UNEXPECTED_RESPONSE);
            };
            if json {
                print_json(&entries)?
            } else {
                print(audit_table(&entries))?
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Creates an empty vault, and destroys the keys of a missing one if `discard_old` is true.
fn create(config: &Config, discard_old: bool) -> anyhow::Result<ExitCode> {
    if send_admin_request(&config.socket_path(), &Request::Key)?.is_some() {
        bail!(
            "the daemon is running, and uses its vault even if the file was moved: stop it first"
        );
    }
    let path = config.vault_path();
    if path.try_exists().unwrap_or(true) {
        return Err(VaultError::Exists { path }.into());
    }
    if discard_old {
        Vault::discard_missing(&path)?;
    }
    open_vault(config)?;
    print_line(format_args!("{}: created", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Verifies the vault, and prints counts and faults.
fn verify(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let Response::Verified(verified) = vault_client::send(config, Request::Verify)? else {
        bail!(UNEXPECTED_RESPONSE);
    };
    let is_valid = verified.faults.is_empty();
    if json {
        print_json(&verified)?;
    } else {
        print_line(counts(&verified))?;
        print_record_errors(&verified.faults);
        print_line(if is_valid { "the vault is valid" } else { "the vault has faults" })?;
    }
    Ok(exit::success_if(is_valid))
}

/// Formats the counts of a verification.
fn counts(verified: &VerificationReport) -> String {
    let VerificationReport {
        customers,
        consents,
        templates,
        orders,
        claim_codes,
        products,
        forgotten,
        audit_entries,
        changes,
        faults: _,
    } = verified;
    format!(
        "{customers} customers, {consents} consents, {templates} templates, {orders} orders, \
         {claim_codes} claim codes, {products} products; {forgotten} deleted customers; \
         {audit_entries} entries in the audit log; {changes} changes"
    )
}

/// Writes a backup, and prints a summary and the records that are missing in the backup.
fn backup(config: &Config, file: &Path, passphrase: Passphrase) -> anyhow::Result<ExitCode> {
    let BackupSummary { customers, records, bytes, left_out } =
        write_backup(config, file, passphrase)?;
    print_line(format_args!(
        "{}: {customers} customers, {records} records, {bytes} bytes",
        file.display()
    ))?;
    let missing: Vec<_> =
        left_out.iter().map(|record| format!("not in the backup: {record}")).collect();
    print_record_errors(&missing);
    Ok(exit::success_if(missing.is_empty()))
}

/// Writes a backup to a new file, which appears when it was read back and is complete. A running
/// daemon can write to its state folder only: it creates the backup there, and this function copies it.
fn write_backup(
    config: &Config,
    file: &Path,
    passphrase: Passphrase,
) -> anyhow::Result<BackupSummary> {
    let cannot_write = || format!("cannot write the backup {}", file.display());
    if file.try_exists().with_context(cannot_write)? {
        bail!("{} exists: give another name, or move that file away", file.display());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut target = tempfile::Builder::new()
        .prefix(&format!(".{}.", file.file_name().unwrap_or_default().display()))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .with_context(cannot_write)?;
    let request = Request::Backup { passphrase: passphrase.clone() };
    let backup = match send_admin_request(&config.socket_path(), &request)? {
        Some(response) => {
            let Response::BackedUp { file: source, backup } = response? else {
                bail!(UNEXPECTED_RESPONSE)
            };
            let copied =
                File::open(&source).and_then(|mut source| io::copy(&mut source, &mut target));
            let removed = fs::remove_file(&source);
            copied
                .and(removed)
                .with_context(|| format!("cannot move the backup from {}", source.display()))?;
            backup
        }
        None => {
            let vault = vault_client::existing_vault(config)?;
            vault.backup(&mut target, &passphrase, operator_context())?
        }
    };
    target.as_file().sync_all().with_context(cannot_write)?;
    target.as_file_mut().rewind().with_context(cannot_write)?;
    check_backup(BufReader::new(target.as_file()), &passphrase).with_context(|| {
        format!("the backup {} cannot be read back and was deleted", file.display())
    })?;
    target.persist_noclobber(file).map_err(|error| error.error).with_context(cannot_write)?;
    Ok(backup)
}

/// Restores a backup, and prints a summary.
fn restore(
    config: &Config,
    file: &Path,
    trusted_key_id: Option<&str>,
    passphrase: &Passphrase,
) -> anyhow::Result<ExitCode> {
    let source =
        File::open(file).with_context(|| format!("cannot open the backup {}", file.display()))?;
    let restored = open_vault(config)?.restore(
        BufReader::new(source),
        passphrase,
        trusted_key_id,
        operator_context(),
    )?;
    print_line(format_args!(
        "restored: {} customers, {} orders, {} products; unchanged: {} customers; not restored \
         because they were deleted after the backup: {} customers",
        restored.customers,
        restored.orders,
        restored.products,
        restored.present,
        restored.forgotten
    ))?;
    if restored.taken > 0 {
        print_line(format_args!(
            "not restored because they belong to another customer now: {} orders and claim codes",
            restored.taken
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Formats audit entries as a table.
fn audit_table(entries: &[AuditEntry]) -> String {
    let columns = [
        right("number"),
        left("time"),
        left("actor"),
        left("action"),
        right("records"),
        left("customer"),
    ];
    let rows = entries.iter().map(|entry| {
        [
            entry.number.to_string(),
            entry.context.at.strftime("%F %T").to_string(),
            entry.context.actor.to_string(),
            entry.action.to_string(),
            entry.records.to_string(),
            entry.customer_tag.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    table(columns, rows)
}
