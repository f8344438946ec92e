//! `instored evaluate passers-by`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;
use instored_evaluate::passers_by::{self, Person, View};
use instored_evaluate::{EvaluateError, Extractor};
use instored_recognition::Recogniser;

use super::{PictureArguments, text};
use crate::config::Config;
use crate::output::{print, print_json};

/// Number of people of each view.
const PEOPLE_MAX: usize = 200;

/// Arguments of the measurement.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pictures: PictureArguments,
    /// Frames with a person in view, for each row of the results
    #[arg(long, value_name = "N", default_value = "1000")]
    frames: NonZeroUsize,
    /// Seed of the selection of pictures
    #[arg(long, value_name = "N", default_value = "17")]
    seed: u64,
}

/// Measures, and prints the results.
pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let Arguments { pictures: arguments, frames, seed } = arguments;
    let config = arguments.apply(config);
    let mut paths = pictures(&arguments.images).context("cannot list the pictures")?;
    paths.sort();
    fastrand::Rng::with_seed(*seed).shuffle(&mut paths);
    let (customer, others) = paths.split_first().context("--images contains no picture")?;
    let customer = Extractor::load(&config.vision)?
        .template(customer)?
        .with_context(|| format!("{} shows no face; choose another --seed", customer.display()))?;
    let found = arguments.extract(others, &config, |extractor, path| {
        let (picture, faces) = extractor.detect(path)?;
        Ok(Person::new(picture, &faces))
    })?;
    let mut counts = [0; 2];
    let people: Vec<_> = found
        .into_iter()
        .flatten()
        .filter(|person| {
            let count = &mut counts[usize::from(person.view == View::Profile)];
            *count += 1;
            *count <= PEOPLE_MAX
        })
        .collect();
    let recogniser =
        || Recogniser::new(&config.vision, &config.recognition).map_err(EvaluateError::from);
    let rows = passers_by::measure(&people, &customer, frames.get(), recogniser)?;
    if arguments.json { print_json(&rows) } else { print(text(&passers_by::table(&rows))) }
}

/// Returns the JPEG and PNG files below a folder.
fn pictures(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            found.extend(pictures(&path)?);
        } else if extension.is_some_and(|e| ["jpg", "jpeg", "png"].contains(&e)) {
            found.push(path);
        }
    }
    Ok(found)
}
