//! Curves with a band around them.

use maud::{Markup, html};

use super::axis::{Axis, colour, frame, legend, n, points};
use crate::metrics::{DetPoint, Proportion};

/// A point of a curve.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CurvePoint {
    /// Along.
    pub x: f64,
    /// Up, with the interval that makes the band.
    pub y: Proportion,
}

/// A curve.
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// Its points, in order along x.
    pub points: Vec<CurvePoint>,
}

/// A chart of curves.
pub struct Curves {
    /// For those who cannot see it.
    pub title: String,
    /// The horizontal axis with its name.
    pub x: (Axis, String),
    /// The vertical axis with its name.
    pub y: (Axis, String),
    /// Up to four.
    pub curves: Vec<Curve>,
}

impl Curves {
    /// A detection error trade-off: the errors of the genuine against those of the impostors, by
    /// their names.
    pub fn trade_off(det: &[DetPoint], genuine: &str, impostors: &str) -> Self {
        let ends = [det.first(), det.last()].map(|p| p.map_or(1.0, |p| p.impostors));
        let high = 10f64.powf(ends[1].log10().ceil());
        let points = det.iter().map(|p| CurvePoint { x: p.impostors, y: p.genuine }).collect();
        Self {
            title: format!("{genuine} against {impostors}, with the 95 % interval"),
            x: (Axis::Log { low: ends[0].min(high / 10.0), high }, impostors.to_owned()),
            y: (Axis::Deviate { low: 1e-3, high: 0.4 }, genuine.to_owned()),
            curves: vec![Curve { name: genuine.to_owned(), points }],
        }
    }
}

impl From<Curves> for Markup {
    fn from(chart: Curves) -> Self {
        let Curves { title, x: (x, x_name), y: (y, y_name), curves } = chart;
        let inside = html! {
            @for (i, curve) in curves.iter().enumerate() {
                g class=(colour(i)) { (drawn(curve, &x, &y)) }
            }
        };
        html! {
            (legend(curves.iter().map(|c| c.name.as_str())))
            (frame(&title, (&x, &x_name), (&y, &y_name), &inside))
        }
    }
}

fn drawn(curve: &Curve, x: &Axis, y: &Axis) -> Markup {
    let at = |up: fn(&Proportion) -> f64| {
        curve.points.iter().map(move |p| (x.x(p.x), y.y(up(&p.y)))).collect::<Vec<_>>()
    };
    let band = at(|y| y.high).into_iter().chain(at(|y| y.low).into_iter().rev());
    html! {
        polygon.band points=(points(band)) {}
        polyline.curve points=(points(at(|y| y.value).into_iter())) {}
        @if let [only] = curve.points[..] {
            circle.bar cx=(n(x.x(only.x))) cy=(n(y.y(only.y.value))) r="4" {}
        }
    }
}
