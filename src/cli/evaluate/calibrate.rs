//! `instored evaluate calibrate`.

use std::path::PathBuf;

use anyhow::Context;
use instored_evaluate::Extract;
use instored_evaluate::calibration::{self, Person};
use instored_evaluate::protocol::People;
use instored_vision::Calibration;
use serde::Serialize;

use super::Looking;
use crate::cli::print_json;
use crate::config::Config;

/// Which pictures to learn from.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    looking: Looking,
    /// Pictures of people, with the columns person and image: two pictures at the least of a hundred
    /// people at the least, the more the better
    #[arg(long, value_name = "CSV")]
    people: PathBuf,
}

/// As a card has it.
#[derive(Serialize)]
struct Section<'a> {
    calibration: &'a Calibration,
}

pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let Arguments { looking, people: path } = arguments;
    let config = looking.configured(config);
    let People { pictures, people } = People::read(path)?;
    let templates = looking.look_at(&pictures, &config, Extract::template)?;
    let people: Vec<Person> = people
        .iter()
        .map(|places| places.iter().filter_map(|place| templates[*place].clone()).collect())
        .collect();
    let calibrated = calibration::calibrate(&people, looking.threads())?;
    if looking.json {
        return print_json(&calibrated);
    }
    let section = Section { calibration: &calibrated.calibration };
    print!("{}", toml::to_string(&section).context("the calibration is no TOML")?);
    // Apart from the section, so that that can go into a file as it is.
    eprintln!("\nFitted to one half of the people and tried on the other, both ways:");
    eprint!("{}", calibration::table(&calibrated).to_text());
    Ok(())
}
