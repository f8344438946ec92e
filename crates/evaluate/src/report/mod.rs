//! HTML reports: one file that loads no other resource, runs no script, and follows the light or dark
//! colour scheme. All text is escaped.

mod axis;
mod bars;
mod curves;
mod histograms;
mod table;
#[cfg(test)]
mod tests;
mod thumbnails;

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use axis::Axis;
pub use bars::{BarChart, BarGroup};
pub use curves::{Curve, CurvePoint, Curves};
pub use histograms::{Distribution, Histograms};
pub use table::Table;
pub use thumbnails::{Failure, Failures, Thumbnail, picture_failures};

use super::EvaluateError;
use super::metrics::Proportion;

/// HTML report.
pub struct Report {
    title: String,
    summary: String,
    sections: Vec<Markup>,
}

impl Report {
    /// Returns a report with a title and a summary of the data.
    pub fn new(title: impl Into<String>, summary: impl Into<String>) -> Self {
        Self { title: title.into(), summary: summary.into(), sections: Vec::new() }
    }

    /// Adds a section with the explanation `note`, which is omitted if it is empty.
    pub fn add_section(&mut self, heading: &str, note: &str, content: impl Into<Markup>) {
        let content = content.into();
        self.sections.push(html! {
            section {
                h2 { (heading) }
                @if !note.is_empty() { p { (note) } }
                (content)
            }
        });
    }

    /// Returns the report as an HTML page.
    pub fn to_html(&self) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    style { (PreEscaped(include_str!("style.css"))) }
                }
                body {
                    main {
                        h1 { (self.title) }
                        p.summary { (self.summary) }
                        @for section in &self.sections { (section) }
                        footer { "instored " (env!("CARGO_PKG_VERSION")) }
                    }
                }
            }
        }
        .into_string()
    }

    /// Writes the HTML page to a file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), EvaluateError> {
        std::fs::write(path, self.to_html())
            .map_err(|source| EvaluateError::Write { path: path.to_owned(), source })
    }
}

/// Formats a proportion with its interval in per cent, such as `98.84 % (98.10 to 99.40)`.
pub fn percent_with_interval(proportion: &Proportion) -> String {
    let Proportion { value, low, high } = proportion;
    let digits = if *value != 0.0 && *value < 0.001 { 3 } else { 2 };
    format!("{:.digits$} % ({:.digits$} to {:.digits$})", value * 100.0, low * 100.0, high * 100.0)
}

/// Formats a proportion in the same way as [`percent_with_interval`], or `None` as `no trials`.
pub fn optional_percent_with_interval(proportion: Option<Proportion>) -> String {
    proportion.as_ref().map_or_else(|| "no trials".to_owned(), percent_with_interval)
}

/// Converts a rate in decimal notation, such as `0.001`, to per cent.
pub fn rate_in_percent(rate: &str) -> String {
    rate.parse::<f64>().map_or_else(|_| rate.to_owned(), axis::percent)
}
