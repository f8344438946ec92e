//! V4L2 devices of this machine, and the names of their cards.

use std::path::{Path, PathBuf};

/// Folder in which the kernel lists the V4L2 devices.
const DEVICE_FOLDER: &str = "/sys/class/video4linux";

/// A V4L2 device.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct VideoDevice {
    /// Number `N` in the path `/dev/videoN`.
    number: u32,
    card: String,
}

/// Returns all devices, ordered by number.
pub(super) fn all() -> Vec<VideoDevice> {
    devices_in(Path::new(DEVICE_FOLDER))
}

/// Returns the devices that a folder lists.
fn devices_in(folder: &Path) -> Vec<VideoDevice> {
    // If no driver is loaded, the folder is missing and there are no devices.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut devices: Vec<_> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix("video")?.parse().ok()?;
            let card = std::fs::read_to_string(entry.path().join("name")).ok()?;
            Some(VideoDevice { number, card: card.trim().to_owned() })
        })
        .collect();
    devices.sort();
    devices
}

/// Returns the paths of the devices whose card name contains `name`, ignoring case.
pub(super) fn paths_by_card(devices: &[VideoDevice], name: &str) -> Vec<PathBuf> {
    let name = name.to_lowercase();
    devices
        .iter()
        .filter(|device| device.card.to_lowercase().contains(&name))
        .map(|device| format!("/dev/video{}", device.number).into())
        .collect()
}

/// Returns the card names for a message, or `none` without devices.
pub(super) fn card_names(devices: &[VideoDevice]) -> String {
    let mut names: Vec<_> = devices.iter().map(|device| device.card.as_str()).collect();
    names.dedup();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_sorted_and_found_by_part_of_card_name() {
        let folder = tempfile::tempdir().unwrap();
        for (entry, card) in [
            ("video10", "HD Pro Webcam C920\n"),
            ("video2", "HD Pro Webcam C920\n"),
            ("video3", "Dummy video device (0x0000)\n"),
            ("v4l-subdev0", "imx219 10-0010\n"),
        ] {
            std::fs::create_dir(folder.path().join(entry)).unwrap();
            std::fs::write(folder.path().join(entry).join("name"), card).unwrap();
        }
        std::fs::create_dir(folder.path().join("video4")).unwrap();
        let devices = devices_in(folder.path());
        let paths = |name| paths_by_card(&devices, name);
        assert_eq!(paths("webcam c920"), [Path::new("/dev/video2"), Path::new("/dev/video10")]);
        assert_eq!(paths("dummy"), [Path::new("/dev/video3")]);
        assert!(paths("imx219").is_empty() && paths("C930").is_empty());
        assert_eq!(
            card_names(&devices),
            "HD Pro Webcam C920, Dummy video device (0x0000), HD Pro Webcam C920"
        );
        assert_eq!(card_names(&devices_in(Path::new("/nonexistent"))), "none");
    }
}
