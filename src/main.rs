//! The `instored` program.

#![forbid(unsafe_code)]

mod cli;
mod config;
mod daemon;
mod demo;
mod hardware;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
