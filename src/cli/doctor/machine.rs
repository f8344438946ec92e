//! The machine below: room, memory, clock, and the power supply of a Raspberry Pi.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// Room in which the vault can be written anew, beside its backups.
const ROOM: u64 = 200 << 20;
/// Memory for models and frames.
const MEMORY: u64 = 200 << 20;
/// What a Raspberry Pi's firmware says of its power and heat, as a number in hexadecimal.
const THROTTLED: &str = "/sys/devices/platform/soc/soc:firmware/get_throttled";

pub(super) fn disk(state_dir: &Path) -> anyhow::Result<String> {
    // The first start makes the folder.
    let there = state_dir.ancestors().find(|folder| folder.exists()).unwrap_or(state_dir);
    let cannot = || format!("cannot ask how much room {} has", there.display());
    let volume = rustix::fs::statvfs(there).with_context(cannot)?;
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    let says = format!("{} MB are free where {} lies", free >> 20, state_dir.display());
    anyhow::ensure!(free >= ROOM, "{says}, and {} are needed: make room", ROOM >> 20);
    Ok(says)
}

pub(super) fn memory() -> anyhow::Result<String> {
    let told = std::fs::read_to_string("/proc/meminfo").context("cannot ask for memory")?;
    let available = available(&told).context("/proc/meminfo does not say what is available")?;
    let says = format!("{} MB are available", available >> 20);
    anyhow::ensure!(
        available >= MEMORY,
        "{says}, and {} are needed: stop other programs, or set vision.embedder = \"mobilefacenet\"",
        MEMORY >> 20
    );
    Ok(says)
}

/// Bytes that programs can still have.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// A Raspberry Pi has no clock that goes on without power: until the network sets it, times of
/// consents and orders are wrong, and certificates seem to be of the future.
pub(super) fn clock() -> anyhow::Result<String> {
    let asked =
        Command::new("timedatectl").args(["show", "--value", "-p", "NTPSynchronized"]).output();
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match said.as_deref() {
        Ok("yes") => Ok("set by the network".into()),
        Ok("no") => anyhow::bail!(
            "the network has not set it: `timedatectl set-ntp true`, and let the box reach a time \
             server, or give it a clock of its own"
        ),
        _ => Ok("timedatectl does not say who sets it".into()),
    }
}

pub(super) fn power() -> anyhow::Result<String> {
    match std::fs::read_to_string(THROTTLED) {
        Ok(bits) => throttling(bits.trim()),
        Err(_) => Ok("no Raspberry Pi's firmware to ask".into()),
    }
}

/// What the firmware's bits mean:
/// <https://www.raspberrypi.com/documentation/computers/os.html#get_throttled>.
fn throttling(bits: &str) -> anyhow::Result<String> {
    let bits = u32::from_str_radix(bits.trim_start_matches("0x"), 16)
        .with_context(|| format!("the firmware said {bits}"))?;
    let is = |bit: u32| bits >> bit & 1 == 1;
    anyhow::ensure!(
        !is(0) && !is(16),
        "the voltage {} too low: use the supply that belongs to this Raspberry Pi, and a short cable",
        if is(0) { "is" } else { "was" }
    );
    anyhow::ensure!(
        !is(1) && !is(2) && !is(3),
        "too hot, and slowed down: give it air, or a heat sink"
    );
    Ok(if is(17) || is(18) || is(19) {
        "good; it was too hot once since the start".into()
    } else {
        "voltage and heat are good".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firmwares_bits_become_what_to_do() {
        for (bits, good, says) in [
            ("0", true, "voltage and heat are good"),
            ("0x0", true, "voltage and heat are good"),
            ("80000", true, "too hot once"),
            ("50005", false, "voltage is too low"),
            ("10000", false, "voltage was too low"),
            ("0x4", false, "too hot, and slowed down"),
            ("nonsense", false, "the firmware said nonsense"),
        ] {
            let told = throttling(bits);
            let text = told.as_ref().map_or_else(ToString::to_string, Clone::clone);
            assert!(told.is_ok() == good && text.contains(says), "{bits}: {text}");
        }
    }

    #[test]
    fn available_memory_is_read_in_bytes() {
        let meminfo = "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable:    512000 kB\n";
        assert_eq!(available(meminfo), Some(512_000 * 1024));
        assert_eq!(available("MemTotal: 1000 kB\n"), None);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let says = disk(&folder.path().join("not/yet"));
        let text = says.unwrap_or_else(|error| error.to_string());
        assert!(text.contains("MB are free where"), "{text}");
    }
}
