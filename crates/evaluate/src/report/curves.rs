//! Curves with a band that shows the interval.

use maud::{Markup, html};

use super::axis::{Axis, colour_class, coordinate, legend, plot, polygon_points};
use crate::metrics::{DetPoint, Proportion};

/// Point of a curve.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CurvePoint {
    /// Horizontal value.
    pub x: f64,
    /// Vertical value, with the interval that the band shows.
    pub y: Proportion,
}

/// Curve with its name.
pub struct Curve {
    /// Name in the legend.
    pub name: String,
    /// Points in order of rising `x`.
    pub points: Vec<CurvePoint>,
}

/// Chart of curves.
pub struct Curves {
    /// Text alternative of the drawing.
    pub title: String,
    /// Horizontal axis with its name.
    pub x: (Axis, String),
    /// Vertical axis with its name.
    pub y: (Axis, String),
    /// Up to four curves.
    pub curves: Vec<Curve>,
}

impl Curves {
    /// Returns a detection error trade-off plot, labelled with the names of both error rates.
    pub fn det_plot(
        det: &[DetPoint],
        false_negative_name: &str,
        false_positive_name: &str,
    ) -> Self {
        let [first, last] =
            [det.first(), det.last()].map(|p| p.map_or(1.0, |p| p.false_positive_rate));
        let high = 10f64.powf(last.log10().ceil());
        let point =
            |p: &DetPoint| CurvePoint { x: p.false_positive_rate, y: p.false_negative_rate };
        let curve =
            Curve { name: false_negative_name.to_owned(), points: det.iter().map(point).collect() };
        Self {
            title: format!(
                "{false_negative_name} against {false_positive_name}, with the 95 % interval"
            ),
            x: (Axis::Log { low: first.min(high / 10.0), high }, false_positive_name.to_owned()),
            y: (Axis::Probit { low: 1e-3, high: 0.4 }, false_negative_name.to_owned()),
            curves: vec![curve],
        }
    }
}

impl From<Curves> for Markup {
    fn from(chart: Curves) -> Self {
        let Curves { title, x: (x, x_name), y: (y, y_name), curves } = chart;
        let content = html! {
            @for (i, curve) in curves.iter().enumerate() {
                g class=(colour_class(i)) { (curve_markup(curve, &x, &y)) }
            }
        };
        html! {
            (legend(curves.iter().map(|c| c.name.as_str())))
            (plot(&title, (&x, &x_name), (&y, &y_name), &content))
        }
    }
}

/// Draws a curve and its band; a curve with one point is drawn as a circle.
fn curve_markup(curve: &Curve, x: &Axis, y: &Axis) -> Markup {
    let line = |value: fn(&Proportion) -> f64| {
        curve.points.iter().map(move |p| (x.x(p.x), y.y(value(&p.y)))).collect::<Vec<_>>()
    };
    let band = line(|y| y.high).into_iter().chain(line(|y| y.low).into_iter().rev());
    html! {
        polygon.band points=(polygon_points(band)) {}
        polyline.curve points=(polygon_points(line(|y| y.value).into_iter())) {}
        @if let [only] = curve.points[..] {
            circle.bar cx=(coordinate(x.x(only.x))) cy=(coordinate(y.y(only.y.value))) r="4" {}
        }
    }
}
