//! Rights of each account. This table is the one source of the broker's access rules and of the documented
//! table.

use std::fmt::Write as _;

use instored_domain::BoxId;

use super::accounts::{Account, Role};
use super::error::SetupError;

/// Values of the configuration on which the rights depend.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// Name of the box.
    pub box_id: BoxId,
    /// Topic prefix of Home Assistant's discovery.
    pub home_assistant_prefix: String,
    /// True if Home Assistant has a button that offers an enrolment.
    pub has_home_assistant_button: bool,
}

/// Topic filters of an account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rights {
    /// Topics to which the account sends.
    pub sends: Vec<String>,
    /// Topics from which the account receives.
    pub receives: Vec<String>,
}

/// Topics of a role. A topic that begins with `/` is a topic of the box, one that begins with `ha/` a topic
/// of Home Assistant.
struct RoleTopics {
    sends: &'static [&'static str],
    receives: &'static [&'static str],
}

/// Topic of Home Assistant's button. Home Assistant sends to it only if the configuration has the button.
const BUTTON_TOPIC: &str = "/cmd/enrol";

const fn topics(role: Role) -> RoleTopics {
    match role {
        Role::Box => RoleTopics {
            sends: &[
                "/availability",
                "/key",
                "/state",
                "/visit",
                "/enrolment",
                "/presence",
                "/list",
                "/reply/#",
                "ha/device/instored_BOX/config",
            ],
            receives: &["/cmd/+", "ha/status"],
        },
        Role::Display => RoleTopics {
            sends: &[
                "/cmd/present",
                "/cmd/enrol",
                "/cmd/agree",
                "/cmd/not-me",
                "/cmd/rename",
                "/cmd/preferences",
                "/cmd/history",
                "/cmd/list",
                "/cmd/forget",
            ],
            receives: &[
                "/availability",
                "/key",
                "/state",
                "/visit",
                "/enrolment",
                "/list",
                "/reply/ACCOUNT/#",
            ],
        },
        Role::Till => RoleTopics {
            sends: &["/cmd/present", "/cmd/at-till", "/cmd/order", "/cmd/list"],
            receives: &["/availability", "/list", "/reply/ACCOUNT/#"],
        },
        Role::Office => RoleTopics {
            sends: &["/cmd/catalogue"],
            receives: &["/availability", "/reply/ACCOUNT/#"],
        },
        Role::HomeAssistant => RoleTopics {
            sends: &["ha/#"],
            receives: &["ha/#", "/availability", "/state", "/presence"],
        },
        Role::Doctor => RoleTopics { sends: &[], receives: &["/availability"] },
    }
}

const fn description(role: Role) -> &'static str {
    match role {
        Role::Box => "Box: publishes events and responses, receives commands.",
        Role::Display => {
            "Display: receives all events, sends the commands that customers may give."
        }
        Role::Till => "Till: reads lists and who is present, sends orders and who is at the till.",
        Role::Office => "Office: maintains the catalogue.",
        Role::HomeAssistant => {
            "Home Assistant: discovers the box and counts visits. It reads nothing about a customer."
        }
        Role::Doctor => "`instored doctor`: checks that the broker accepts accounts.",
    }
}

impl AccessPolicy {
    /// Checks that the prefix of Home Assistant is one that a rule can contain.
    ///
    /// # Errors
    /// The prefix is empty, or contains a wildcard or a control character.
    pub fn check(&self) -> Result<(), SetupError> {
        let prefix = &self.home_assistant_prefix;
        let is_valid = !prefix.is_empty()
            && prefix.trim() == prefix
            && !prefix.starts_with('$')
            && !prefix.contains(|c: char| c.is_control() || c == '+' || c == '#');
        if is_valid { Ok(()) } else { Err(SetupError::InvalidPrefix(prefix.clone())) }
    }

    /// Returns the rights of an account.
    pub fn rights(&self, account: &Account) -> Rights {
        let RoleTopics { sends, receives } = topics(account.role);
        let resolve = |topics: &[&str]| {
            topics.iter().map(|topic| self.resolve(topic, &account.name)).collect::<Vec<_>>()
        };
        let mut rights = Rights { sends: resolve(sends), receives: resolve(receives) };
        if account.role == Role::HomeAssistant && self.has_home_assistant_button {
            rights.sends.push(self.resolve(BUTTON_TOPIC, &account.name));
        }
        rights
    }

    fn resolve(&self, topic: &str, account: &str) -> String {
        let box_id = self.box_id.as_str();
        match topic.strip_prefix("ha/") {
            Some(leaf) => {
                format!("{}/{}", self.home_assistant_prefix, leaf.replace("BOX", box_id))
            }
            None => format!("instored/{box_id}{}", topic.replace("ACCOUNT", account)),
        }
    }
}

/// Returns the access rules for mosquitto. Everything that they do not allow is denied.
pub(super) fn rules(policy: &AccessPolicy, accounts: &[Account]) -> String {
    let mut text = format!(
        "# Access rules of the box `{}`, as `instored setup` writes them. Everything else is denied.\n",
        policy.box_id
    );
    for account in accounts {
        let _ = write!(text, "\n# {}\nuser {}\n", description(account.role), account.name);
        let Rights { sends, receives } = policy.rights(account);
        for topic in &sends {
            let access = if receives.contains(topic) { "readwrite" } else { "write" };
            let _ = writeln!(text, "topic {access} {topic}");
        }
        for topic in receives.iter().filter(|topic| !sends.contains(topic)) {
            let _ = writeln!(text, "topic read {topic}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::accounts;

    fn policy(box_id: &str) -> AccessPolicy {
        AccessPolicy {
            box_id: box_id.parse().unwrap(),
            home_assistant_prefix: "homeassistant".into(),
            has_home_assistant_button: false,
        }
    }

    /// Returns the documented table: one row for each role.
    fn table() -> String {
        let policy = policy("entrance");
        let spans = |topics: Vec<String>| {
            let short = topics.iter().map(|topic| {
                format!("`{}`", topic.strip_prefix("instored/entrance/").unwrap_or(topic))
            });
            short.collect::<Vec<_>>().join(", ")
        };
        let mut table = "| Account | Sends to | Receives from |\n|---|---|---|\n".to_owned();
        for account in accounts(&policy.box_id, 1, 1) {
            let Rights { sends, receives } = policy.rights(&account);
            let (sends, receives) = (spans(sends), spans(receives));
            let row = format!("| `{}` | {sends} | {receives} |\n", account.name);
            table += &row.replace("|  |", "| |");
        }
        table
    }

    #[test]
    fn documented_table_equals_rights() {
        let document = include_str!("../../../docs/integration.md");
        assert!(document.contains(&table()), "docs/integration.md lacks this table:\n{}", table());
    }

    #[test]
    fn sample_rules_equal_generated_ones() {
        let sample = include_str!("../../../config/mosquitto/instored.acl");
        assert_eq!(sample, crate::sample_access_rules(&policy("entrance")), "run `make config`");
    }

    #[test]
    fn rights_name_topics_of_asyncapi_document() {
        let document = instored_mqtt::asyncapi();
        let channels = document["channels"].as_object().unwrap().values();
        let addresses: BTreeSet<_> = channels
            .filter_map(|channel| channel["address"].as_str())
            .map(|address| address.replace("{box}", "entrance"))
            .collect();
        let policy = policy("entrance");
        let mut commands = BTreeSet::new();
        for account in accounts(&policy.box_id, 1, 1) {
            let Rights { sends, receives } = policy.rights(&account);
            for topic in sends.iter().chain(&receives) {
                let is_pattern = topic.contains(['+', '#']) || topic.starts_with("homeassistant/");
                assert!(is_pattern || addresses.contains(topic), "{topic}");
            }
            commands.extend(sends.into_iter().filter(|topic| topic.contains("/cmd/")));
        }
        let verbs: BTreeSet<_> =
            addresses.into_iter().filter(|address| address.contains("/cmd/")).collect();
        assert_eq!(commands, verbs, "left: commands that an account may send, right: all commands");
    }

    #[test]
    fn button_of_home_assistant_follows_configuration() {
        let mut policy = policy("door-1");
        let account = Role::HomeAssistant.account(&policy.box_id, 1);
        let button = "instored/door-1/cmd/enrol".to_owned();
        assert!(!policy.rights(&account).sends.contains(&button));
        policy.has_home_assistant_button = true;
        assert!(policy.rights(&account).sends.contains(&button));
    }

    #[test]
    fn prefix_that_would_extend_rules_is_rejected() {
        let mut policy = policy("entrance");
        for prefix in ["", "a\ntopic readwrite #", "+", "home/#", "$SYS", " x"] {
            policy.home_assistant_prefix = prefix.into();
            assert!(policy.check().is_err(), "{prefix:?}");
        }
        policy.home_assistant_prefix = "shop/home assistant".into();
        assert!(policy.check().is_ok());
    }
}
