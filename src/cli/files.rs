//! Files that are taken in: read piece by piece under a progress bar, and handed on in batches.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use instored_orders::{Entries, Entry, Format, ImportError, RejectedLine};

/// What is handed on at once, far inside what the control socket takes.
const BATCH: usize = 1000;
/// In lines of the file, so that a few huge orders are no huge batch.
const BATCH_LINES: usize = 10_000;
/// Maximum number of rejected lines that a report in JSON lists; it counts them all.
const LISTED: usize = 10_000;

/// A part of a file: what was found, and with which lines.
pub(super) struct Batch<T> {
    pub(super) good: Vec<(T, Vec<u64>)>,
    pub(super) rejected: Vec<RejectedLine>,
    lines: usize,
}

/// Reads a file to its end, while a bar on the terminal says `doing` how far it is, and hands on
/// what is found. A file called `-` is JSON lines from standard input.
///
/// # Errors
/// When the file cannot be opened or read, or `act` fails.
pub(super) fn in_batches<T>(
    file: &Path,
    doing: &'static str,
    read: impl FnOnce(Box<dyn BufRead>, Format) -> Result<Entries<'static, T>, ImportError>,
    mut act: impl FnMut(Batch<T>, &ProgressBar) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name = || file.display().to_string();
    let (input, format, bar) = open(file)?;
    bar.set_message(doing);
    let mut batch = Batch::new();
    for found in read(input, format).with_context(name)? {
        match found.with_context(name)? {
            Entry::Accepted(value, lines) => {
                batch.lines += lines.len();
                batch.good.push((value, lines));
            }
            Entry::Rejected(rejected) => {
                batch.lines += 1;
                batch.rejected.push(rejected);
            }
        }
        if batch.good.len() >= BATCH || batch.lines >= BATCH_LINES {
            act(std::mem::replace(&mut batch, Batch::new()), &bar)?;
        }
    }
    act(batch, &bar)?;
    bar.finish_and_clear();
    Ok(())
}

/// Whether the file is a table that can be read twice.
pub(super) fn is_table(file: &Path) -> bool {
    Format::from_path(file) == Some(Format::Csv)
}

/// The file under a bar, which is drawn on a terminal only.
fn open(file: &Path) -> anyhow::Result<(Box<dyn BufRead>, Format, ProgressBar)> {
    if file == Path::new("-") {
        let input = BufReader::new(std::io::stdin());
        return Ok((Box::new(input), Format::JsonLines, ProgressBar::hidden()));
    }
    let format = Format::from_path(file).with_context(|| {
        format!("{}: the name has to end in .csv, .jsonl or .ndjson", file.display())
    })?;
    let cannot = || format!("cannot open {}", file.display());
    let input = File::open(file).with_context(cannot)?;
    let bar = ProgressBar::new(input.metadata().with_context(cannot)?.len());
    bar.set_style(ProgressStyle::with_template(
        "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes}, {eta} left",
    )?);
    Ok((Box::new(BufReader::with_capacity(1 << 16, bar.wrap_read(input))), format, bar))
}

impl<T> Batch<T> {
    fn new() -> Self {
        Self { good: Vec::new(), rejected: Vec::new(), lines: 0 }
    }
}

/// The lines of a file that were left out.
#[derive(Default)]
pub(super) struct LeftOut {
    /// How many.
    pub(super) count: u64,
    listed: Vec<RejectedLine>,
}

impl LeftOut {
    /// Says which lines were left out and why, on standard error unless they are for JSON.
    pub(super) fn add(&mut self, mut rejected: Vec<RejectedLine>, bar: &ProgressBar, json: bool) {
        rejected.sort_by_key(|r| r.line);
        self.count += rejected.len() as u64;
        if json {
            let room = LISTED.saturating_sub(self.listed.len());
            self.listed.extend(rejected.into_iter().take(room));
        } else if !rejected.is_empty() {
            bar.suspend(|| {
                for RejectedLine { line, reason } in &rejected {
                    eprintln!("line {line}: {reason}");
                }
            });
        }
    }

    /// The first of them, for a report in JSON.
    pub(super) fn as_json(&self) -> Vec<serde_json::Value> {
        let json = |r: &RejectedLine| serde_json::json!({ "line": r.line, "reason": r.reason });
        self.listed.iter().map(json).collect()
    }
}
