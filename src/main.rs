//! Program `instored`: command line, configuration, daemon and demonstration.
//!
//! | module | content |
//! |---|---|
//! | `cli` | subcommands and exit codes |
//! | `config` | configuration file and environment |
//! | `daemon` | threads and main loop of `instored run` |
//! | `demo` | scenario of `instored demo` |
//! | `hardware` | camera and panel that the configuration selects |
//! | `output` | lines and JSON on standard output |

#![forbid(unsafe_code)]

mod cli;
mod config;
mod daemon;
mod demo;
mod hardware;
mod output;

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Overwrites each block of memory when it is freed or moved, in all threads and libraries: embeddings, names,
/// orders, keys and passphrases.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Runs the command line.
fn main() -> ExitCode {
    cli::main()
}
