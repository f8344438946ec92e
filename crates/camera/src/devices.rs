//! The video devices of this machine, and what their cards are called.

use std::path::{Path, PathBuf};

/// Where the kernel lists them.
const LIST: &str = "/sys/class/video4linux";

/// A device node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Node {
    /// `N` of `/dev/videoN`.
    number: u32,
    card: String,
}

/// All of them, by number.
pub(super) fn all() -> Vec<Node> {
    listed(Path::new(LIST))
}

fn listed(list: &Path) -> Vec<Node> {
    // Without the list there is no driver, and so no device.
    let entries = std::fs::read_dir(list).into_iter().flatten().flatten();
    let mut nodes: Vec<_> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix("video")?.parse().ok()?;
            let card = std::fs::read_to_string(entry.path().join("name")).ok()?;
            Some(Node { number, card: card.trim().to_owned() })
        })
        .collect();
    nodes.sort();
    nodes
}

/// The paths of those whose card's name contains `name`, whatever the case.
pub(super) fn called(nodes: &[Node], name: &str) -> Vec<PathBuf> {
    let name = name.to_lowercase();
    let bears = |node: &&Node| node.card.to_lowercase().contains(&name);
    nodes.iter().filter(bears).map(|node| format!("/dev/video{}", node.number).into()).collect()
}

/// The names, for a message.
pub(super) fn names(nodes: &[Node]) -> String {
    let mut names: Vec<_> = nodes.iter().map(|node| node.card.as_str()).collect();
    names.dedup();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_listed_by_number_and_found_by_a_part_of_their_name() {
        let list = tempfile::tempdir().unwrap();
        for (entry, card) in [
            ("video10", "HD Pro Webcam C920\n"),
            ("video2", "HD Pro Webcam C920\n"),
            ("video3", "Dummy video device (0x0000)\n"),
            ("v4l-subdev0", "imx219 10-0010\n"),
        ] {
            std::fs::create_dir(list.path().join(entry)).unwrap();
            std::fs::write(list.path().join(entry).join("name"), card).unwrap();
        }
        std::fs::create_dir(list.path().join("video4")).unwrap();
        let nodes = listed(list.path());
        let paths = |name| called(&nodes, name);
        assert_eq!(paths("webcam c920"), [Path::new("/dev/video2"), Path::new("/dev/video10")]);
        assert_eq!(paths("dummy"), [Path::new("/dev/video3")]);
        assert!(paths("imx219").is_empty() && paths("C930").is_empty());
        let said = names(&nodes);
        assert_eq!(said, "HD Pro Webcam C920, Dummy video device (0x0000), HD Pro Webcam C920");
        assert_eq!(names(&listed(Path::new("/nonexistent"))), "none");
    }
}
