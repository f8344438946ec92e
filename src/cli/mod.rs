//! The command line: arguments and exit codes; one thin file a subcommand.
//!
//! Exit codes: 0 good, 1 it failed, 2 usage or configuration.

mod bench;
mod button;
mod catalogue;
mod customers;
mod demo;
mod display;
mod doctor;
mod evaluate;
mod files;
mod keys;
mod log;
mod manual;
mod office;
mod orders;
mod receipt;
mod run;
mod settings;
mod vault;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::config::{Config, ConfigError};

/// Greets shop customers who asked for it.
///
/// Customers opt in with a button; from then on the camera at the entrance recognises them, and
/// their past orders and recommendations appear on the display. Nothing is kept of anyone else.
#[derive(Parser)]
#[command(name = "instored", version, max_term_width = 100)]
struct Arguments {
    /// Configuration file [default: /etc/instored/instored.toml, when it is there]
    #[arg(long, global = true, value_name = "FILE", env = "INSTORED_CONFIG")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the box: camera, button, recognition, MQTT
    Run,
    /// Play the whole story without any hardware, with a page to watch it on
    Demo(demo::Arguments),
    /// Serve the page that people look at
    Display(Box<display::Arguments>),
    /// Check camera, button, broker, vault and models, and say what to mend
    Doctor(doctor::Arguments),
    /// Who is enrolled
    #[command(subcommand)]
    Customers(customers::Action),
    /// What they bought
    #[command(subcommand)]
    Orders(orders::Action),
    /// What the shop sells
    #[command(subcommand)]
    Catalogue(catalogue::Action),
    /// The vault: check it, back it up, bring it back
    #[command(subcommand)]
    Vault(vault::Action),
    /// How often is it right?
    #[command(subcommand)]
    Evaluate(evaluate::Action),
    /// What does a frame cost on this machine?
    Bench(bench::Arguments),
    /// The configuration
    #[command(subcommand)]
    Config(settings::Action),
    /// The box's keys
    #[command(subcommand)]
    Keys(keys::Action),
    /// Press the button of a running box with panel.driver = "simulated"
    ///
    /// To try a box without hardware, set camera.device = "scene:/path/to/portrait.jpg" and
    /// panel.driver = "simulated", start `instored run`, and enrol the visitor with `instored button
    /// press`. `instored button hold 6` withdraws while the visitor is greeted.
    #[command(subcommand)]
    Button(button::Action),
    /// Write the manual pages and the shells' completions, for a package
    #[command(hide = true)]
    Manual(manual::Arguments),
}

/// Where the package puts the configuration.
const DEFAULT_CONFIG: &str = "/etc/instored/instored.toml";

/// Runs the program.
pub fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    log::start();
    // A core would hold faces and keys. On a kernel that cannot be told so the unit's limit holds.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    match dispatch(config, command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("instored: {error:#}");
            ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
        }
    }
}

fn dispatch(path: Option<PathBuf>, command: Command) -> anyhow::Result<ExitCode> {
    let load = move || {
        let default = PathBuf::from(DEFAULT_CONFIG);
        Config::load(path.clone().or_else(|| default.exists().then_some(default)).as_deref())
    };
    match command {
        Command::Run => run::run(load),
        Command::Demo(arguments) => demo::run(&arguments, load()?),
        Command::Display(arguments) => display::run(&arguments, &load()?),
        Command::Doctor(arguments) => doctor::run(&arguments, &load()?),
        Command::Customers(action) => customers::run(action, &load()?),
        Command::Orders(action) => orders::run(action, &load()?),
        Command::Catalogue(action) => catalogue::run(action, &load()?),
        Command::Vault(action) => vault::run(action, &load()?),
        Command::Evaluate(action) => evaluate::run(&action, load()?),
        Command::Bench(arguments) => bench::run(&arguments, load()?),
        Command::Config(settings::Action::Example) => settings::example(),
        Command::Config(settings::Action::Asyncapi) => settings::asyncapi(),
        Command::Config(settings::Action::Show) => settings::show(&load()?),
        Command::Keys(action) => keys::run(&action, &load()?),
        Command::Button(action) => button::run(&action, &load()?),
        Command::Manual(arguments) => manual::run::<Arguments>(&arguments),
    }
}

/// Prints a line of JSON.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}
