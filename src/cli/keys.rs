//! `instored keys`: by which key displays know the box.

use std::process::ExitCode;

use super::office;
use crate::bus::{KeyNote, PublicKey};
use crate::config::Config;

/// What to do.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Print the public key with which this box signs
    Show {
        /// Print JSON, as the topic `key` carries it
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(action: &Action, config: &Config) -> anyhow::Result<ExitCode> {
    let Action::Show { json } = action;
    let key = office::signing_key(config)?;
    let note = KeyNote { key_id: key.key_id(), ed25519: PublicKey::from_bytes(&key.public())? };
    if *json {
        super::print_json(&note)?;
    } else {
        println!("{}  (id {})", note.ed25519, note.key_id);
    }
    Ok(ExitCode::SUCCESS)
}
