//! Set-up of a box on its machine: accounts, access rules and TLS of the broker mosquitto, the token of the
//! page, and the settings by which the services use them.
//!
//! | module | contents |
//! |---|---|
//! | `access` | rights of each account: the one source of access rules and documentation |
//! | `accounts` | names of the accounts of a box |
//! | `broker` | configuration of the broker |
//! | `certificates` | authority and certificate of the broker, for TLS |
//! | `passwords` | passwords, the token of the page, and the broker's file of hashes |
//! | `units` | drop-in files of the systemd units |
//! | `foreign` | check that the broker has no other configuration of clients |
//! | `layout` | paths of all files |
//! | `record` | list of the files that the set-up wrote |
//! | `changes` | all-or-nothing change of several files |
//! | `plan`, `undo` | files of a set-up, and their removal |
//!
//! Rules:
//! 1. A file that the set-up did not write, or that was changed since, is neither overwritten nor deleted.
//! 2. Either all files of a plan are in place, or none is changed.
//! 3. A password is never an argument of a process.
//! 4. A repeated set-up keeps passwords and certificates, and changes nothing that is complete.

#![forbid(unsafe_code)]

mod access;
mod accounts;
mod broker;
mod certificates;
mod changes;
mod error;
mod foreign;
mod layout;
mod passwords;
mod plan;
mod record;
mod undo;
mod units;

#[cfg(test)]
mod tests;

pub use access::{AccessPolicy, Rights};
pub use accounts::{Account, Role, accounts};
pub use broker::{BrokerListeners, broker_configuration};
pub use changes::Applied;
pub use error::SetupError;
pub use layout::Layout;
pub use plan::{Plan, Request, plan};
pub use record::Record;
pub use undo::{UndoReport, undo};

/// Returns the access rules of a box with one display and one till.
pub fn sample_access_rules(policy: &AccessPolicy) -> String {
    access::rules(policy, &accounts(&policy.box_id, 1, 1))
}
