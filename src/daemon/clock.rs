//! Confirmation of the system clock by a time server.

use std::path::Path;
use std::process::Command;

/// File that systemd-timesyncd creates after its first synchronisation since the start.
const SYNCHRONISED_FILE: &str = "/run/systemd/timesync/synchronized";

/// Returns true if a time server has set the clock since the system started.
///
/// The kernel's own flag is hidden from the service by `ProtectClock`. systemd-timesyncd leaves a file;
/// for other programs, such as chrony, systemd-timedated reports the flag.
pub fn is_synchronised() -> bool {
    Path::new(SYNCHRONISED_FILE).exists() || is_synchronised_by_other_program()
}

fn is_synchronised_by_other_program() -> bool {
    let shown = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .output();
    shown.is_ok_and(|shown| shown.stdout.trim_ascii() == b"yes")
}
