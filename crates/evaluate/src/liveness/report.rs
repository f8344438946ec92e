//! How a measurement of liveness is told to people.

use super::{Detail, GATES, Liveness};
use crate::metrics::Proportion;
use crate::protocol::Frames;
use crate::report::{
    Curves, Distribution, Failures, Histograms, Report, Table, Thumbnail, percent, picture_failures,
};

/// APCER and BPCER by gate.
pub fn table(l: &Liveness) -> Table {
    let mut table = Table::new(["liveness", "APCER (95 % interval)", "BPCER (95 % interval)"]);
    let share = |s: Option<Proportion>| s.as_ref().map_or_else(|| "none tried".into(), percent);
    for (name, _) in GATES {
        table.row([name.to_owned(), share(l.apcer[name]), share(l.bpcer[name])]);
    }
    table
}

/// The page. With `thumbnail`, the failures are shown.
pub fn report(
    l: &Liveness,
    frames: &Frames,
    source: &str,
    thumbnail: Option<Thumbnail<'_>>,
) -> Report {
    let what =
        if l.frames == 1 { "frames".into() } else { format!("tracks of {} frames", l.frames) };
    let summary = format!(
        "{source}: {} {what} of live faces and {} of attacks; {} frames without a face; threshold {}.",
        l.bona_fide, l.attacks, l.failures_to_detect, l.threshold
    );
    let mut report = Report::new("Liveness", summary);
    report.section(
        "Errors",
        "Share of attacks that pass (APCER) and of live faces that do not (BPCER). They hold for the \
         kind of attack in the list and say nothing about others.",
        &table(l),
    );
    let Detail { det, bona_fide, attacks, refused, passed } = &l.detail;
    report.section(
        "Detection error trade-off",
        "Live faces refused against attacks let pass, as the threshold moves; lower is better.",
        Curves::trade_off(det, "BPCER", "APCER"),
    );
    report.section(
        "Probabilities",
        "How probable it is that the face is live; the dashed line is the threshold.",
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
        let shown =
            |places: &[usize]| Failures(picture_failures(places, &frames.pictures, thumbnail));
        report.section("Live faces that were refused", "", shown(refused));
        report.section("Attacks that passed", "", shown(passed));
    }
    report
}
