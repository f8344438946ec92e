//! Bars with intervals, in groups.

use maud::{Markup, html};

use super::axis::{Axis, HEIGHT, colour, frame, legend, n};
use crate::metrics::Proportion;

/// Bars side by side.
pub struct BarGroup {
    /// Its name below the axis.
    pub name: String,
    /// A bar a series: its height, with the interval that makes the whisker.
    pub bars: Vec<Proportion>,
}

/// A chart of bars.
pub struct BarChart {
    /// For those who cannot see it.
    pub title: String,
    /// Name of the vertical axis.
    pub y_name: String,
    /// What the bars of each group stand for, in their order; up to four.
    pub series: Vec<String>,
    /// From left to right.
    pub groups: Vec<BarGroup>,
}

impl From<BarChart> for Markup {
    fn from(chart: BarChart) -> Self {
        let BarChart { title, y_name, series, groups } = chart;
        let highest = groups.iter().flat_map(|g| &g.bars).map(|b| b.high);
        let y = Axis::Linear { low: 0.0, high: highest.fold(1e-6, f64::max) * 1.05 };
        // Groups stand at whole numbers.
        let x = Axis::Places(groups.len());
        let width = 0.8 / series.len().max(1) as f64;
        let inside = html! {
            @for (i, group) in groups.iter().enumerate() {
                text x=(n(x.x(i as f64))) y=(n(HEIGHT - 30.0)) text-anchor="middle" { (group.name) }
                @for (j, bar) in group.bars.iter().enumerate() {
                    @let left = i as f64 - 0.4 + width * (j as f64 + 0.05);
                    @let middle = x.x(left + width * 0.45);
                    @let [low, top, high] = [bar.low, bar.value, bar.high].map(|v| y.y(v));
                    g class=(colour(j)) {
                        rect.bar x=(n(x.x(left))) width=(n(x.x(left + width * 0.9) - x.x(left)))
                            y=(n(top)) height=(n(y.y(0.0) - top)) {}
                        path.whisker d=(format!(
                            "M{0:.1} {low:.1}V{high:.1}m-4 0h8M{1:.1} {low:.1}h8", middle, middle - 4.0
                        )) {}
                    }
                }
            }
        };
        html! {
            @if series.len() > 1 { (legend(series.iter().map(String::as_str))) }
            (frame(&title, (&x, ""), (&y, &y_name), &inside))
        }
    }
}
