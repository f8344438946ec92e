//! `instored evaluate`: accuracy of recognition and recommendations on the operator's own data.

mod baskets;
mod calibrate;
mod identification;
mod liveness;
mod passers_by;
mod verification;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::Context;
use instored_evaluate::report::{Report, Table, Thumbnail};
use instored_evaluate::{EvaluateError, Extractor, Progress, map_pictures, thumbnail};

use super::table::{left, right, table};
use crate::config::Config;

/// Measurements.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Action {
    /// Measure whether two pictures show the same person: TMR at FMR, and accuracy over folds
    Verification(verification::Arguments),
    /// Measure whether enrolled people are identified and unknown people are rejected: FNIR at FPIR
    Identification(identification::Arguments),
    /// Measure whether photographs held to the camera are detected: APCER and BPCER
    Liveness(liveness::Arguments),
    /// Measure how many people who walk past are compared with customers
    PassersBy(passers_by::Arguments),
    /// Measure whether the next purchase is predicted: Recall, NDCG and PHR, with known methods
    Baskets(baskets::Arguments),
    /// Fit the threshold to the number of customers, for a model manifest
    Calibrate(calibrate::Arguments),
}

/// Runs `instored evaluate`.
pub(super) fn run(action: &Action, config: Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Verification(arguments) => verification::run(arguments, config)?,
        Action::Identification(arguments) => identification::run(arguments, config)?,
        Action::Liveness(arguments) => liveness::run(arguments, config)?,
        Action::PassersBy(arguments) => passers_by::run(arguments, config)?,
        Action::Baskets(arguments) => baskets::run(arguments)?,
        Action::Calibrate(arguments) => calibrate::run(arguments, config)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Arguments of measurements on pictures.
#[derive(clap::Args)]
struct PictureArguments {
    /// Folder of the pictures; file names in the CSV are relative to it
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Embedder: the name of a shipped model or the path of a model manifest [default: as configured]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Threads, each with its own copy of the models [default: one per processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of the HTML report.
#[derive(clap::Args)]
struct ReportArguments {
    /// Write an HTML page with tables and plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Include pictures of the failures in the report; it then contains faces and must stay private
    #[arg(long, requires = "report")]
    thumbnails: bool,
}

impl PictureArguments {
    /// Returns the configuration with the embedder of the arguments.
    fn apply(&self, mut config: Config) -> Config {
        if let Some(model) = &self.model {
            config.vision.embedder.clone_from(model);
        }
        config
    }

    /// Returns the number of threads.
    fn threads(&self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }

    /// Extracts one value per picture, in the order of `pictures`.
    fn extract<T: Send>(
        &self,
        pictures: &[PathBuf],
        config: &Config,
        extract: impl Fn(&mut Extractor, &Path) -> Result<T, EvaluateError> + Sync,
    ) -> anyhow::Result<Vec<T>> {
        let progress = Progress::new("processing pictures", pictures.len());
        let paths: Vec<PathBuf> =
            pictures.iter().map(|picture| self.images.join(picture)).collect();
        let load = || Ok(Extractor::load(&config.vision)?);
        Ok(map_pictures(&paths, self.threads(), load, extract, &progress)?)
    }

    /// Returns the description of the data and the model for a report.
    fn source(&self, protocol: &Path, config: &Config) -> String {
        let name = protocol.file_name().unwrap_or(protocol.as_os_str());
        format!("{} with {}", name.to_string_lossy(), config.vision.embedder)
    }
}

impl ReportArguments {
    /// Writes the report of `create` if the arguments request a report. `create` receives a function
    /// that reads thumbnails of pictures in `images`, if the arguments request thumbnails.
    fn write(
        &self,
        images: &Path,
        create: impl FnOnce(Option<Thumbnail<'_>>) -> Report,
    ) -> anyhow::Result<()> {
        let Some(file) = &self.report else { return Ok(()) };
        let thumbnail = |picture: &Path| thumbnail(&images.join(picture));
        create(self.thumbnails.then_some(&thumbnail)).write(file).context("cannot write the report")
    }
}

/// Formats a table of results for a terminal.
fn text(results: &Table) -> String {
    let (first, figures) = results.header.split_at(1);
    let columns = first.iter().map(|name| left(name)).chain(figures.iter().map(|name| right(name)));
    table(columns, results.rows.iter().cloned())
}
