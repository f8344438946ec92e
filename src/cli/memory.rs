//! Locks the memory of the daemon and of the display, so that faces, keys and names are never swapped.

use rustix::mm::{MlockAllFlags, mlockall};

/// Locks all pages when they are first used. Logs a failure, which the limit of the process causes: in
/// the package, the units permit the lock and forbid swap.
pub(super) fn lock() {
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(error) = mlockall(flags) {
        tracing::warn!(
            "personal data in memory may be written to swap space: cannot lock memory ({error}); \
             allow it with `ulimit -l unlimited`, or switch swap off"
        );
    }
}
