//! A report for people: one HTML file that loads nothing, runs nothing and looks right by day and by
//! night. Text is escaped by the writer.

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

/// A page in the making.
pub struct Report {
    title: String,
    summary: String,
    sections: Vec<Markup>,
}

impl Report {
    /// A page with a title and, below it, a sentence that says what was measured on what.
    pub fn new(title: impl Into<String>, summary: impl Into<String>) -> Self {
        Self { title: title.into(), summary: summary.into(), sections: Vec::new() }
    }

    /// Adds a section: a heading, a sentence on how to read it, and what there is to see.
    pub fn section(&mut self, heading: &str, note: &str, content: impl Into<Markup>) {
        let content = content.into();
        self.sections.push(html! {
            section {
                h2 { (heading) }
                @if !note.is_empty() { p { (note) } }
                (content)
            }
        });
    }

    /// The page.
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

    /// Writes the page.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), EvaluateError> {
        std::fs::write(path, self.to_html())
            .map_err(|source| EvaluateError::Write { path: path.to_owned(), source })
    }
}

/// A share in per cent with its interval, such as `98.84 % (98.1 to 99.4)`.
pub fn percent(share: &Proportion) -> String {
    let Proportion { value, low, high } = share;
    let precise = |v: f64| if v != 0.0 && v < 0.001 { 3 } else { 2 };
    let digits = precise(*value);
    format!("{:.digits$} % ({:.digits$} to {:.digits$})", value * 100.0, low * 100.0, high * 100.0)
}

/// A rate as results print it, such as `0.001`, in per cent.
pub fn rate_name(rate: &str) -> String {
    rate.parse::<f64>().map_or_else(|_| rate.to_owned(), axis::share_name)
}
