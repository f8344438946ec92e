//! Import of files: reads entries in batches, shows a progress bar, and collects the rejected lines.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use instored_orders::{Entries, Entry, Format, ImportError, RejectedLine};

use crate::output::print_error;

/// Maximum number of entries in a batch, far below the size limit of the admin socket.
const BATCH_ENTRIES_MAX: usize = 1000;
/// Maximum number of lines in a batch, for files with many lines per order.
const BATCH_LINES_MAX: usize = 10_000;
/// Maximum number of rejected lines that a JSON report lists. Its count includes all rejected lines.
const LISTED_REJECTIONS_MAX: usize = 10_000;
/// Size of the read buffer in bytes.
const READ_BUFFER_BYTES: usize = 1 << 16;

/// Batch of entries of a file.
pub(super) struct Batch<T> {
    /// Accepted entries, each with the numbers of its lines.
    pub(super) accepted: Vec<(T, Vec<u64>)>,
    /// Rejected lines.
    pub(super) rejected: Vec<RejectedLine>,
    /// Number of lines read.
    lines: usize,
}

impl<T> Batch<T> {
    /// Returns an empty batch.
    fn new() -> Self {
        Self { accepted: Vec::new(), rejected: Vec::new(), lines: 0 }
    }

    /// Adds an entry or a rejected line.
    fn push(&mut self, entry: Entry<T>) {
        match entry {
            Entry::Accepted(value, lines) => {
                self.lines += lines.len();
                self.accepted.push((value, lines));
            }
            Entry::Rejected(rejected) => {
                self.lines += 1;
                self.rejected.push(rejected);
            }
        }
    }

    /// Returns true if the batch has reached its maximum size.
    fn is_full(&self) -> bool {
        self.accepted.len() >= BATCH_ENTRIES_MAX || self.lines >= BATCH_LINES_MAX
    }
}

/// Reads a file to its end, and calls `process` for each batch. A progress bar on the terminal shows
/// `label`. The file name `-` stands for JSON lines from standard input.
///
/// # Errors
/// Returns an error if the file cannot be opened or read, or if `process` returns an error.
pub(super) fn read_in_batches<T>(
    file: &Path,
    label: &'static str,
    read: impl FnOnce(Box<dyn BufRead>, Format) -> Result<Entries<'static, T>, ImportError>,
    mut process: impl FnMut(Batch<T>, &ProgressBar) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name = || file.display().to_string();
    let (input, format, bar) = open(file)?;
    bar.set_message(label);
    let mut batch = Batch::new();
    for entry in read(input, format).with_context(name)? {
        batch.push(entry.with_context(name)?);
        if batch.is_full() {
            process(std::mem::replace(&mut batch, Batch::new()), &bar)?;
        }
    }
    process(batch, &bar)?;
    bar.finish_and_clear();
    Ok(())
}

/// Returns true if the file is a CSV file. It can be read twice, because standard input is JSON lines.
pub(super) fn is_csv(file: &Path) -> bool {
    Format::from_path(file) == Some(Format::Csv)
}

/// Opens the file, and creates a progress bar, which only appears on a terminal.
fn open(file: &Path) -> anyhow::Result<(Box<dyn BufRead>, Format, ProgressBar)> {
    if file == Path::new("-") {
        let input = BufReader::new(std::io::stdin());
        return Ok((Box::new(input), Format::JsonLines, ProgressBar::hidden()));
    }
    let format = Format::from_path(file).with_context(|| {
        format!("{}: the file name must end in .csv, .jsonl or .ndjson", file.display())
    })?;
    let cannot_open = || format!("cannot open {}", file.display());
    let input = File::open(file).with_context(cannot_open)?;
    let bar = ProgressBar::new(input.metadata().with_context(cannot_open)?.len());
    bar.set_style(ProgressStyle::with_template(
        "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes}, {eta} left",
    )?);
    Ok((Box::new(BufReader::with_capacity(READ_BUFFER_BYTES, bar.wrap_read(input))), format, bar))
}

/// Rejected lines of an import.
#[derive(Default)]
pub(super) struct RejectedLines {
    /// Number of all rejected lines.
    pub(super) count: u64,
    /// First rejected lines, for the JSON report.
    listed: Vec<RejectedLine>,
}

impl RejectedLines {
    /// Adds lines. Without `json` they are printed to standard error with their reasons.
    pub(super) fn add(&mut self, mut rejected: Vec<RejectedLine>, bar: &ProgressBar, json: bool) {
        rejected.sort_by_key(|rejected| rejected.line);
        self.count += rejected.len() as u64;
        if json {
            let remaining = LISTED_REJECTIONS_MAX.saturating_sub(self.listed.len());
            self.listed.extend(rejected.into_iter().take(remaining));
        } else if !rejected.is_empty() {
            bar.suspend(|| {
                for RejectedLine { line, reason } in &rejected {
                    print_error(format_args!("line {line}: {reason}"));
                }
            });
        }
    }

    /// Returns the listed lines for a JSON report.
    pub(super) fn to_json(&self) -> Vec<serde_json::Value> {
        let json = |rejected: &RejectedLine| {
            let RejectedLine { line, reason } = rejected;
            serde_json::json!({ "line": line, "reason": reason })
        };
        self.listed.iter().map(json).collect()
    }
}
