//! `instored manual`: what a package adds to the program, made from the program's own arguments.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

/// Where to.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder for it all
    folder: PathBuf,
}

pub(super) fn run<Program: CommandFactory>(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let cannot = || format!("cannot write into {}", folder.display());
    clap_mangen::generate_to(Program::command(), folder).with_context(cannot)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        let mut program = Program::command();
        let name = program.get_name().to_owned();
        clap_complete::generate_to(shell, &mut program, name, folder).with_context(cannot)?;
    }
    Ok(ExitCode::SUCCESS)
}
