//! The topics of a box, all under `instored/<box>/`.
//!
//! | topic | QoS, retained | payload |
//! |---|---|---|
//! | `availability` | 1, retained, last will | `online` or `offline` |
//! | `key` | 1, retained | the public key that events are signed with |
//! | `state` | 1, retained, signed | [`instored_domain::BoxState`] |
//! | `visit` | 1, expires, signed | [`instored_domain::VisitEvent`] |
//! | `enrolment` | 1, expires, signed | [`instored_domain::EnrolmentEvent`] |
//! | `list` | 1, expires, signed | [`instored_domain::ListEvent`] |
//! | `cmd/<verb>` | 1, answered at the response topic | [`instored_domain::Command`] without its verb |
//! | `reply/<client>` | 1, expires | an answer or a refusal, for a display of this program |

use instored_domain::BoxId;

const ROOT: &str = "instored";

pub(super) const ONLINE: &str = "online";
pub(super) const OFFLINE: &str = "offline";

pub(super) const AVAILABILITY: &str = "availability";
pub(super) const KEY: &str = "key";
pub(super) const STATE: &str = "state";
pub(super) const VISIT: &str = "visit";
pub(super) const LIST: &str = "list";
pub(super) const ENROLMENT: &str = "enrolment";

/// The topic `leaf` of a box.
pub(super) fn of(box_id: &BoxId, leaf: &str) -> String {
    format!("{ROOT}/{box_id}/{leaf}")
}

/// The filter of `leaf` for one box, or for all.
pub(super) fn filter(box_id: Option<&BoxId>, leaf: &str) -> String {
    format!("{ROOT}/{}/{leaf}", box_id.map_or("+", BoxId::as_str))
}

/// Splits a topic into its box and what comes behind it.
pub(super) fn split(topic: &str) -> Option<(BoxId, &str)> {
    let (box_id, leaf) = topic.strip_prefix(ROOT)?.strip_prefix('/')?.split_once('/')?;
    Some((box_id.parse().ok()?, leaf))
}

/// Whether it names one topic, which may be published to.
pub(super) fn is_plain(topic: &str) -> bool {
    (1..=256).contains(&topic.len())
        && !topic.starts_with('$')
        && !topic.contains(|c: char| c.is_control() || c == '+' || c == '#')
}

/// Whether an answer may be sent there. What is published for a box by itself, its commands
/// included, is no place for answers that a caller chooses; a wildcard would end the connection.
pub(super) fn may_answer_at(topic: &str) -> bool {
    let ours = topic.strip_prefix(ROOT).is_some_and(|rest| rest.starts_with('/'));
    let reply = split(topic).is_some_and(|(_, leaf)| leaf.starts_with("reply/"));
    is_plain(topic) && (reply || !ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_split_as_it_was_made() {
        let box_id: BoxId = "door-1".parse().unwrap();
        assert_eq!(split(&of(&box_id, VISIT)), Some((box_id, "visit")));
        assert_eq!(split("instored/door-1/cmd/not-me").unwrap().1, "cmd/not-me");
        for wrong in
            ["", "instored", "instored/door-1", "instoredx/a/b", "other/a/b", "instored/A/b"]
        {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn answers_cannot_pose_as_events_or_commands() {
        for good in ["instored/door-1/reply/display-7", "homeassistant/answers", "x"] {
            assert!(may_answer_at(good), "{good}");
        }
        let long = "x".repeat(257);
        for wrong in [
            "",
            "instored/door-1/visit",
            "instored/door-1/cmd/forget",
            "instored/x",
            "a/+",
            "a/#",
            "$SYS/a",
            "a\0b",
            &long,
        ] {
            assert!(!may_answer_at(wrong), "{wrong}");
        }
    }
}
