//! `instored evaluate verification`.

use std::path::PathBuf;

use instored_evaluate::protocol::Pairs;
use instored_evaluate::{Extractor, verification};

use super::{PictureArguments, ReportArguments, text};
use crate::config::Config;
use crate::output::{print, print_json, print_line};

/// Arguments of the measurement.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pictures: PictureArguments,
    /// Pairs of pictures, with the columns image_a, image_b, same (1 or 0) and, optionally, fold
    #[arg(long, value_name = "CSV")]
    pairs: PathBuf,
    /// Compare all pictures of different people instead of the pairs with same = 0; each person's
    /// pictures must be in a separate folder
    #[arg(long)]
    cross: bool,
    #[command(flatten)]
    report: ReportArguments,
}

/// Measures, and prints the results.
pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let Arguments { pictures: arguments, pairs: path, cross, report } = arguments;
    let config = arguments.apply(config);
    let pairs = Pairs::read(path)?;
    let templates = arguments.extract(&pairs.pictures, &config, Extractor::template)?;
    let results = verification::measure(&pairs, &templates, *cross, arguments.threads())?;
    report.write(&arguments.images, |thumbnail| {
        verification::report(&results, &pairs, &arguments.source(path, &config), thumbnail)
    })?;
    if arguments.json {
        return print_json(&results);
    }
    print(text(&verification::table(&results)))?;
    let (failures, pictures) = (results.failures_to_detect, results.pictures);
    print_line(format_args!("{failures} of {pictures} pictures without a face"))
}
