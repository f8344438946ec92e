//! Table and HTML report of a liveness measurement.

use super::{Detail, Liveness, PAD_MODES};
use crate::protocol::Frames;
use crate::report::{
    Curves, Distribution, Failures, Histograms, Report, Table, Thumbnail,
    optional_percent_with_interval, picture_failures,
};

/// Returns the table of APCER and BPCER by mode.
pub fn table(results: &Liveness) -> Table {
    let mut table = Table::new(["liveness", "APCER (95 % interval)", "BPCER (95 % interval)"]);
    for (name, _) in PAD_MODES {
        let [apcer, bpcer] =
            [results.apcer[name], results.bpcer[name]].map(optional_percent_with_interval);
        table.add_row([name.to_owned(), apcer, bpcer]);
    }
    table
}

/// Returns the HTML report. With `thumbnail`, it contains pictures of the failures.
pub fn report(
    results: &Liveness,
    frames: &Frames,
    source: &str,
    thumbnail: Option<Thumbnail<'_>>,
) -> Report {
    let summary = format!(
        "{source}: {} bona fide and {} attack presentations of {} frames each; {} frames without a \
         face; threshold {}.",
        results.bona_fide,
        results.attacks,
        results.frames_per_presentation,
        results.failures_to_detect,
        results.threshold
    );
    let mut report = Report::new("Liveness", summary);
    report.add_section(
        "Error rates",
        "Share of accepted attacks (APCER) and of rejected live faces (BPCER). The rates are valid \
         only for the type of attack in the list.",
        &table(results),
    );
    let Detail { det, bona_fide, attacks, rejected_bona_fide, accepted_attacks } = &results.detail;
    report.add_section(
        "Detection error trade-off",
        "Rejected live faces (BPCER) against accepted attacks (APCER) by threshold; lower is better.",
        Curves::det_plot(det, "BPCER", "APCER"),
    );
    report.add_section(
        "Probabilities",
        "Probability that the face is live; the dashed line is the threshold.",
        Histograms {
            title: "Histograms of the probabilities of live faces and attacks".into(),
            x_name: "probability".into(),
            distributions: vec![
                Distribution { name: "live".into(), histogram: bona_fide.clone() },
                Distribution { name: "attacks".into(), histogram: attacks.clone() },
            ],
            threshold: Some(f64::from(results.threshold)),
        },
    );
    if let Some(thumbnail) = thumbnail {
        let failures =
            |indices: &[usize]| Failures(picture_failures(indices, &frames.pictures, thumbnail));
        report.add_section("Rejected live faces", "", failures(rejected_bona_fide));
        report.add_section("Accepted attacks", "", failures(accepted_attacks));
    }
    report
}
