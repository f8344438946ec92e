//! `instored vault`: whether it holds, its backups, what was done to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use instored_vault::{
    Actor, AuditContext, AuditEntry, BackupSummary, Passphrase, VerificationReport,
};
use jiff::Timestamp;

use super::customers::UNEXPECTED;
use super::{office, print_json};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};
use crate::daemon::{open_vault, send_admin_request};

/// What to do.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Check every record, signature and index, and name what does not hold
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write everything into a file that opens with a passphrase; the box goes on meanwhile
    Backup {
        /// The file to make
        file: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseSource,
    },
    /// Bring back the customers of a backup, but not those who were forgotten since
    ///
    /// The daemon has to be stopped. Customers who are in the vault stay as they are.
    Restore {
        /// The backup
        file: PathBuf,
        /// Believe a backup that this key signed, by its id, such as an old box's
        #[arg(long, value_name = "KEY_ID")]
        trust: Option<String>,
        #[command(flatten)]
        passphrase: PassphraseSource,
    },
    /// Write the vault's file anew, without what was deleted; the daemon does so by itself
    Compact,
    /// Show what was done to the vault, oldest first
    Log {
        /// At most so many of the newest
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Where the passphrase of a backup comes from.
#[derive(clap::Args)]
pub(super) struct PassphraseSource {
    /// File whose first line is the passphrase, or - for standard input
    #[arg(long, value_name = "FILE", env = "INSTORED_PASSPHRASE_FILE")]
    passphrase_file: PathBuf,
}

/// Longer than any passphrase.
const LONGEST_PASSPHRASE: u64 = 4096;

impl PassphraseSource {
    fn read(&self) -> anyhow::Result<Passphrase> {
        let mut text = String::new();
        if self.passphrase_file == Path::new("-") {
            io::stdin().lock().take(LONGEST_PASSPHRASE).read_to_string(&mut text)?;
        } else {
            let path = self.passphrase_file.display();
            File::open(&self.passphrase_file)
                .and_then(|file| file.take(LONGEST_PASSPHRASE).read_to_string(&mut text))
                .with_context(|| format!("cannot read the passphrase in {path}"))?;
        }
        Ok(Passphrase::new(text.lines().next().unwrap_or_default().to_owned())?)
    }
}

pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Verify { json } => {
            let Response::Verified(verified) = office::ask(config, Request::Verify)? else {
                bail!(UNEXPECTED);
            };
            if json {
                print_json(&verified)?
            } else {
                print_verified(&verified)
            }
            return Ok(ExitCode::from(u8::from(!verified.faults.is_empty())));
        }
        Action::Backup { file, passphrase } => {
            let made = backup(config, &file, passphrase.read()?)?;
            println!(
                "{}: {} customers, {} records, {} bytes",
                file.display(),
                made.customers,
                made.records,
                made.bytes
            );
            for left_out in &made.left_out {
                eprintln!("instored: not in the backup: {left_out}");
            }
            return Ok(ExitCode::from(u8::from(!made.left_out.is_empty())));
        }
        Action::Restore { file, trust, passphrase } => {
            let passphrase = passphrase.read()?;
            let from = File::open(&file)
                .with_context(|| format!("cannot open the backup {}", file.display()))?;
            let restored = open_vault(config)?.restore(
                BufReader::new(from),
                &passphrase,
                trust.as_deref(),
                now(),
            )?;
            println!(
                "back: {} customers, {} orders, {} products; left as they were: {} customers; \
                 forgotten since, and not brought back: {}",
                restored.customers,
                restored.orders,
                restored.products,
                restored.present,
                restored.forgotten
            );
            if restored.taken > 0 {
                println!(
                    "left out, being somebody else's now: {} orders and codes",
                    restored.taken
                );
            }
        }
        Action::Compact => {
            let Response::Compacted = office::ask(config, Request::Compact)? else {
                bail!(UNEXPECTED);
            };
        }
        Action::Log { limit, json } => {
            let Response::AuditLog(entries) = office::ask(config, Request::AuditLog { limit })?
            else {
                bail!(UNEXPECTED);
            };
            if json { print_json(&entries)? } else { entries.iter().for_each(print_entry) }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The daemon may write into the state folder alone: it makes the file there, and this puts it
/// where the operator wants it.
fn backup(config: &Config, file: &Path, passphrase: Passphrase) -> anyhow::Result<BackupSummary> {
    let cannot = || format!("cannot write the backup {}", file.display());
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(cannot)?;
    let request = Request::Backup { passphrase: passphrase.clone() };
    let made = match send_admin_request(&config.socket_path(), &request)? {
        Some(answer) => {
            let Response::BackedUp { file: made, backup } = answer? else { bail!(UNEXPECTED) };
            let copied = File::open(&made).and_then(|mut from| io::copy(&mut from, &mut to));
            let removed = fs::remove_file(&made);
            copied
                .and(removed)
                .with_context(|| format!("cannot take the backup from {}", made.display()))?;
            backup
        }
        None => office::existing_vault(config)?.backup(&mut to, &passphrase, now())?,
    };
    to.sync_all().with_context(cannot)?;
    Ok(made)
}

fn now() -> AuditContext {
    AuditContext { at: Timestamp::now(), actor: Actor::Operator }
}

fn print_verified(verified: &VerificationReport) {
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
        faults,
    } = verified;
    println!(
        "{customers} customers, {consents} consents, {templates} templates, {orders} orders, \
         {claim_codes} claim codes, {products} products; {forgotten} forgotten; {audit_entries} \
         entries in the log; {changes} changes"
    );
    for fault in faults {
        eprintln!("instored: {fault}");
    }
    println!("{}", if faults.is_empty() { "everything holds" } else { "not everything holds" });
}

fn print_entry(entry: &AuditEntry) {
    let when = entry.context.at.strftime("%F %T");
    let customer = entry.customer_tag.as_deref().unwrap_or("-");
    let AuditEntry { number, context, action, records, .. } = entry;
    println!("{number:>6}  {when}  {:10}  {:15}  {records:>6}  {customer}", context.actor, action);
}
