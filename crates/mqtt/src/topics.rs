//! Topics of a box, below `instored/<box>/`. The part of a topic after `instored/<box>/` is its leaf.
//!
//! | topic | QoS, retained | payload |
//! |---|---|---|
//! | `availability` | 1, retained, last will | `online` or `offline` |
//! | `key` | 1, retained | [`super::PublicKeyAnnouncement`]: public key of the event signatures |
//! | `state` | 1, retained, signed | [`instored_domain::BoxState`] |
//! | `visit` | 1, expires, signed | [`instored_domain::VisitEvent`] |
//! | `enrolment` | 1, expires, signed | [`instored_domain::EnrolmentEvent`] |
//! | `presence` | 1, expires, signed | [`instored_domain::PresenceEvent`]: anonymous |
//! | `list` | 1, expires, signed | [`instored_domain::ListEvent`] |
//! | `cmd/<verb>` | 1, response on the response topic | [`instored_domain::Command`] without its verb |
//! | `reply/<client>`, `reply/<client>/…` | 1, expires | responses to the commands of a client |

use instored_domain::BoxId;

const ROOT: &str = "instored";
/// Maximum length of a response topic, in bytes.
const TOPIC_BYTES_MAX: usize = 256;

/// The two payloads of the topic `availability`.
pub(super) const ONLINE: &str = "online";
pub(super) const OFFLINE: &str = "offline";

pub(super) const AVAILABILITY: &str = "availability";
pub(super) const KEY: &str = "key";
pub(super) const STATE: &str = "state";
pub(super) const VISIT: &str = "visit";
pub(super) const PRESENCE: &str = "presence";
pub(super) const LIST: &str = "list";
pub(super) const ENROLMENT: &str = "enrolment";
pub(super) const COMMAND_PREFIX: &str = "cmd/";
pub(super) const REPLY_PREFIX: &str = "reply/";

/// Returns the topic of a box that ends with `leaf`.
pub(super) fn box_topic(box_id: &BoxId, leaf: &str) -> String {
    format!("{ROOT}/{box_id}/{leaf}")
}

/// Returns the topic filter for `leaf` of one box, or of all boxes.
pub(super) fn filter(box_id: Option<&BoxId>, leaf: &str) -> String {
    format!("{ROOT}/{}/{leaf}", box_id.map_or("+", BoxId::as_str))
}

/// Splits a topic into the box and the leaf. Returns `None` for a topic of another program.
pub(super) fn split(topic: &str) -> Option<(BoxId, &str)> {
    let (box_id, leaf) = topic.strip_prefix(ROOT)?.strip_prefix('/')?.split_once('/')?;
    Some((box_id.parse().ok()?, leaf))
}

/// Returns true if messages can be published to the topic: it has 1 to [`TOPIC_BYTES_MAX`] bytes, does
/// not begin with `$` (topics of the broker), and has no wildcards and no control characters.
pub(super) fn is_publishable(topic: &str) -> bool {
    (1..=TOPIC_BYTES_MAX).contains(&topic.len())
        && !topic.starts_with('$')
        && !topic.contains(|c: char| c.is_control() || c == '+' || c == '#')
}

/// Returns true if the box may publish a response to the topic: `reply/<client>` of this box, or a topic
/// below. The broker's access rules give each account the topics of its own name. A client therefore cannot
/// make the box publish on the topic of an event, of a command or of another program.
pub(super) fn is_response_topic(box_id: &BoxId, topic: &str) -> bool {
    let client = topic.strip_prefix(&box_topic(box_id, REPLY_PREFIX));
    is_publishable(topic)
        && client.is_some_and(|client| client.split('/').all(|part| !part.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_splits_into_box_and_leaf() {
        let box_id: BoxId = "door-1".parse().unwrap();
        assert_eq!(split(&box_topic(&box_id, VISIT)), Some((box_id, "visit")));
        assert_eq!(split("instored/door-1/cmd/not-me").unwrap().1, "cmd/not-me");
        for invalid in
            ["", "instored", "instored/door-1", "instoredx/a/b", "other/a/b", "instored/A/b"]
        {
            assert_eq!(split(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn only_reply_topics_of_the_box_are_response_topics() {
        let box_id: BoxId = "door-1".parse().unwrap();
        for valid in ["instored/door-1/reply/display-7", "instored/door-1/reply/till-2/orders"] {
            assert!(is_response_topic(&box_id, valid), "{valid}");
        }
        let too_long = format!("instored/door-1/reply/{}", "x".repeat(TOPIC_BYTES_MAX));
        for invalid in [
            "",
            "instored/door-1/visit",
            "instored/door-1/cmd/forget",
            "instored/door-1/reply/",
            "instored/door-1/reply//a",
            "instored/door-2/reply/display-7",
            "homeassistant/responses",
            "x",
            "instored/x",
            "instored/door-1/reply/+",
            "instored/door-1/reply/#",
            "instored/door-1/reply/a\0b",
            &too_long,
        ] {
            assert!(!is_response_topic(&box_id, invalid), "{invalid}");
        }
    }
}
