//! `instored evaluate identification`.

use std::path::PathBuf;

use anyhow::bail;
use instored_evaluate::Extractor;
use instored_evaluate::identification::{self, Extracted};
use instored_evaluate::protocol::Split;

use super::{PictureArguments, ReportArguments, text};
use crate::config::Config;
use crate::output::{print, print_json, print_line};

/// Arguments of the measurement.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pictures: PictureArguments,
    /// Enrolled people and probes, with the columns role (enrol, probe_known, probe_unknown,
    /// probe_spoof), person, image and, optionally, trial
    #[arg(long, value_name = "CSV")]
    split: PathBuf,
    /// Enrol only the first N people; the probes of all other people become unknown
    #[arg(long, value_name = "N")]
    enrolled: Option<usize>,
    /// Additional FPIR at which the FNIR is given, such as 0.02; may be repeated. The FNIR at 1 %,
    /// 0.3 %, 0.25 % and 0.1 % is always given
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    fpir: Vec<f64>,
    #[command(flatten)]
    report: ReportArguments,
}

/// Measures, and prints the results.
pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let Arguments { pictures: arguments, split: path, enrolled, fpir, report } = arguments;
    let config = arguments.apply(config);
    let mut split = Split::read(path)?;
    if let Some(people) = enrolled {
        split.reduce_galleries(*people);
    }
    let templates = arguments.extract(&split.pictures, &config, Extractor::template)?;
    let liveness = if split.has_attacks() {
        arguments.extract(&split.pictures, &config, Extractor::liveness)?
    } else {
        Vec::new()
    };
    let extractor = Extractor::load(&config.vision)?;
    let extracted = Extracted {
        templates: &templates,
        liveness: &liveness,
        liveness_threshold: extractor.liveness_threshold(),
    };
    let calibration = extractor.embedder().calibration();
    let results = identification::measure(&split, &extracted, fpir, calibration);
    report.write(&arguments.images, |thumbnail| {
        identification::report(&results, &split, &arguments.source(path, &config), thumbnail)
    })?;
    if arguments.json {
        return print_json(&results);
    }
    print(text(&identification::table(&results)))?;
    if let Some(calibrated) = identification::calibrated_table(&results) {
        print(format_args!("\n{}", text(&calibrated)))?;
    }
    print_line(format_args!("{} pictures without a face", results.failures_to_detect))
}

/// Parses a share between 0 and 1.
fn parse_share(text: &str) -> anyhow::Result<f64> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => bail!("the share must be between 0 and 1, such as 0.003 for 0.3 %"),
    }
}
