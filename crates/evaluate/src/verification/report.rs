//! How a verification is told to people.

use super::{Detail, Verification};
use crate::cross::Compared;
use crate::metrics::OperatingPoint;
use crate::protocol::Pairs;
use crate::report::{
    Curves, Distribution, Failure, Failures, Histograms, Report, Table, Thumbnail, percent,
    rate_name,
};

/// TMR at FMR, and accuracy where there are folds.
pub fn table(v: &Verification) -> Table {
    let mut table = Table::new(["", "share (95 % interval)", "threshold", "impostors accepted"]);
    for (rate, point) in v.tmr_at_fmr.iter().rev() {
        let OperatingPoint { share, threshold, impostors_accepted } = point;
        let few = if point.is_steady() { "" } else { ", few" };
        table.row([
            format!("TMR at FMR {}", rate_name(rate)),
            percent(share),
            format!("{threshold:.3}"),
            format!("{impostors_accepted} of {}{few}", v.impostor),
        ]);
    }
    if let Some(a) = v.accuracy_10fold {
        let share = format!("{:.2} % ± {:.2}", a.mean * 100.0, a.sd * 100.0);
        table.row([format!("accuracy, {} folds", a.folds), share, String::new(), String::new()]);
    }
    table
}

/// The page. With `thumbnail`, the failures are shown.
pub fn report(
    v: &Verification,
    pairs: &Pairs,
    source: &str,
    thumbnail: Option<Thumbnail<'_>>,
) -> Report {
    let summary = format!(
        "{source}: {} pictures, {} without a face; {} genuine and {} impostor comparisons.",
        v.pictures, v.failures_to_detect, v.genuine, v.impostor
    );
    let mut report = Report::new("Verification", summary);
    report.section(
        "True matches",
        "Share of genuine comparisons that match (TMR) where a share of the impostors does (FMR). \
         Intervals take comparisons as independent; those that share a picture or a person are not. \
         \"Few\" marks thresholds that rest on fewer than ten impostors.",
        &table(v),
    );
    report.section(
        "Detection error trade-off",
        "Genuine comparisons refused against impostors accepted; lower is better.",
        Curves::trade_off(&v.detail.det, "FNMR", "FMR"),
    );
    let Detail { genuine, impostor, failing, false_non_matches, false_matches, .. } = &v.detail;
    let distribution = |name: &str, histogram: &_| Distribution {
        name: name.to_owned(),
        histogram: Clone::clone(histogram),
    };
    report.section(
        "Scores",
        "Cosines of genuine and impostor comparisons; the dashed line is the threshold by which \
         failures are told.",
        Histograms {
            title: "Histograms of genuine and impostor scores".into(),
            x_name: "cosine".into(),
            distributions: vec![
                distribution("genuine", genuine),
                distribution("impostor", impostor),
            ],
            threshold: failing.map(|(_, point)| f64::from(point.threshold)),
        },
    );
    if let (Some(thumbnail), Some((rate, _))) = (thumbnail, failing) {
        let shown = |list: &[Compared]| Failures(failures(list, pairs, thumbnail));
        let at = format!("At FMR {}.", rate_name(&rate.to_string()));
        report.section("Genuine pairs that did not match", &at, shown(false_non_matches));
        report.section("Impostors that matched", &at, shown(false_matches));
    }
    report
}

fn failures(list: &[Compared], pairs: &Pairs, thumbnail: Thumbnail<'_>) -> Vec<Failure> {
    list.iter()
        .map(|compared| {
            let paths = compared.pictures.map(|place| &pairs.pictures[place]);
            let names = paths.map(|p| p.display().to_string());
            let score = if compared.score.is_finite() {
                format!("{:.3}", compared.score)
            } else {
                "no face".into()
            };
            Failure {
                pictures: paths.iter().filter_map(|p| thumbnail(p)).collect(),
                caption: format!("{score}: {} and {}", names[0], names[1]),
            }
        })
        .collect()
}
