//! `instored evaluate`: how often is it right?

mod baskets;
mod calibrate;
mod identification;
mod liveness;
mod verification;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::Context;
use instored_evaluate::extract::{self, Eyes};
use instored_evaluate::report::{Report, Thumbnail};
use instored_evaluate::{EvaluateError, Progress, look_at_all};

use crate::config::Config;

/// What to measure.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Action {
    /// Are two pictures of one person? TMR at FMR, and accuracy where there are folds
    Verification(verification::Arguments),
    /// Who of those enrolled is it, if anyone? FNIR at FPIR
    Identification(identification::Arguments),
    /// Is the face live? APCER and BPCER
    Liveness(liveness::Arguments),
    /// What will a customer buy next? Recall, NDCG and PHR beside known methods
    Baskets(baskets::Arguments),
    /// Fit the thresholds that follow the gallery, for a model's card
    Calibrate(calibrate::Arguments),
}

pub(super) fn run(action: &Action, config: Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Verification(arguments) => verification::run(arguments, config)?,
        Action::Identification(arguments) => identification::run(arguments, config)?,
        Action::Liveness(arguments) => liveness::run(arguments, config)?,
        Action::Baskets(arguments) => baskets::run(arguments)?,
        Action::Calibrate(arguments) => calibrate::run(arguments, config)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the pictures are and how they are looked at.
#[derive(clap::Args)]
struct Looking {
    /// The folder that the pictures' names in the CSV are relative to
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Embedder: a shipped model's name or the path of a card [default: the configured one]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Threads that look at pictures, each with models of its own [default: one a processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A page with plots.
#[derive(clap::Args)]
struct Telling {
    /// Write a page with tables and plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Show the failures in the report: faces, which are for nobody's eyes but yours
    #[arg(long, requires = "report")]
    thumbnails: bool,
}

impl Looking {
    /// The configuration with what the arguments change.
    fn configured(&self, mut config: Config) -> Config {
        if let Some(model) = &self.model {
            config.vision.embedder.clone_from(model);
        }
        config
    }

    fn threads(&self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }

    /// What `look` says of each picture.
    fn look_at<T: Send>(
        &self,
        pictures: &[PathBuf],
        config: &Config,
        look: impl Fn(&mut Eyes, &Path) -> Result<T, EvaluateError> + Sync,
    ) -> anyhow::Result<Vec<T>> {
        let progress = Progress::new("looking at pictures", pictures.len());
        let paths: Vec<PathBuf> = pictures.iter().map(|p| self.images.join(p)).collect();
        let make = || Ok(Eyes::open(&config.vision)?);
        Ok(look_at_all(&paths, self.threads(), make, look, &progress)?)
    }

    /// What a report says that it is about.
    fn source(&self, protocol: &Path, config: &Config) -> String {
        let name = protocol.file_name().unwrap_or(protocol.as_os_str());
        format!("{} with {}", name.to_string_lossy(), config.vision.embedder)
    }
}

impl Telling {
    /// Writes the report that `make` makes, if one was asked for. `make` is given a way to make
    /// thumbnails of pictures in `images`, if those were.
    fn tell(
        &self,
        images: &Path,
        make: impl FnOnce(Option<Thumbnail<'_>>) -> Report,
    ) -> anyhow::Result<()> {
        let Some(file) = &self.report else { return Ok(()) };
        let thumbnail = |picture: &Path| extract::thumbnail(&images.join(picture));
        make(self.thumbnails.then_some(&thumbnail)).write(file).context("the report is not there")
    }
}
