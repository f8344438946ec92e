//! `instored keys`: the keys of the box.

use std::process::ExitCode;

use anyhow::bail;
use instored_mqtt::PublicKeyAnnouncement;
use serde_json::json;

use super::vault_client::{self, UNEXPECTED_RESPONSE};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};
use crate::output::{print_json, print_line};

/// Actions on the keys.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Print the public key that verifies the messages of this box
    Show {
        /// Print JSON in the format of the MQTT topic `key`
        #[arg(long)]
        json: bool,
        /// Print a JSON Web Key (RFC 8037)
        #[arg(long, conflicts_with = "json")]
        jwk: bool,
    },
    /// Replace the signing key, the vault key and every customer key, while the box keeps running
    ///
    /// Displays accept the new key, because the old key endorses it. Keys from systemd credentials
    /// are replaced by the credentials with the same name and the suffix `.next`.
    Rotate,
}

/// Runs `instored keys`.
pub(super) fn run(action: &Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Show { json, jwk } => {
            let Response::Key(key) = vault_client::send(config, Request::Key)? else {
                bail!(UNEXPECTED_RESPONSE);
            };
            if *json {
                print_json(&key)?;
            } else if *jwk {
                print_json(&web_key(&key))?;
            } else {
                print_line(format_args!("{}  (id {})", key.ed25519, key.key_id))?;
            }
        }
        Action::Rotate => {
            let Response::Rotated(rotated) = vault_client::send(config, Request::RotateKeys)?
            else {
                bail!(UNEXPECTED_RESPONSE);
            };
            print_line(format_args!(
                "keys replaced; {} customers signed and encrypted again",
                rotated.customers
            ))?;
            for name in &rotated.replace_credentials {
                print_line(format_args!("now replace the credential {name} with {name}.next"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the key as a JSON Web Key of type OKP (RFC 8037, section 2).
fn web_key(key: &PublicKeyAnnouncement) -> serde_json::Value {
    json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": key.key_id,
        "x": key.ed25519,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_key_has_fields_of_rfc_8037() {
        // RFC 8037, appendix A.2.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = PublicKeyAnnouncement {
            key_id: "21fe31dfa154a261".into(),
            ed25519: x.parse().unwrap(),
            endorsements: vec![],
        };
        let key = web_key(&key);
        assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
        assert_eq!((&key["x"], &key["kid"]), (&json!(x), &json!("21fe31dfa154a261")));
    }
}
