//! Checks of the machine: disk, memory, clock, and the power supply of a Raspberry Pi.

use std::path::Path;

use anyhow::Context;

use crate::daemon::clock::is_synchronised;

/// Minimum free disk space in bytes, for a compacted copy of the vault and for backups.
const DISK_FREE_MIN: u64 = 200 << 20;
/// Minimum available memory in bytes, for models and frames.
const MEMORY_AVAILABLE_MIN: u64 = 200 << 20;
/// File with the hexadecimal throttling flags of a Raspberry Pi's firmware.
const THROTTLED_FILE: &str = "/sys/devices/platform/soc/soc:firmware/get_throttled";

/// Checks the free space of the file system with the state folder.
pub(super) fn disk(state_dir: &Path) -> anyhow::Result<String> {
    // The first start creates the folder.
    let existing = state_dir.ancestors().find(|folder| folder.exists()).unwrap_or(state_dir);
    let volume = rustix::fs::statvfs(existing)
        .with_context(|| format!("cannot read the free disk space of {}", existing.display()))?;
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    let message = format!("{} MB are free in {}", free >> 20, state_dir.display());
    anyhow::ensure!(
        free >= DISK_FREE_MIN,
        "{message}, {} MB are needed: delete other files",
        DISK_FREE_MIN >> 20
    );
    Ok(message)
}

/// Checks the available memory.
pub(super) fn memory() -> anyhow::Result<String> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let available = available_memory(&meminfo).context("/proc/meminfo has no MemAvailable line")?;
    let message = format!("{} MB are available", available >> 20);
    anyhow::ensure!(
        available >= MEMORY_AVAILABLE_MIN,
        "{message}, {} MB are needed: stop other programs, or set vision.embedder = \
         \"mobilefacenet\"",
        MEMORY_AVAILABLE_MIN >> 20
    );
    Ok(message)
}

/// Returns the available memory in bytes.
fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Checks that a time server has set the system clock, or that the operator trusts this clock.
///
/// A Raspberry Pi has no battery-backed clock. Until a time server sets the system clock, the times of
/// consents and orders are wrong, certificates appear to be from the future, and no inactive customer
/// is deleted.
pub(super) fn clock(is_trusted: bool) -> anyhow::Result<String> {
    if is_synchronised() {
        return Ok("set by a time server".into());
    }
    anyhow::ensure!(
        is_trusted,
        "no time server has set the clock: run `timedatectl set-ntp true` and allow the box to reach a \
         time server; without network, add a hardware clock and set shop.trust_clock"
    );
    Ok("not set by a time server; trusted by shop.trust_clock".into())
}

/// Checks the power supply and the temperature of a Raspberry Pi.
pub(super) fn power() -> anyhow::Result<String> {
    match std::fs::read_to_string(THROTTLED_FILE) {
        Ok(flags) => throttling(flags.trim()),
        Err(_) => Ok("no Raspberry Pi firmware".into()),
    }
}

/// Interprets the throttling flags of the firmware: under-voltage (bit 0), lower frequency (1),
/// throttling (2) and high temperature (3). Bits 16 to 19 are set if the condition of bit 0 to 3 has
/// occurred since the start.
///
/// Source: <https://www.raspberrypi.com/documentation/computers/os.html#get_throttled>.
fn throttling(flags: &str) -> anyhow::Result<String> {
    let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16)
        .with_context(|| format!("the firmware reports invalid throttling flags: {flags}"))?;
    let is_set = |bit: u32| flags >> bit & 1 == 1;
    anyhow::ensure!(
        !is_set(0) && !is_set(16),
        "the voltage {} too low: use the power supply for this Raspberry Pi model, and a short cable",
        if is_set(0) { "is" } else { "was" }
    );
    anyhow::ensure!(
        !is_set(1) && !is_set(2) && !is_set(3),
        "the processor is slowed down because it is too hot: improve the air flow, or add a heat sink"
    );
    Ok(if is_set(17) || is_set(18) || is_set(19) {
        "good; the processor was too hot at least once since the start".into()
    } else {
        "voltage and temperature are good".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_flags_result_in_remedy() {
        for (flags, is_good, text) in [
            ("0", true, "voltage and temperature are good"),
            ("0x0", true, "voltage and temperature are good"),
            ("80000", true, "too hot at least once"),
            ("50005", false, "voltage is too low"),
            ("10000", false, "voltage was too low"),
            ("0x4", false, "too hot"),
            ("nonsense", false, "invalid throttling flags: nonsense"),
        ] {
            let result = throttling(flags);
            let message = result.as_ref().map_or_else(ToString::to_string, Clone::clone);
            assert!(result.is_ok() == is_good && message.contains(text), "{flags}: {message}");
        }
    }

    #[test]
    fn available_memory_is_read_in_bytes() {
        let meminfo = "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable:    512000 kB\n";
        assert_eq!(available_memory(meminfo), Some(512_000 * 1024));
        assert_eq!(available_memory("MemTotal: 1000 kB\n"), None);
    }

    #[test]
    fn missing_folder_has_free_space_of_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let result = disk(&folder.path().join("not/yet"));
        let message = result.unwrap_or_else(|error| error.to_string());
        assert!(message.contains("MB are free in"), "{message}");
    }
}
