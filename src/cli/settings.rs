//! `instored config`: what is in force, and what there is to set.

use std::process::ExitCode;

use crate::config::Config;

/// What to do.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Print what is in force, after file and environment
    Show,
    /// Print a commented file with every key and its default
    Example,
}

pub(super) fn show(config: &Config) -> anyhow::Result<ExitCode> {
    print!("{}", config.to_toml()?);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn example() -> anyhow::Result<ExitCode> {
    print!("{}", Config::example());
    Ok(ExitCode::SUCCESS)
}
