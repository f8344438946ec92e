//! `instored bench`: what a frame costs on this machine.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use instored_evaluate::speed::{self, Speed};
use instored_imaging::{decode_picture, read_picture};
use instored_simulation::portraits;

use super::print_json;
use crate::config::Config;

/// What to measure, and how to say it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A picture with a face [default: one of the demonstration's]
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Embedder: a shipped model's name or the path of a card [default: the configured one]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Customers in the gallery
    #[arg(long, value_name = "N", default_value_t = 1000)]
    customers: usize,
    /// Times that each stage is run
    #[arg(long, value_name = "N", default_value_t = 100)]
    runs: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

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
        print_json(&speed)?;
    } else {
        tell(&speed).context("the table could not be printed")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(speed: &Speed) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let [width, height] = speed.picture;
    let [detect_width, detect_height] = speed.detector;
    let kernels = speed.processor.unwrap_or("tract's");
    writeln!(
        out,
        "{} on a picture of {width}x{height}, faces looked for at {detect_width}x{detect_height}, \
         {} customers; kernels: {kernels}",
        speed.model, speed.customers
    )?;
    writeln!(out, "{:10} {:>12} {:>12}   CPU time, one thread", "", "median", "95 of 100")?;
    for stage in &speed.stages {
        let (median, p95) = (stage.median_us / 1e3, stage.p95_us / 1e3);
        writeln!(out, "{:10} {median:9.3} ms {p95:9.3} ms", stage.name)?;
    }
    if let Some(bytes) = speed.resident_bytes {
        writeln!(out, "{:.0} MB resident", bytes as f64 / 1e6)?;
    }
    Ok(())
}
