//! Background compaction of the vault's file.

use std::sync::Arc;
use std::thread::JoinHandle;

use instored_vault::Vault;

/// Thread that removes deleted data from the vault's file. At most one runs at a time.
#[derive(Default)]
pub(super) struct Compaction {
    thread: Option<JoinHandle<()>>,
    /// True if a customer was deleted after the running compaction started.
    is_needed_again: bool,
}

impl Compaction {
    /// Starts a compaction. If a compaction is running, the next one starts after its end.
    pub fn request(&mut self, vault: &Arc<Vault>) {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            self.is_needed_again = true;
            return;
        }
        self.is_needed_again = false;
        let vault = Arc::clone(vault);
        let compact = move || {
            if let Err(error) = vault.compact() {
                tracing::error!(
                    "cannot compact the vault; retrying after the next deletion or at the next start of the daemon: {error}"
                );
            }
        };
        self.thread = std::thread::Builder::new()
            .name("compaction".into())
            .spawn(compact)
            .inspect_err(|error| tracing::error!("cannot start the compaction thread: {error}"))
            .ok();
    }

    /// Starts the requested next compaction if the previous one has ended.
    pub fn continue_pending(&mut self, vault: &Arc<Vault>) {
        let has_ended = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
        if has_ended && self.is_needed_again {
            self.request(vault);
        }
    }
}
