//! `instored bench`: processing time of a camera frame on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use instored_evaluate::speed::{self, Speed};
use instored_imaging::{decode_picture, read_picture};
use instored_simulation::portraits;

use super::table::{left, right, table};
use crate::config::Config;
use crate::output::{print, print_json};

/// Arguments of the measurement.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Picture with a face [default: a picture of the demo]
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Embedder: the name of a shipped model or the path of a model manifest [default: as configured]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Customers in the gallery
    #[arg(long, value_name = "N", default_value_t = 1000)]
    customers: usize,
    /// Runs of each stage
    #[arg(long, value_name = "N", default_value_t = 100)]
    runs: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures, and prints the results.
pub(super) fn run(arguments: &Arguments, mut config: Config) -> anyhow::Result<ExitCode> {
    if let Some(model) = &arguments.model {
        config.vision.embedder.clone_from(model);
    }
    let picture = match &arguments.picture {
        Some(path) => read_picture(path)?,
        None => decode_picture(portraits::PERSON_A_1.bytes).map_err(anyhow::Error::msg)?,
    };
    let Arguments { customers, runs, .. } = *arguments;
    let speed = speed::measure(&config.vision, &picture, customers, runs)?;
    if arguments.json {
        print_json(&speed)?
    } else {
        print(text(&speed))?
    }
    Ok(ExitCode::SUCCESS)
}

/// Formats the results for a terminal.
fn text(speed: &Speed) -> String {
    let [width, height] = speed.picture;
    let [detect_width, detect_height] = speed.detector;
    let kernels = speed.processor.unwrap_or("tract");
    let milliseconds = |us: f64| format!("{:.3} ms", us / 1e3);
    let stages = speed.stages.iter().map(|stage| {
        [stage.name.to_owned(), milliseconds(stage.median_us), milliseconds(stage.p95_us)]
    });
    let stages = table([left("stage"), right("median"), right("95th percentile")], stages);
    let memory = speed
        .resident_bytes
        .map_or(String::new(), |bytes| format!("resident memory: {:.0} MB\n", bytes as f64 / 1e6));
    format!(
        "{}: picture of {width}x{height}, detector input {detect_width}x{detect_height}, \
         {} customers; kernels: {kernels}; CPU time of one thread\n{stages}{memory}",
        speed.model, speed.customers
    )
}
