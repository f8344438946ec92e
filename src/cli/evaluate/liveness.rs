//! `instored evaluate liveness`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use instored_evaluate::protocol::Frames;
use instored_evaluate::{Extractor, liveness};

use super::{PictureArguments, ReportArguments, text};
use crate::config::Config;
use crate::output::{print, print_json, print_line};

/// Arguments of the measurement.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pictures: PictureArguments,
    /// Frames, with the columns image, live (1 or 0) and, optionally, person and session
    #[arg(long, value_name = "CSV")]
    list: PathBuf,
    /// Number of frames of one person and session that form a track; its result is their mean
    #[arg(long, value_name = "N", default_value = "1")]
    frames: NonZeroUsize,
    #[command(flatten)]
    report: ReportArguments,
}

/// Measures, and prints the results.
pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let Arguments { pictures: arguments, list: path, frames: track_length, report } = arguments;
    let config = arguments.apply(config);
    let frames = Frames::read(path)?;
    let probabilities = arguments.extract(&frames.pictures, &config, Extractor::liveness)?;
    let threshold = Extractor::load(&config.vision)?.liveness_threshold();
    let results = liveness::measure(&frames, &probabilities, threshold, track_length.get());
    report.write(&arguments.images, |thumbnail| {
        liveness::report(&results, &frames, &arguments.source(path, &config), thumbnail)
    })?;
    if arguments.json {
        return print_json(&results);
    }
    print(text(&liveness::table(&results)))?;
    print_line(format_args!("{} frames without a face", results.failures_to_detect))
}
