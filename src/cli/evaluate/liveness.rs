//! `instored evaluate liveness`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use instored_evaluate::extract::Eyes;
use instored_evaluate::protocol::Frames;
use instored_evaluate::{Extract, liveness};

use super::{Looking, Telling};
use crate::cli::print_json;
use crate::config::Config;

/// Which frames to judge.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    looking: Looking,
    /// Frames, with the columns image, live (1 or 0) and, if you like, person and session
    #[arg(long, value_name = "CSV")]
    list: PathBuf,
    /// Judge tracks of so many frames of one person and session, each by the mean of its frames
    #[arg(long, value_name = "N", default_value = "1")]
    frames: NonZeroUsize,
    #[command(flatten)]
    telling: Telling,
}

pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let Arguments { looking, list: path, frames: length, telling } = arguments;
    let config = looking.configured(config);
    let frames = Frames::read(path)?;
    let seen = looking.look_at(&frames.pictures, &config, Extract::liveness)?;
    let live_from = Eyes::open(&config.vision)?.live_from();
    let measured = liveness::measure(&frames, &seen, live_from, length.get());
    telling.tell(&looking.images, |thumbnail| {
        liveness::report(&measured, &frames, &looking.source(path, &config), thumbnail)
    })?;
    if looking.json {
        return print_json(&measured);
    }
    print!("{}", liveness::table(&measured).to_text());
    println!("{} frames without a face", measured.failures_to_detect);
    Ok(())
}
