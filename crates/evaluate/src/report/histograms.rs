//! Histograms over each other.

use maud::{Markup, html};

use super::axis::{Axis, colour, frame, legend, n, points};
use crate::metrics::Histogram;

/// One of them.
pub struct Distribution {
    /// Its name in the legend.
    pub name: String,
    /// Its counts; drawn as shares of its own total.
    pub histogram: Histogram,
}

/// Histograms over each other, with a line at a threshold.
pub struct Histograms {
    /// For those who cannot see it.
    pub title: String,
    /// Name of the horizontal axis.
    pub x_name: String,
    /// Up to four, all with the same steps.
    pub distributions: Vec<Distribution>,
    /// Where the line is.
    pub threshold: Option<f64>,
}

impl From<Histograms> for Markup {
    fn from(chart: Histograms) -> Self {
        let Histograms { title, x_name, distributions, threshold } = chart;
        let shares: Vec<_> = distributions.iter().map(|d| d.histogram.shares()).collect();
        let seen = || shares.iter().flatten().filter(|(_, _, share)| *share > 0.0);
        // As wide as there are scores, and a line for the threshold always inside.
        let beyond = threshold.unwrap_or(f64::NAN);
        let low = seen().map(|s| s.0).fold(f64::INFINITY, f64::min).min(beyond);
        let high = seen().map(|s| s.1).fold(f64::NEG_INFINITY, f64::max).max(beyond);
        let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
        let top = seen().map(|s| s.2).fold(0.01, f64::max) * 1.05;
        let (x, y) = (Axis::Linear { low, high }, Axis::Linear { low: 0.0, high: top });
        let outline = |steps: &[(f64, f64, f64)]| {
            let inside = steps.iter().filter(|s| s.0 >= low - 1e-9 && s.1 <= high + 1e-9);
            let tops = inside.flat_map(|s| [(s.0, s.2), (s.1, s.2)]);
            let closed = [(low, 0.0)].into_iter().chain(tops).chain([(high, 0.0)]);
            points(closed.map(|(value, share)| (x.x(value), y.y(share))))
        };
        let inside = html! {
            @for (i, steps) in shares.iter().enumerate() {
                g class=(colour(i)) { polygon.area points=(outline(steps)) {} }
            }
            @if let Some(t) = threshold {
                line.mark x1=(n(x.x(t))) x2=(n(x.x(t))) y1=(n(y.y(0.0))) y2=(n(y.y(top))) {}
            }
        };
        html! {
            (legend(distributions.iter().map(|d| d.name.as_str())))
            (frame(&title, (&x, &x_name), (&y, "share of each"), &inside))
        }
    }
}
