//! `instored evaluate identification`.

use std::path::PathBuf;

use anyhow::bail;
use instored_evaluate::Extract;
use instored_evaluate::extract::Eyes;
use instored_evaluate::identification::{self, Seen};
use instored_evaluate::protocol::Split;

use super::{Looking, Telling};
use crate::cli::print_json;
use crate::config::Config;

/// Who is enrolled and who comes by.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    looking: Looking,
    /// Who is enrolled and who comes by, with the columns role (enrol, probe_known, probe_unknown,
    /// probe_spoof), person, image and, if you like, trial
    #[arg(long, value_name = "CSV")]
    split: PathBuf,
    /// Enrol only the first so many people; the others become strangers
    #[arg(long, value_name = "N")]
    enrolled: Option<usize>,
    /// Besides 1 %, 0.3 %, 0.25 % and 0.1 %, give the FNIR at this FPIR, such as 0.02; may be
    /// repeated
    #[arg(long, value_name = "SHARE", value_parser = share)]
    fpir: Vec<f64>,
    #[command(flatten)]
    telling: Telling,
}

pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let Arguments { looking, split: path, enrolled, fpir, telling } = arguments;
    let config = looking.configured(config);
    let mut split = Split::read(path)?;
    if let Some(people) = enrolled {
        split.shrink(*people);
    }
    let templates = looking.look_at(&split.pictures, &config, Extract::template)?;
    let liveness = if split.has_spoofs() {
        looking.look_at(&split.pictures, &config, Extract::liveness)?
    } else {
        Vec::new()
    };
    let eyes = Eyes::open(&config.vision)?;
    let seen = Seen { templates: &templates, liveness: &liveness, live_from: eyes.live_from() };
    let calibration = eyes.embedder().calibration();
    let measured = identification::measure(&split, &seen, fpir, calibration);
    telling.tell(&looking.images, |thumbnail| {
        identification::report(&measured, &split, &looking.source(path, &config), thumbnail)
    })?;
    if looking.json {
        return print_json(&measured);
    }
    print!("{}", identification::table(&measured).to_text());
    if let Some(calibrated) = identification::calibrated_table(&measured) {
        print!("\n{}", calibrated.to_text());
    }
    println!("{} pictures without a face", measured.failures_to_detect);
    Ok(())
}

fn share(text: &str) -> anyhow::Result<f64> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => bail!("a share lies between 0 and 1, such as 0.003 for 0.3 %"),
    }
}
