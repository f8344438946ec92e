//! Command line: arguments, and one module per subcommand.
//!
//! | Modules | Content |
//! |---|---|
//! | `run`, `demo`, `display` | long-running commands |
//! | `customers`, `orders`, `catalogue`, `keys`, `vault` | commands on the vault, through `vault_client` |
//! | `button`, `consent` | presses of the simulated button, consent texts and offers |
//! | `doctor`, `evaluate`, `bench` | checks and measurements |
//! | `config`, `manual` | generated configuration, documentation and completions |
//! | `setup` | accounts of the broker and token of the page |
//! | `broker_probe`, `exit`, `export_page`, `import`, `log`, `table` | functions for several commands |

mod bench;
mod broker_probe;
mod button;
mod catalogue;
mod config;
mod consent;
mod customers;
mod demo;
mod display;
mod doctor;
mod evaluate;
mod exit;
mod export_page;
mod import;
mod keys;
mod log;
mod manual;
mod memory;
mod orders;
mod run;
mod setup;
mod table;
mod vault;
mod vault_client;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::config::Config;
use crate::output::{error_text, print_error};

/// Recognises shop customers who opted in, and greets them with their past orders.
///
/// Customers opt in with a button at the entrance. From then on the camera recognises them, and
/// the display shows their past orders and recommendations. Nothing is stored about anyone else.
#[derive(Parser)]
#[command(name = "instored", version, max_term_width = 100, after_help = exit::HELP)]
struct Arguments {
    /// Configuration file [default: /etc/instored/instored.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "INSTORED_CONFIG")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

/// Subcommands, in the order of `--help`.
#[derive(Subcommand)]
enum Command {
    /// Run the box: recognise customers at the entrance and publish them over MQTT
    Run,
    /// Show the whole system without any hardware, with a web page to watch
    Demo(demo::Arguments),
    /// Serve the web page of the customer display
    Display(Box<display::Arguments>),
    /// Give each program an account at the broker and the page a token, or undo this
    ///
    /// Without it, the broker and the page trust every program on this machine. The command configures the
    /// broker mosquitto of this machine: accounts with passwords for box, displays, tills, office and Home
    /// Assistant, access rules, and TLS for other machines. It can be repeated: passwords and certificates
    /// remain, and more displays, tills or addresses are added. Run it with sudo.
    Setup(setup::Arguments),
    /// Check camera, button, broker, vault and models, and print what to fix
    Doctor(doctor::Arguments),
    /// Press the button of a running box with panel.driver = "simulated"
    ///
    /// To try a box without hardware, set camera.device = "scene:/path/to/portrait.jpg" and
    /// panel.driver = "simulated", start `instored run`, and enrol the visitor with `instored button
    /// press` twice: the first press offers, the second one agrees. `instored button hold 6` withdraws while the visitor is greeted.
    #[command(subcommand)]
    Button(button::Action),
    /// Print the consent text, or offer an enrolment
    #[command(subcommand)]
    Consent(consent::Action),
    /// List, show, rename, export or delete enrolled customers
    #[command(subcommand)]
    Customers(customers::Action),
    /// Import, add, void or list the orders of customers
    #[command(subcommand)]
    Orders(orders::Action),
    /// Import, remove or list the products of the shop
    #[command(subcommand)]
    Catalogue(catalogue::Action),
    /// Check, back up or restore the encrypted customer data, and show its audit log
    #[command(subcommand)]
    Vault(vault::Action),
    /// Measure the accuracy of recognition and recommendations on your own data
    #[command(subcommand)]
    Evaluate(evaluate::Action),
    /// Measure the processing time of a camera frame on this machine
    Bench(bench::Arguments),
    /// Show the configuration, and print examples and references
    #[command(subcommand)]
    Config(config::Action),
    /// Show or replace the cryptographic keys of the box
    #[command(subcommand)]
    Keys(keys::Action),
    /// Write the manual pages and shell completions for a package
    #[command(hide = true)]
    Manual(manual::Arguments),
}

/// Configuration file of the package.
const DEFAULT_CONFIG: &str = "/etc/instored/instored.toml";

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    log::start();
    // A core dump would contain faces and keys. If this call fails, the limit of the systemd unit
    // still prevents a dump.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    dispatch(config, command).unwrap_or_else(|error| {
        print_error(format_args!("instored: {}", error_text(&error)));
        exit::from_error(&error)
    })
}

/// Runs one subcommand.
fn dispatch(path: Option<PathBuf>, command: Command) -> anyhow::Result<ExitCode> {
    let load = move || {
        let default = PathBuf::from(DEFAULT_CONFIG);
        Config::load(path.clone().or_else(|| default.exists().then_some(default)).as_deref())
    };
    match command {
        Command::Run => run::run(load),
        Command::Demo(arguments) => demo::run(&arguments, load()?),
        Command::Display(arguments) => display::run(&arguments, &load()?),
        Command::Setup(arguments) => setup::run(&arguments, &load()?),
        Command::Doctor(arguments) => doctor::run(&arguments, &load()?),
        Command::Button(action) => button::run(&action, &load()?),
        Command::Consent(action) => consent::run(action, &load()?),
        Command::Customers(action) => customers::run(action, &load()?),
        Command::Orders(action) => orders::run(action, &load()?),
        Command::Catalogue(action) => catalogue::run(action, &load()?),
        Command::Vault(action) => vault::run(action, &load()?),
        Command::Evaluate(action) => evaluate::run(&action, load()?),
        Command::Bench(arguments) => bench::run(&arguments, load()?),
        Command::Config(action) => config::run(&action, load),
        Command::Keys(action) => keys::run(&action, &load()?),
        Command::Manual(arguments) => manual::run::<Arguments>(&arguments),
    }
}

/// Prints the errors of rejected vault records.
fn print_record_errors(errors: &[String]) {
    for error in errors {
        print_error(format_args!("instored: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_have_no_conflicts() {
        Arguments::command().debug_assert();
    }
}
