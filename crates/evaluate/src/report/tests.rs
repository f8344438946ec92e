//! Content of the page, and absence of active content.

use super::*;
use crate::metrics::Histogram;

fn proportion(value: f64) -> Proportion {
    Proportion { value, low: value * 0.9, high: (value * 1.1).min(1.0) }
}

fn page() -> String {
    let mut report = Report::new("<b>Title</b> & more", "summary \"quoted\"");
    let mut table = Table::new(["name", "share"]);
    table.add_row(["<script>alert(1)</script>".into(), percent_with_interval(&proportion(0.5))]);
    report.add_section("Table", "a note", &table);
    let curve = Curve {
        name: "FNMR <1>".into(),
        points: vec![
            CurvePoint { x: 1e-5, y: proportion(0.05) },
            CurvePoint { x: 1e-1, y: proportion(0.0) },
        ],
    };
    report.add_section(
        "Curve",
        "",
        Curves {
            title: "curve".into(),
            x: (Axis::Log { low: 1e-5, high: 1.0 }, "FMR".into()),
            y: (Axis::Probit { low: 1e-3, high: 0.4 }, "FNMR".into()),
            curves: vec![curve],
        },
    );
    report.add_section(
        "Histogram",
        "",
        Histograms {
            title: "histogram".into(),
            x_name: "cosine".into(),
            distributions: vec![
                Distribution {
                    name: "a".into(),
                    histogram: Histogram::of_cosines().with_scores(&[0.5, 0.6]),
                },
                Distribution { name: "none".into(), histogram: Histogram::of_cosines() },
            ],
            threshold: Some(0.4),
        },
    );
    report.add_section(
        "Bars",
        "",
        BarChart {
            title: "bars".into(),
            y_name: "Recall@10".into(),
            series: vec!["ours".into(), "popular".into()],
            groups: vec![BarGroup {
                name: "Recall".into(),
                bars: vec![proportion(0.17), proportion(0.09)],
            }],
        },
    );
    report.add_section(
        "Empty bars",
        "",
        BarChart { title: "no bars".into(), y_name: String::new(), series: vec![], groups: vec![] },
    );
    let failure = Failure { pictures: vec![vec![1, 2, 3]], caption: "a & b".into() };
    report.add_section("Failures", "", Failures(vec![failure]));
    report.to_html()
}

#[test]
fn page_loads_no_resource_and_runs_no_script() {
    let page = page();
    assert!(!page.contains("<script"), "a script in a text is escaped");
    assert!(!page.contains("http") && !page.contains("@import") && !page.contains("url("));
    assert!(page.contains("data:image/jpeg;base64,AQID"));
}

#[test]
fn all_text_is_escaped() {
    let page = page();
    for text in
        ["&lt;b&gt;Title&lt;/b&gt; &amp; more", "&lt;script&gt;", "FNMR &lt;1&gt;", "a &amp; b"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("<b>"));
}

#[test]
fn coordinates_are_inside_drawing() {
    let page = page();
    assert!(!page.contains("NaN") && !page.contains("inf"), "a value is not a number");
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
fn probit_axis_is_linear_in_standard_deviations() {
    let axis = Axis::Probit { low: 0.02275, high: 0.97725 };
    // The axis spans two standard deviations on each side.
    for (value, position) in [(0.02275, 0.0), (0.158655, 0.25), (0.5, 0.5), (0.841345, 0.75)] {
        let left = axis.x(0.02275);
        let width = axis.x(0.97725) - left;
        assert!(((axis.x(value) - left) / width - position).abs() < 1e-3, "{value}");
    }
}

#[test]
fn labels_have_no_rounding_errors() {
    let names = |axis: Axis| axis.ticks().into_iter().map(|t| t.1).collect::<Vec<_>>();
    assert_eq!(
        names(Axis::Log { low: 1e-5, high: 1.0 }),
        ["0.001 %", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"]
    );
    assert_eq!(
        names(Axis::Linear { low: 0.0, high: 1.0 }),
        ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    );
    assert_eq!(rate_in_percent("0.003"), "0.3 %");
    assert_eq!(rate_in_percent("0.00001"), "0.001 %");
    assert_eq!(
        percent_with_interval(&Proportion { value: 0.9884, low: 0.981, high: 0.994 }),
        "98.84 % (98.10 to 99.40)"
    );
}
