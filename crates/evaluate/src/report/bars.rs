//! Grouped bar charts with intervals.

use maud::{Markup, html};

use super::axis::{Axis, HEIGHT, colour_class, coordinate, legend, plot};
use crate::metrics::Proportion;

/// Group of adjacent bars.
pub struct BarGroup {
    /// Name below the axis.
    pub name: String,
    /// One bar per series, with its interval.
    pub bars: Vec<Proportion>,
}

/// Grouped bar chart.
pub struct BarChart {
    /// Text alternative of the drawing.
    pub title: String,
    /// Name of the vertical axis.
    pub y_name: String,
    /// Names of up to four series, in the order of the bars.
    pub series: Vec<String>,
    /// Groups from left to right.
    pub groups: Vec<BarGroup>,
}

/// Width of a group as a share of the distance between groups.
const GROUP_WIDTH: f64 = 0.8;
/// Width of a bar as a share of the space for one bar in the group.
const BAR_WIDTH: f64 = 0.9;
/// Height of the axis relative to the highest bar.
const HEADROOM: f64 = 1.05;

impl From<BarChart> for Markup {
    fn from(chart: BarChart) -> Self {
        let BarChart { title, y_name, series, groups } = chart;
        let highest = groups.iter().flat_map(|g| &g.bars).map(|b| b.high).fold(1e-6, f64::max);
        let y = Axis::Linear { low: 0.0, high: highest * HEADROOM };
        let x = Axis::Categories(groups.len());
        let space = GROUP_WIDTH / series.len().max(1) as f64;
        let width = space * BAR_WIDTH;
        let content = html! {
            @for (i, group) in groups.iter().enumerate() {
                text x=(coordinate(x.x(i as f64))) y=(coordinate(HEIGHT - 30.0))
                    text-anchor="middle" { (group.name) }
                @for (j, bar) in group.bars.iter().enumerate() {
                    @let left = i as f64 - GROUP_WIDTH / 2.0
                        + space * (j as f64 + (1.0 - BAR_WIDTH) / 2.0);
                    @let middle = x.x(left + width / 2.0);
                    @let [low, top, high] = [bar.low, bar.value, bar.high].map(|v| y.y(v));
                    g class=(colour_class(j)) {
                        rect.bar x=(coordinate(x.x(left)))
                            width=(coordinate(x.x(left + width) - x.x(left)))
                            y=(coordinate(top)) height=(coordinate(y.y(0.0) - top)) {}
                        path.whisker d=(format!(
                            "M{0:.1} {low:.1}V{high:.1}m-4 0h8M{1:.1} {low:.1}h8", middle, middle - 4.0
                        )) {}
                    }
                }
            }
        };
        html! {
            @if series.len() > 1 { (legend(series.iter().map(String::as_str))) }
            (plot(&title, (&x, ""), (&y, &y_name), &content))
        }
    }
}
