//! Exit codes of all commands.

use std::process::ExitCode;

use crate::config::ConfigError;

/// Explanation for `--help` and the manual page.
pub(super) const HELP: &str = "Exit codes: 0 success; 1 the command failed or found a fault; \
                               2 wrong arguments or configuration.";

/// The command failed or found a fault.
const FAILURE: u8 = 1;
/// Wrong arguments or configuration; clap ends with the same code.
const USAGE: u8 = 2;

/// Returns success if the command found no fault.
pub(super) fn success_if(has_no_fault: bool) -> ExitCode {
    if has_no_fault { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) }
}

/// Returns the exit code of a command that ended with this error.
pub(super) fn from_error(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if error.is::<ConfigError>() { USAGE } else { FAILURE })
}
