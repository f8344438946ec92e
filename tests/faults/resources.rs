//! Memory, descriptors, threads and vault size of a running box, and their curves.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

const COLUMNS: &str = "seconds,memory_kb,descriptors,threads,vault_kb,visits";

/// Sizes of the drawing, in SVG units.
const PLOT_WIDTH: f64 = 700.0;
const PLOT_HEIGHT: f64 = 120.0;
const PLOT_LEFT: f64 = 20.0;
const PLOT_MARGIN: f64 = 24.0;
const STYLE: &str = "svg{background:#fff;font:12px sans-serif}rect{fill:none;stroke:#999}\
                     polyline{fill:none;stroke:#0060a0;stroke-width:1.5}";

/// State of the process at one time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub seconds: f64,
    /// Resident memory.
    pub memory_kb: u64,
    pub descriptors: u64,
    pub threads: u64,
    pub vault_kb: u64,
    /// Number of visits so far.
    pub visits: u64,
}

/// Samples since the start.
pub struct Resources {
    process: u32,
    vault: PathBuf,
    started: Instant,
    pub samples: Vec<Sample>,
}

/// A measured quantity: its name with the unit, and its value in a sample.
type Quantity = (&'static str, fn(&Sample) -> f64);

const QUANTITIES: [Quantity; 4] = [
    ("Resident memory in MB", |sample| sample.memory_kb as f64 / 1e3),
    ("Open descriptors", |sample| sample.descriptors as f64),
    ("Threads", |sample| sample.threads as f64),
    ("Size of the vault in MB", |sample| sample.vault_kb as f64 / 1e3),
];

impl Resources {
    pub fn new(process: u32, vault: PathBuf) -> Self {
        Self { process, vault, started: Instant::now(), samples: Vec::new() }
    }

    /// Adds a sample.
    pub fn sample(&mut self, visits: u64) -> Result<()> {
        let folder = PathBuf::from(format!("/proc/{}", self.process));
        let status = fs::read_to_string(folder.join("status"))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name)).context("a field")?;
            Ok(line.split_whitespace().nth(1).context("a value")?.parse()?)
        };
        self.samples.push(Sample {
            seconds: self.started.elapsed().as_secs_f64(),
            memory_kb: field("VmRSS:")?,
            descriptors: fs::read_dir(folder.join("fd"))?.count() as u64,
            threads: field("Threads:")?,
            vault_kb: fs::metadata(&self.vault)?.len() / 1000,
            visits,
        });
        Ok(())
    }

    /// Returns the samples of the second half.
    pub fn second_half(&self) -> &[Sample] {
        &self.samples[self.samples.len() / 2..]
    }

    /// Returns the growth of the memory in the second half, in kB per hour, as the slope of the
    /// regression line.
    pub fn memory_growth_per_hour(&self) -> f64 {
        let half = self.second_half();
        let mean = |value: fn(&Sample) -> f64| {
            half.iter().map(value).sum::<f64>() / half.len().max(1) as f64
        };
        let (time, memory) = (mean(|s| s.seconds), mean(|s| s.memory_kb as f64));
        let covariance: f64 =
            half.iter().map(|s| (s.seconds - time) * (s.memory_kb as f64 - memory)).sum();
        let variance: f64 = half.iter().map(|s| (s.seconds - time).powi(2)).sum();
        if variance > 0.0 { covariance / variance * 3600.0 } else { 0.0 }
    }

    /// Writes the samples as CSV, and a drawing with the curve of each quantity beside it.
    pub fn write(&self, csv: &Path) -> Result<()> {
        let mut text = format!("{COLUMNS}\n");
        for sample in &self.samples {
            let Sample { seconds, memory_kb, descriptors, threads, vault_kb, visits } = sample;
            writeln!(text, "{seconds:.1},{memory_kb},{descriptors},{threads},{vault_kb},{visits}")?;
        }
        fs::write(csv, text)?;
        Ok(fs::write(csv.with_extension("svg"), self.drawing())?)
    }

    /// Returns an SVG with one plot below the other.
    fn drawing(&self) -> String {
        let seconds = self.samples.last().map_or(1.0, |sample| sample.seconds.max(1.0));
        let plots: String = QUANTITIES
            .iter()
            .enumerate()
            .map(|(row, (name, value))| {
                let top = PLOT_MARGIN + row as f64 * (PLOT_HEIGHT + 2.0 * PLOT_MARGIN);
                let highest = 1.1 * self.samples.iter().map(value).fold(0.1, f64::max);
                let points: Vec<_> = self
                    .samples
                    .iter()
                    .map(|sample| {
                        let x = PLOT_LEFT + sample.seconds / seconds * PLOT_WIDTH;
                        let y = top + PLOT_HEIGHT * (1.0 - value(sample) / highest);
                        format!("{x:.1},{y:.1}")
                    })
                    .collect();
                let (bottom, middle) = (top + PLOT_HEIGHT, PLOT_LEFT + PLOT_WIDTH / 2.0);
                format!(
                    "<rect x='{PLOT_LEFT}' y='{top}' width='{PLOT_WIDTH}' height='{PLOT_HEIGHT}'/>\n\
                     <text x='{PLOT_LEFT}' y='{}'>{name}, 0 to {highest:.1}</text>\n\
                     <text x='{middle}' y='{}'>0 to {:.0} minutes</text>\n\
                     <polyline points='{}'/>\n",
                    top - 6.0,
                    bottom + 16.0,
                    seconds / 60.0,
                    points.join(" "),
                )
            })
            .collect();
        let height = QUANTITIES.len() as f64 * (PLOT_HEIGHT + 2.0 * PLOT_MARGIN);
        let width = PLOT_LEFT * 2.0 + PLOT_WIDTH;
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'>\n<style>{STYLE}</style>\n\
             {plots}</svg>\n"
        )
    }
}
