//! Tables and HTML report of an identification.

use super::{CalibratedRates, Detail, Identification};
use crate::liveness::PAD_MODES;
use crate::metrics::Histogram;
use crate::protocol::Split;
use crate::report::{
    Curves, Distribution, Failures, Histograms, Report, Table, Thumbnail,
    optional_percent_with_interval, percent_with_interval, picture_failures, rate_in_percent,
};

/// Returns the table of FNIR at FPIR.
pub fn table(results: &Identification) -> Table {
    let mut table = Table::new(["", "FNIR (95 % interval)", "threshold", "false positives"]);
    for (fpir, point) in results.fnir_at_fpir.iter().rev() {
        let mark = if point.is_reliable() { "" } else { ", few" };
        table.add_row([
            format!("at FPIR {}", rate_in_percent(fpir)),
            percent_with_interval(&point.rate),
            format!("{:.3}", point.threshold),
            format!("{} of {}{mark}", point.false_positives, results.non_mated),
        ]);
    }
    table
}

/// Returns the table of rates at the thresholds of the calibration, or `None` without a calibration.
pub fn calibrated_table(results: &Identification) -> Option<Table> {
    let mut table =
        Table::new(["target FPIR, liveness", "threshold", "FPIR", "FNIR", "accepted attacks"]);
    for (target, by_mode) in results.calibrated.iter().rev() {
        let modes = PAD_MODES.iter().filter_map(|(name, _)| Some((name, by_mode.get(name)?)));
        for (mode, CalibratedRates { threshold, fnir, fpir, attacks_accepted }) in modes {
            table.add_row([
                format!("{}, {mode}", rate_in_percent(target)),
                format!("{threshold:.3}"),
                optional_percent_with_interval(*fpir),
                optional_percent_with_interval(*fnir),
                optional_percent_with_interval(*attacks_accepted),
            ]);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Returns the HTML report. With `thumbnail`, it contains pictures of the failures.
pub fn report(
    results: &Identification,
    split: &Split,
    source: &str,
    thumbnail: Option<Thumbnail<'_>>,
) -> Report {
    let summary = format!(
        "{source}: {} enrolled, {} trials; {} mated probes, {} non-mated probes, {} attacks; {} \
         pictures without a face.",
        results.gallery_size,
        results.trials,
        results.mated,
        results.non_mated,
        results.attacks,
        results.failures_to_detect
    );
    let mut report = Report::new("Open-set identification", summary);
    report.add_section(
        "False negative identification rate",
        "Share of mated probes that are rejected or misidentified (FNIR) at the share of non-mated \
         probes that are accepted (FPIR), with the threshold taken from these non-mated probes. \
         \"Few\" marks thresholds that rest on fewer than ten false positives.",
        &table(results),
    );
    if let Some(calibrated) = calibrated_table(results) {
        report.add_section(
            "Rates with calibrated thresholds",
            "Rates at the threshold that the box sets for this gallery by the calibration of the \
             model.",
            &calibrated,
        );
    }
    let Detail { det, mated, non_mated, failure_point, false_negatives, false_positives } =
        &results.detail;
    report.add_section(
        "Detection error trade-off",
        "Rejected or misidentified mated probes (FNIR) against accepted non-mated probes (FPIR); \
         lower is better.",
        Curves::det_plot(det, "FNIR", "FPIR"),
    );
    let distribution = |name: &str, histogram: &Histogram| Distribution {
        name: name.to_owned(),
        histogram: histogram.clone(),
    };
    report.add_section(
        "Scores",
        "Highest score of each probe in its gallery; the dashed line is the threshold for the \
         failures.",
        Histograms {
            title: "Histograms of the highest scores of mated and non-mated probes".into(),
            x_name: "score".into(),
            distributions: vec![distribution("mated", mated), distribution("non-mated", non_mated)],
            threshold: failure_point.map(|(_, point)| f64::from(point.threshold)),
        },
    );
    if let (Some(thumbnail), Some((fpir, _))) = (thumbnail, failure_point) {
        let note = format!("Failures at FPIR {}.", rate_in_percent(&fpir.to_string()));
        let failures =
            |indices: &[usize]| Failures(picture_failures(indices, &split.pictures, thumbnail));
        report.add_section("False negatives", &note, failures(false_negatives));
        report.add_section("False positives", &note, failures(false_positives));
    }
    report
}
