//! `instored manual`: manual pages and shell completions, generated from the program's arguments.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

/// Arguments of the generator.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Folder to write to
    folder: PathBuf,
}

/// Writes the files for a package.
pub(super) fn run<Program: CommandFactory>(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let cannot_write = || format!("cannot write to {}", folder.display());
    clap_mangen::generate_to(Program::command(), folder).with_context(cannot_write)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        let mut program = Program::command();
        let name = program.get_name().to_owned();
        clap_complete::generate_to(shell, &mut program, name, folder).with_context(cannot_write)?;
    }
    Ok(ExitCode::SUCCESS)
}
