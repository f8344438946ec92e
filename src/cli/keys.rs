//! `instored keys`: by which key displays know the box, and another in its place.

use std::process::ExitCode;

use anyhow::bail;
use instored_mqtt::PublicKeyAnnouncement;
use serde_json::json;

use super::customers::UNEXPECTED;
use super::{office, print_json};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};

/// What to do.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Print the public key with which this box signs
    Show {
        /// Print JSON, as the topic `key` carries it
        #[arg(long)]
        json: bool,
        /// Print a JSON Web Key (RFC 8037)
        #[arg(long, conflicts_with = "json")]
        jwk: bool,
    },
    /// Replace the signing key, the vault key and every customer's key; the box goes on meanwhile
    ///
    /// Displays that were told the old key have to be told the new one. Keys that come from systemd
    /// credentials are replaced by the credentials of the same name with `.next` behind it.
    Rotate,
}

pub(super) fn run(action: &Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Show { json, jwk } => {
            let Response::Key(note) = office::ask(config, Request::Key)? else { bail!(UNEXPECTED) };
            if *json {
                print_json(&note)?;
            } else if *jwk {
                print_json(&web_key(&note))?;
            } else {
                println!("{}  (id {})", note.ed25519, note.key_id);
            }
        }
        Action::Rotate => {
            let Response::Rotated(rotated) = office::ask(config, Request::RotateKeys)? else {
                bail!(UNEXPECTED);
            };
            println!("new keys; signed and sealed again: {} customers", rotated.customers);
            for name in &rotated.replace_credentials {
                println!("put the credential {name}.next in the place of {name} now");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn web_key(note: &PublicKeyAnnouncement) -> serde_json::Value {
    json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": note.key_id,
        "x": note.ed25519,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_key_is_written_as_rfc_8037_does() {
        // Appendix A.2.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let note = PublicKeyAnnouncement {
            key_id: "21fe31dfa154a261".into(),
            ed25519: x.parse().unwrap(),
        };
        let key = web_key(&note);
        assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
        assert_eq!((&key["x"], &key["kid"]), (&json!(x), &json!("21fe31dfa154a261")));
    }
}
