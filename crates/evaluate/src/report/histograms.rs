//! Overlaid histograms.

use maud::{Markup, html};

use super::axis::{Axis, colour_class, coordinate, legend, plot, polygon_points};
use crate::metrics::{Bin, Histogram};

/// Histogram with its name.
pub struct Distribution {
    /// Name in the legend.
    pub name: String,
    /// Counts, drawn as shares of their total.
    pub histogram: Histogram,
}

/// Overlaid histograms with an optional line at a threshold.
pub struct Histograms {
    /// Text alternative of the drawing.
    pub title: String,
    /// Name of the horizontal axis.
    pub x_name: String,
    /// Up to four histograms with the same bins.
    pub distributions: Vec<Distribution>,
    /// Threshold at which a line is drawn.
    pub threshold: Option<f64>,
}

/// Height of the axis relative to the highest bin.
const HEADROOM: f64 = 1.05;
/// Least height of the vertical axis, as a share.
const HEIGHT_MIN: f64 = 0.01;

impl From<Histograms> for Markup {
    fn from(chart: Histograms) -> Self {
        let Histograms { title, x_name, distributions, threshold } = chart;
        let histograms: Vec<_> = distributions.iter().map(|d| d.histogram.bins()).collect();
        let occupied = || histograms.iter().flatten().filter(|bin| bin.share > 0.0);
        // The axis spans all scores and the threshold. `min` and `max` ignore a NaN.
        let threshold_or_nan = threshold.unwrap_or(f64::NAN);
        let low = occupied().map(|bin| bin.low).fold(f64::INFINITY, f64::min);
        let high = occupied().map(|bin| bin.high).fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = (low.min(threshold_or_nan), high.max(threshold_or_nan));
        let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
        let top = occupied().map(|bin| bin.share).fold(HEIGHT_MIN, f64::max) * HEADROOM;
        let (x, y) = (Axis::Linear { low, high }, Axis::Linear { low: 0.0, high: top });
        let outline = |bins: &[Bin]| {
            let visible =
                bins.iter().filter(|bin| bin.low >= low - 1e-9 && bin.high <= high + 1e-9);
            let tops = visible.flat_map(|bin| [(bin.low, bin.share), (bin.high, bin.share)]);
            let closed = [(low, 0.0)].into_iter().chain(tops).chain([(high, 0.0)]);
            polygon_points(closed.map(|(value, share)| (x.x(value), y.y(share))))
        };
        let content = html! {
            @for (i, bins) in histograms.iter().enumerate() {
                g class=(colour_class(i)) { polygon.area points=(outline(bins)) {} }
            }
            @if let Some(t) = threshold {
                line.mark x1=(coordinate(x.x(t))) x2=(coordinate(x.x(t)))
                    y1=(coordinate(y.y(0.0))) y2=(coordinate(y.y(top))) {}
            }
        };
        html! {
            (legend(distributions.iter().map(|d| d.name.as_str())))
            (plot(&title, (&x, &x_name), (&y, "share of scores"), &content))
        }
    }
}
