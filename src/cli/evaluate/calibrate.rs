//! `instored evaluate calibrate`.

use std::path::PathBuf;

use anyhow::Context;
use instored_evaluate::Extractor;
use instored_evaluate::calibration::{self, Person};
use instored_evaluate::protocol::People;
use instored_vision::Calibration;
use serde::Serialize;

use super::{PictureArguments, text};
use crate::config::Config;
use crate::output::{print, print_error, print_json};

/// Arguments of the calibration.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pictures: PictureArguments,
    /// Pictures of people, with the columns person and image: at least 100 people with at least two
    /// pictures each; more people give a better calibration
    #[arg(long, value_name = "CSV")]
    people: PathBuf,
}

/// Section of a model manifest.
#[derive(Serialize)]
struct Section<'a> {
    calibration: &'a Calibration,
}

/// Calibrates, and prints the section on standard output and the checks on standard error, so that
/// the section can be redirected to a file.
pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let Arguments { pictures: arguments, people: path } = arguments;
    let config = arguments.apply(config);
    let People { pictures, people } = People::read(path)?;
    let templates = arguments.extract(&pictures, &config, Extractor::template)?;
    let people: Vec<Person> = people
        .iter()
        .map(|pictures| pictures.iter().filter_map(|index| templates[*index].clone()).collect())
        .collect();
    let calibrated = calibration::calibrate(&people, arguments.threads())?;
    if arguments.json {
        return print_json(&calibrated);
    }
    let section = Section { calibration: &calibrated.calibration };
    print(toml::to_string(&section).context("the calibration has no TOML form")?)?;
    print_error(
        "\nFitted to one half of the people and checked on the other half, in both directions:",
    );
    print_error(text(&calibration::table(&calibrated)));
    Ok(())
}
