//! When the vault's file is written anew, beside the desk since it takes long, and when it is looked
//! for whoever has not come for long.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use instored_vault::Vault;

/// What is under way.
#[derive(Default)]
pub(super) struct Compaction {
    sweeping: Option<JoinHandle<()>>,
    /// Somebody was forgotten since the sweep that is under way began.
    sweep_again: bool,
    looked_for_overdue: Option<Instant>,
}

/// How often it is looked for customers who have not come for long.
const OVERDUE_PAUSE: Duration = Duration::from_secs(3600);

impl Compaction {
    /// Writes the vault's file anew, without what was deleted.
    pub fn sweep(&mut self, vault: &Arc<Vault>) {
        if self.sweeping.as_ref().is_some_and(|sweeping| !sweeping.is_finished()) {
            self.sweep_again = true;
            return;
        }
        self.sweep_again = false;
        let vault = Arc::clone(vault);
        let work = move || {
            if let Err(e) = vault.compact() {
                tracing::error!("the vault could not be swept, and will be later: {e}");
            }
        };
        let thread = std::thread::Builder::new().name("sweep".into());
        self.sweeping =
            thread.spawn(work).inspect_err(|e| tracing::error!("cannot start a thread: {e}")).ok();
    }

    /// Sweeps once more when somebody was forgotten during the last sweep.
    pub fn sweep_again(&mut self, vault: &Arc<Vault>) {
        let ended = self.sweeping.as_ref().is_some_and(JoinHandle::is_finished);
        if ended && self.sweep_again {
            self.sweep(vault);
        }
    }

    /// Whether it is time to look for customers who have not come for long; asked when it is, it is
    /// not for a while.
    pub fn take_overdue(&mut self) -> bool {
        let due = self.looked_for_overdue.is_none_or(|looked| looked.elapsed() >= OVERDUE_PAUSE);
        if due {
            self.looked_for_overdue = Some(Instant::now());
        }
        due
    }
}
