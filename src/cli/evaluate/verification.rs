//! `instored evaluate verification`.

use std::path::PathBuf;

use instored_evaluate::protocol::Pairs;
use instored_evaluate::{Extract, verification};

use super::{Looking, Telling};
use crate::cli::print_json;
use crate::config::Config;

/// Which pictures to compare.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    looking: Looking,
    /// Pairs of pictures, with the columns image_a, image_b, same (1 or 0) and, if you like, fold
    #[arg(long, value_name = "CSV")]
    pairs: PathBuf,
    /// Take all pairs of these pictures that show different people as the impostors; a person is the
    /// folder that a picture lies in
    #[arg(long)]
    cross: bool,
    #[command(flatten)]
    telling: Telling,
}

pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let Arguments { looking, pairs: path, cross, telling } = arguments;
    let config = looking.configured(config);
    let pairs = Pairs::read(path)?;
    let templates = looking.look_at(&pairs.pictures, &config, Extract::template)?;
    let measured = verification::measure(&pairs, &templates, *cross, looking.threads())?;
    telling.tell(&looking.images, |thumbnail| {
        verification::report(&measured, &pairs, &looking.source(path, &config), thumbnail)
    })?;
    if looking.json {
        return print_json(&measured);
    }
    print!("{}", verification::table(&measured).to_text());
    println!("{} of {} pictures without a face", measured.failures_to_detect, measured.pictures);
    Ok(())
}
