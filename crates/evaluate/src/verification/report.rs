//! Table and HTML report of a verification.

use super::{Detail, Verification};
use crate::all_pairs::Comparison;
use crate::metrics::{Histogram, OperatingPoint};
use crate::protocol::Pairs;
use crate::report::{
    Curves, Distribution, Failure, Failures, Histograms, Report, Table, Thumbnail,
    percent_with_interval, rate_in_percent,
};

/// Returns the table of TMR at FMR, and of the accuracy if there are folds.
pub fn table(results: &Verification) -> Table {
    let mut table = Table::new(["", "rate (95 % interval)", "threshold", "false matches"]);
    for (fmr, point) in results.tmr_at_fmr.iter().rev() {
        let OperatingPoint { rate, threshold, false_positives } = point;
        let mark = if point.is_reliable() { "" } else { ", few" };
        table.add_row([
            format!("TMR at FMR {}", rate_in_percent(fmr)),
            percent_with_interval(rate),
            format!("{threshold:.3}"),
            format!("{false_positives} of {}{mark}", results.non_mated),
        ]);
    }
    if let Some(a) = results.accuracy_10fold {
        let mean = format!("{:.2} % ± {:.2}", a.mean * 100.0, a.standard_deviation * 100.0);
        table.add_row([format!("accuracy, {} folds", a.folds), mean, String::new(), String::new()]);
    }
    table
}

/// Returns the HTML report. With `thumbnail`, it contains pictures of the failures.
pub fn report(
    results: &Verification,
    pairs: &Pairs,
    source: &str,
    thumbnail: Option<Thumbnail<'_>>,
) -> Report {
    let summary = format!(
        "{source}: {} pictures, {} without a face; {} mated and {} non-mated comparisons.",
        results.pictures, results.failures_to_detect, results.mated, results.non_mated
    );
    let mut report = Report::new("Verification", summary);
    report.add_section(
        "True match rate",
        "Share of mated comparisons that match (TMR) at the share of non-mated comparisons that \
         match (FMR). Intervals assume independent comparisons; comparisons that share a picture or \
         a person are not independent. \"Few\" marks thresholds that rest on fewer than ten false \
         matches.",
        &table(results),
    );
    report.add_section(
        "Detection error trade-off",
        "Rejected mated comparisons (FNMR) against accepted non-mated comparisons (FMR); lower is \
         better.",
        Curves::det_plot(&results.detail.det, "FNMR", "FMR"),
    );
    let Detail { mated, non_mated, failure_point, false_non_matches, false_matches, .. } =
        &results.detail;
    let distribution = |name: &str, histogram: &Histogram| Distribution {
        name: name.to_owned(),
        histogram: histogram.clone(),
    };
    report.add_section(
        "Scores",
        "Cosines of mated and non-mated comparisons; the dashed line is the threshold for the \
         failures.",
        Histograms {
            title: "Histograms of mated and non-mated scores".into(),
            x_name: "cosine".into(),
            distributions: vec![distribution("mated", mated), distribution("non-mated", non_mated)],
            threshold: failure_point.map(|(_, point)| f64::from(point.threshold)),
        },
    );
    if let (Some(thumbnail), Some((fmr, _))) = (thumbnail, failure_point) {
        let failures = |list: &[Comparison]| Failures(failures(list, pairs, thumbnail));
        let note = format!("Failures at FMR {}.", rate_in_percent(&fmr.to_string()));
        report.add_section("False non-matches", &note, failures(false_non_matches));
        report.add_section("False matches", &note, failures(false_matches));
    }
    report
}

/// Returns the thumbnails and captions of failed comparisons.
fn failures(list: &[Comparison], pairs: &Pairs, thumbnail: Thumbnail<'_>) -> Vec<Failure> {
    list.iter()
        .map(|comparison| {
            let paths = comparison.pictures.map(|index| &pairs.pictures[index]);
            let [a, b] = paths.map(|path| path.display());
            let score = if comparison.score.is_finite() {
                format!("{:.3}", comparison.score)
            } else {
                "no face".into()
            };
            Failure {
                pictures: paths.iter().filter_map(|path| thumbnail(path)).collect(),
                caption: format!("{score}: {a} and {b}"),
            }
        })
        .collect()
}
