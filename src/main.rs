//! Program `instored`: the command line, the daemon, the demo and the configuration.

#![forbid(unsafe_code)]

mod cli;
mod config;
mod daemon;
mod demo;
mod hardware;
mod output;

use std::process::ExitCode;

/// Runs the command line.
fn main() -> ExitCode {
    cli::main()
}
