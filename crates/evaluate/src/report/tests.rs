//! What a page holds, and what it must not.

use super::*;
use crate::metrics::Histogram;

fn share(value: f64) -> Proportion {
    Proportion { value, low: value * 0.9, high: (value * 1.1).min(1.0) }
}

fn page() -> String {
    let mut report = Report::new("<b>Title</b> & more", "summary \"quoted\"");
    let mut table = Table::new(["name", "share"]);
    table.row(["<script>alert(1)</script>".into(), percent(&share(0.5))]);
    report.section("Table", "a note", &table);
    let curve = Curve {
        name: "FNMR <1>".into(),
        points: vec![CurvePoint { x: 1e-5, y: share(0.05) }, CurvePoint { x: 1e-1, y: share(0.0) }],
    };
    report.section(
        "Curve",
        "",
        Curves {
            title: "curve".into(),
            x: (Axis::Log { low: 1e-5, high: 1.0 }, "FMR".into()),
            y: (Axis::Deviate { low: 1e-3, high: 0.4 }, "FNMR".into()),
            curves: vec![curve],
        },
    );
    report.section(
        "Histogram",
        "",
        Histograms {
            title: "histogram".into(),
            x_name: "cosine".into(),
            distributions: vec![
                Distribution {
                    name: "a".into(),
                    histogram: Histogram::of_cosines().with(&[0.5, 0.6]),
                },
                Distribution { name: "none".into(), histogram: Histogram::of_cosines() },
            ],
            threshold: Some(0.4),
        },
    );
    report.section(
        "Bars",
        "",
        BarChart {
            title: "bars".into(),
            y_name: "Recall@10".into(),
            series: vec!["ours".into(), "popular".into()],
            groups: vec![BarGroup { name: "Recall".into(), bars: vec![share(0.17), share(0.09)] }],
        },
    );
    report.section(
        "Empty bars",
        "",
        BarChart { title: "no bars".into(), y_name: String::new(), series: vec![], groups: vec![] },
    );
    let failure = Failure { pictures: vec![vec![1, 2, 3]], caption: "a & b".into() };
    report.section("Failures", "", Failures(vec![failure]));
    report.to_html()
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    let page = page();
    assert!(!page.contains("<script"), "text that looks like a script is text");
    assert!(!page.contains("http") && !page.contains("@import") && !page.contains("url("));
    assert!(page.contains("data:image/jpeg;base64,AQID"));
}

#[test]
fn text_is_escaped_wherever_it_comes_from() {
    let page = page();
    for text in
        ["&lt;b&gt;Title&lt;/b&gt; &amp; more", "&lt;script&gt;", "FNMR &lt;1&gt;", "a &amp; b"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("<b>"));
}

#[test]
fn every_coordinate_is_a_number_inside_its_drawing() {
    let page = page();
    assert!(!page.contains("NaN") && !page.contains("inf"), "a value got lost");
    for points in page.split("points=\"").skip(1) {
        let list = points.split('"').next().unwrap();
        for point in list.split(' ').filter(|p| !p.is_empty()) {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!(
                (0.0..=axis::WIDTH).contains(&x) && (0.0..=axis::HEIGHT).contains(&y),
                "{point}"
            );
        }
    }
}

#[test]
fn two_normal_distributions_make_a_straight_line_on_the_axis_of_deviates() {
    let axis = Axis::Deviate { low: 0.02275, high: 0.97725 };
    // Two standard deviations to both sides: one is a quarter of the way, none is half.
    for (value, way) in [(0.02275, 0.0), (0.158655, 0.25), (0.5, 0.5), (0.841345, 0.75)] {
        let left = axis.x(0.02275);
        let width = axis.x(0.97725) - left;
        assert!(((axis.x(value) - left) / width - way).abs() < 1e-3, "{value}");
    }
}

#[test]
fn rates_and_ticks_have_names_without_stray_digits() {
    let names = |axis: Axis| axis.ticks().into_iter().map(|t| t.1).collect::<Vec<_>>();
    assert_eq!(
        names(Axis::Log { low: 1e-5, high: 1.0 }),
        ["0.001 %", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"]
    );
    assert_eq!(
        names(Axis::Linear { low: 0.0, high: 1.0 }),
        ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    );
    assert_eq!(rate_name("0.003"), "0.3 %");
    assert_eq!(rate_name("0.00001"), "0.001 %");
    assert_eq!(
        percent(&Proportion { value: 0.9884, low: 0.981, high: 0.994 }),
        "98.84 % (98.10 to 99.40)"
    );
}

#[test]
fn a_table_for_a_terminal_stands_in_columns() {
    let mut table = Table::new(["", "share"]);
    table.row(["one".into(), "1 %".into()]);
    table.row(["eleven".into(), "11.25 %".into()]);
    assert_eq!(table.to_text(), "          share\none         1 %\neleven  11.25 %\n");
}
