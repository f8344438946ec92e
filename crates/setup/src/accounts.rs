//! Names of the accounts of a box.

use instored_domain::BoxId;

/// Kind of a client of the broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Box at the entrance.
    Box,
    /// Display of the box.
    Display,
    /// Till.
    Till,
    /// Program of the office, which maintains the catalogue.
    Office,
    /// Home automation.
    HomeAssistant,
    /// `instored doctor`, which checks that the broker accepts accounts.
    Doctor,
}

/// Account of the broker. Each account has one connection at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Kind of the client.
    pub role: Role,
    /// User name and client id.
    pub name: String,
}

impl Role {
    /// Roles in the order of documents and files.
    pub const ALL: [Self; 6] =
        [Self::Box, Self::Display, Self::Till, Self::Office, Self::HomeAssistant, Self::Doctor];

    /// Returns the account of this role with a number from 1. The first account has no number in its name.
    pub fn account(self, box_id: &BoxId, number: u16) -> Account {
        let base = match self {
            Self::Box => format!("box-{box_id}"),
            Self::Display => format!("display-{box_id}"),
            Self::Till => format!("till-{box_id}"),
            Self::Office => format!("office-{box_id}"),
            Self::HomeAssistant => "homeassistant".to_owned(),
            Self::Doctor => format!("doctor-{box_id}"),
        };
        let name = if number > 1 { format!("{base}-{number}") } else { base };
        Account { role: self, name }
    }
}

/// Returns the accounts of a box with these numbers of displays and tills.
pub fn accounts(box_id: &BoxId, displays: u16, tills: u16) -> Vec<Account> {
    let count = |role| match role {
        Role::Display => displays,
        Role::Till => tills,
        _ => 1,
    };
    let numbered = |role: Role| (1..=count(role)).map(move |number| (role, number));
    let all = Role::ALL.into_iter().flat_map(numbered);
    all.map(|(role, number)| role.account(box_id, number)).collect()
}
