//! Table and HTML report of a liveness measurement.

use super::{Detail, Liveness, PAD_MODES};
use crate::protocol::Frames;
use crate::report::{
    Curves, Distribution, Failures, Histograms, Report, Table, Thumbnail,
    optional_percent_with_interval, picture_failures,
};

/// Returns the table of APCER and BPCER by mode.
pub fn table(l: &Liveness) -> Table {
    let mut table = Table::new(["liveness", "APCER (95 % interval)", "BPCER (95 % interval)"]);
    for (name, _) in PAD_MODES {
        let [apcer, bpcer] = [l.apcer[name], l.bpcer[name]].map(optional_percent_with_interval);
        table.row([name.to_owned(), apcer, bpcer]);
    }
    table
}

/// Returns the HTML report. With `thumbnail`, it contains pictures of the failures.
pub fn report(
    l: &Liveness,
    frames: &Frames,
    source: &str,
    thumbnail: Option<Thumbnail<'_>>,
) -> Report {
    let summary = format!(
        "{source}: {} bona fide and {} attack presentations of {} frames each; {} frames without a \
         face; threshold {}.",
        l.bona_fide, l.attacks, l.frames_per_presentation, l.failures_to_detect, l.threshold
    );
    let mut report = Report::new("Liveness", summary);
    report.section(
        "Error rates",
        "Share of accepted attacks (APCER) and of rejected live faces (BPCER). The rates are valid \
         for the attack type of the list, and not for others.",
        &table(l),
    );
    let Detail { det, bona_fide, attacks, rejected_bona_fide, accepted_attacks } = &l.detail;
    report.section(
        "Detection error trade-off",
        "Rejected live faces (BPCER) against accepted attacks (APCER) by threshold; lower is better.",
        Curves::det_plot(det, "BPCER", "APCER"),
    );
    report.section(
        "Probabilities",
        "Probability that the face is live; the dashed line is the threshold.",
        Histograms {
            title: "Histograms of the probabilities of live faces and attacks".into(),
            x_name: "probability".into(),
            distributions: vec![
                Distribution { name: "live".into(), histogram: bona_fide.clone() },
                Distribution { name: "attacks".into(), histogram: attacks.clone() },
            ],
            threshold: Some(f64::from(l.threshold)),
        },
    );
    if let Some(thumbnail) = thumbnail {
        let failures =
            |indices: &[usize]| Failures(picture_failures(indices, &frames.pictures, thumbnail));
        report.section("Rejected live faces", "", failures(rejected_bona_fide));
        report.section("Accepted attacks", "", failures(accepted_attacks));
    }
    report
}
