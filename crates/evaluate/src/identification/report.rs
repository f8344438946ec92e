//! How an identification is told to people.

use super::{Decided, Detail, Identification};
use crate::liveness::GATES;
use crate::metrics::{Histogram, Proportion};
use crate::protocol::Split;
use crate::report::{
    Curves, Distribution, Failures, Histograms, Report, Table, Thumbnail, percent,
    picture_failures, rate_name,
};

/// FNIR at FPIR.
pub fn table(i: &Identification) -> Table {
    let mut table = Table::new(["", "FNIR (95 % interval)", "threshold", "strangers greeted"]);
    for (rate, point) in i.fnir_at_fpir.iter().rev() {
        let few = if point.is_steady() { "" } else { ", few" };
        table.row([
            format!("at FPIR {}", rate_name(rate)),
            percent(&point.share),
            format!("{:.3}", point.threshold),
            format!("{} of {}{few}", point.impostors_accepted, i.strangers),
        ]);
    }
    table
}

/// What happens at thresholds that are set by the calibration; `None` without one.
pub fn calibrated_table(i: &Identification) -> Option<Table> {
    let mut table =
        Table::new(["FPIR set, liveness", "threshold", "FPIR", "FNIR", "spoofs greeted"]);
    let share = |s: &Option<Proportion>| s.as_ref().map_or_else(|| "none tried".into(), percent);
    for (rate, by_gate) in i.calibrated.iter().rev() {
        let gates = GATES.iter().filter_map(|(name, _)| Some((name, by_gate.get(name)?)));
        for (gate, Decided { threshold, fnir, fpir, spoofs_greeted }) in gates {
            table.row([
                format!("{}, {gate}", rate_name(rate)),
                format!("{threshold:.3}"),
                share(fpir),
                share(fnir),
                share(spoofs_greeted),
            ]);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// The page. With `thumbnail`, the failures are shown.
pub fn report(
    i: &Identification,
    split: &Split,
    source: &str,
    thumbnail: Option<Thumbnail<'_>>,
) -> Report {
    let summary = format!(
        "{source}: {} enrolled, trials: {}; {} known probes, {} strangers, {} attacks; {} pictures \
         without a face.",
        i.gallery, i.trials, i.known, i.strangers, i.spoofs, i.failures_to_detect
    );
    let mut report = Report::new("Open-set identification", summary);
    report.section(
        "Missed customers",
        "Share of known probes that are not named rightly (FNIR) where a share of the strangers is \
         greeted (FPIR), with the threshold taken from these strangers. \"Few\" marks thresholds \
         that rest on fewer than ten of them.",
        &table(i),
    );
    if let Some(calibrated) = calibrated_table(i) {
        report.section(
            "As the box would set it",
            "With the threshold that the model's calibration gives for this gallery.",
            &calibrated,
        );
    }
    let Detail { det, known, strangers, failing, missed, greeted } = &i.detail;
    report.section(
        "Detection error trade-off",
        "Known probes missed against strangers greeted; lower is better.",
        Curves::trade_off(det, "FNIR", "FPIR"),
    );
    let distribution = |name: &str, histogram: &Histogram| Distribution {
        name: name.to_owned(),
        histogram: histogram.clone(),
    };
    report.section(
        "Scores",
        "Each probe's highest score in its gallery; the dashed line is the threshold by which \
         failures are told.",
        Histograms {
            title: "Histograms of the highest scores of known probes and strangers".into(),
            x_name: "score".into(),
            distributions: vec![distribution("known", known), distribution("strangers", strangers)],
            threshold: failing.map(|(_, point)| f64::from(point.threshold)),
        },
    );
    if let (Some(thumbnail), Some((rate, _))) = (thumbnail, failing) {
        let at = format!("At FPIR {}.", rate_name(&rate.to_string()));
        let shown =
            |places: &[usize]| Failures(picture_failures(places, &split.pictures, thumbnail));
        report.section("Customers who were missed", &at, shown(missed));
        report.section("Strangers who were greeted", &at, shown(greeted));
    }
    report
}
