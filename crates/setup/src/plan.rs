//! Files of a set-up.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use zeroize::Zeroizing;

use super::access::{self, AccessPolicy};
use super::accounts::{Account, Role, accounts};
use super::broker::{BrokerListeners, broker_configuration};
use super::certificates::{self, Identity};
use super::changes::{self, Applied, PlannedFile, Readers};
use super::error::{SetupError, file_error};
use super::foreign;
use super::layout::Layout;
use super::passwords;
use super::record::Record;
use super::units;

/// Options of a set-up, and values of the configuration.
#[derive(Clone, Debug)]
pub struct Request {
    /// Access rules.
    pub policy: AccessPolicy,
    /// Loopback address on which the broker listens.
    pub broker_address: String,
    /// Port for programs on this machine.
    pub broker_port: u16,
    /// Port with TLS for other machines, used if there are remote addresses.
    pub tls_port: u16,
    /// Number of displays.
    pub displays: u16,
    /// Number of tills.
    pub tills: u16,
    /// Addresses of this machine by which other machines reach the broker.
    pub remote: Vec<String>,
    /// True if the display gets the public key of the box. False if the configuration contains the key
    /// already.
    pub has_box_key: bool,
    /// Public key of the box, if it is known. A key that was known before remains.
    pub box_key: Option<String>,
    /// True if the page gets a token. False if the configuration names a token already.
    pub has_page_token: bool,
}

/// Planned set-up.
pub struct Plan {
    layout: Layout,
    files: Vec<PlannedFile>,
    record: Record,
    previous_record: Record,
    accounts: Vec<Account>,
    page_token: Option<Zeroizing<String>>,
}

/// Plans a set-up. Changes nothing.
///
/// # Errors
/// The broker has other configuration, a file is not one of the set-up or was changed, an option is
/// invalid, or a secret cannot be created.
pub fn plan(layout: &Layout, request: &Request, today: Date) -> Result<Plan, SetupError> {
    request.policy.check()?;
    certificates::check_addresses(&request.remote)?;
    foreign::check(layout)?;
    let previous_record = Record::load(&layout.record())?.unwrap_or_default();
    let mut record = previous_record.clone();
    record.displays = record.displays.max(request.displays);
    record.tills = record.tills.max(request.tills);
    let known_key = request.box_key.clone().or(record.box_key.take());
    record.box_key = known_key.filter(|_| request.has_box_key);
    let added = request.remote.iter().filter(|address| !previous_record.remote.contains(*address));
    record.remote.extend(added.cloned());

    let box_id = &request.policy.box_id;
    let accounts = accounts(box_id, record.displays, record.tills);
    let mut files = Files { layout, record: &previous_record, planned: Vec::new() };
    files.add_passwords(&accounts)?;
    let rules = access::rules(&request.policy, &accounts);
    files.add(layout.broker_file("acl"), rules, Readers::Broker)?;
    if !record.remote.is_empty() {
        record.certificate_expires = files.add_certificates(&record, today)?;
    }
    let page_token = match request.has_page_token {
        true => Some(files.add_secret(layout.page_token(), Readers::All)?),
        false => None,
    };
    let box_account = Role::Box.account(box_id, 1).name;
    let drop_in = units::drop_in(&box_account, &layout.password(&box_account));
    files.add(layout.drop_in("instored"), drop_in, Readers::All)?;
    let display = Role::Display.account(box_id, 1).name;
    let token_path = layout.page_token();
    let drop_in = units::display_drop_in(
        &display,
        &layout.password(&display),
        page_token.is_some().then_some(&token_path),
        record.box_key.as_deref(),
    );
    files.add(layout.drop_in("instored-display"), drop_in, Readers::All)?;
    let listeners = BrokerListeners {
        address: request.broker_address.clone(),
        port: request.broker_port,
        tls_port: (!record.remote.is_empty()).then_some(request.tls_port),
    };
    let configuration = broker_configuration(layout, box_id, &listeners);
    files.add(layout.broker_configuration(), configuration, Readers::All)?;
    let files = files.planned;

    record.folders.extend(changes::missing_folders(&files));
    for file in &files {
        // A file that was there before with the same content stays the property of its author.
        if previous_record.files.contains_key(&file.path) || !file.path.exists() {
            record.add(&file.path, &file.content, false);
        }
    }
    let layout = layout.clone();
    Ok(Plan { layout, files, record, previous_record, accounts, page_token })
}

impl Plan {
    /// Returns the files that [`Self::apply`] writes.
    pub fn changes(&self) -> Vec<&Path> {
        self.outdated().map(|file| file.path.as_path()).collect()
    }

    /// Returns the accounts.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Returns the token of the page.
    pub fn page_token(&self) -> Option<&str> {
        self.page_token.as_ref().map(|token| token.as_str())
    }

    /// Returns the list of the files and options.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Writes the files.
    ///
    /// # Errors
    /// A file cannot be written. All files then have their previous content.
    pub fn apply(&self) -> Result<Applied, SetupError> {
        self.apply_first(usize::MAX)
    }

    /// Writes the first `limit` files only, as an interrupted set-up does.
    pub(super) fn apply_first(&self, limit: usize) -> Result<Applied, SetupError> {
        // The list with old and new digests is written first: after an interruption, the next set-up
        // recognises all files as its own.
        let mut interim = self.previous_record.clone();
        interim.folders.clone_from(&self.record.folders);
        for file in &self.files {
            if self.record.files.contains_key(&file.path) {
                interim.add(&file.path, &file.content, true);
            }
        }
        let interim = self.record_file(&interim)?;
        let last = self.record_file(&self.record)?;
        let mut files: Vec<_> = self.outdated().collect();
        if !files.is_empty() {
            files.insert(0, &interim);
        }
        if !files.is_empty() || !last.is_in_place() {
            files.push(&last);
        }
        changes::apply(&files[..files.len().min(limit)])
    }

    fn outdated(&self) -> impl Iterator<Item = &PlannedFile> {
        self.files.iter().filter(|file| !file.is_in_place())
    }

    fn record_file(&self, record: &Record) -> Result<PlannedFile, SetupError> {
        let content = Zeroizing::new(record.to_text()?.into_bytes());
        Ok(PlannedFile {
            path: self.layout.record(),
            content,
            readers: Readers::Owner,
            folder_readers: Readers::All,
        })
    }
}

/// Planned files, in the order in which they are written: a file follows those that it names.
struct Files<'a> {
    layout: &'a Layout,
    record: &'a Record,
    planned: Vec<PlannedFile>,
}

impl Files<'_> {
    /// Plans a file whose content the set-up determines.
    fn add(
        &mut self,
        path: PathBuf,
        content: impl Into<Vec<u8>>,
        readers: Readers,
    ) -> Result<(), SetupError> {
        let content = Zeroizing::new(content.into());
        match read(&path)? {
            Some(existing) if existing != content && !self.record.is_written(&path, &existing) => {
                return Err(if self.record.files.contains_key(&path) {
                    SetupError::EditedFile(path)
                } else {
                    SetupError::ForeignFile(path)
                });
            }
            _ => {}
        }
        let is_broker_file = path.parent() == self.layout.authority().parent();
        let folder_readers = if is_broker_file { Readers::Broker } else { Readers::All };
        self.planned.push(PlannedFile { path, content, readers, folder_readers });
        Ok(())
    }

    /// Plans a file with a secret. An existing file determines the secret.
    fn add_secret(
        &mut self,
        path: PathBuf,
        folder_readers: Readers,
    ) -> Result<Zeroizing<String>, SetupError> {
        let secret = passwords::read_or_create(&path)?;
        let content = match read(&path)? {
            Some(existing) => existing,
            None => Zeroizing::new(format!("{}\n", *secret).into_bytes()),
        };
        self.planned.push(PlannedFile { path, content, readers: Readers::Owner, folder_readers });
        Ok(secret)
    }

    /// Plans the passwords, and the broker's file of hashes. The existing file of hashes remains if no
    /// password is new, because a hash differs each time.
    fn add_passwords(&mut self, accounts: &[Account]) -> Result<(), SetupError> {
        let mut passwords = Vec::new();
        for account in accounts {
            passwords.push(self.add_secret(self.layout.password(&account.name), Readers::Owner)?);
        }
        let are_passwords_known =
            self.planned.iter().all(|file| self.record.is_written(&file.path, &file.content));
        let path = self.layout.broker_file("passwords");
        let names: BTreeSet<_> = accounts.iter().map(|account| account.name.as_str()).collect();
        let current = read(&path)?.filter(|hashes| {
            let text = String::from_utf8_lossy(hashes);
            self.record.is_written(&path, hashes)
                && are_passwords_known
                && passwords::account_names(&text).into_iter().collect::<BTreeSet<_>>() == names
        });
        let hashes = match current {
            Some(hashes) => hashes,
            None => {
                let names = accounts.iter().map(|account| account.name.as_str());
                let pairs = names.zip(passwords.iter().map(|password| password.as_str()));
                Zeroizing::new(passwords::hash(pairs)?)
            }
        };
        self.add(path, hashes.to_vec(), Readers::Broker)
    }

    /// Plans authority and certificate of the broker. Keeps the authority, and a certificate that has these
    /// addresses and is not due. Returns the last day of the certificate.
    fn add_certificates(
        &mut self,
        record: &Record,
        today: Date,
    ) -> Result<Option<Date>, SetupError> {
        let (authority, authority_key) = (self.layout.authority(), self.layout.authority_key());
        let existing = match (self.read_own(&authority)?, self.read_own(&authority_key)?) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: certificate.to_string(), key })
            }
            _ => None,
        };
        let is_authority_kept = existing.is_some();
        let identity = match existing {
            Some(identity) => identity,
            None => certificates::create_authority(today)?,
        };
        let (certificate, key) =
            (self.layout.broker_file("broker.pem"), self.layout.broker_file("broker.key"));
        let expires = record.certificate_expires.filter(|expires| {
            is_authority_kept
                && record.remote == self.record.remote
                && !certificates::is_due(*expires, today)
        });
        let existing = (self.read_own(&certificate)?, self.read_own(&key)?);
        let (broker, expires) = match (existing, expires) {
            ((Some(certificate), Some(key)), Some(expires)) => {
                (Identity { certificate: certificate.to_string(), key }, expires)
            }
            _ => {
                let created =
                    certificates::create_broker_certificate(&identity.key, &record.remote, today)?;
                (created, certificates::broker_expiry(today))
            }
        };
        self.add(authority_key, identity.key.as_bytes(), Readers::Owner)?;
        self.add(authority, identity.certificate, Readers::All)?;
        self.add(key, broker.key.as_bytes(), Readers::Broker)?;
        self.add(certificate, broker.certificate, Readers::Broker)?;
        Ok(Some(expires))
    }

    /// Returns the text of a file that the set-up wrote.
    fn read_own(&self, path: &Path) -> Result<Option<Zeroizing<String>>, SetupError> {
        let own = read(path)?.filter(|content| self.record.is_written(path, content));
        Ok(own.map(|content| Zeroizing::new(String::from_utf8_lossy(&content).into_owned())))
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, SetupError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(Zeroizing::new(content))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error("read", path)(error)),
    }
}
