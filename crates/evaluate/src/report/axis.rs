//! Axes, and the frame in which every chart is drawn.

use maud::{Markup, html};
use statrs::function::erf::erfc_inv;

/// How values lie along a side of a chart.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Axis {
    /// Evenly.
    Linear {
        /// Value at the left or at the bottom.
        low: f64,
        /// Value at the other end, above `low`.
        high: f64,
    },
    /// Shares by their powers of ten.
    Log {
        /// Lowest share, above 0.
        low: f64,
        /// Highest share, above `low`.
        high: f64,
    },
    /// Shares by their normal deviates, on which the errors of two normal distributions make a
    /// straight line (Martin and others, "The DET curve in assessment of detection task
    /// performance", 1997).
    Deviate {
        /// Lowest share, above 0.
        low: f64,
        /// Highest share, above `low` and below 1.
        high: f64,
    },
    /// So many places, at 0, 1, 2 and so on, which the chart itself names.
    Places(usize),
}

/// Size of the drawing in its own units.
pub(super) const WIDTH: f64 = 720.0;
pub(super) const HEIGHT: f64 = 380.0;
/// Room for labels around the frame: left, right, top, bottom.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 48.0;

impl Axis {
    /// Where a value lies, 0 to 1 of the way; values beyond an end lie at it.
    fn place(&self, value: f64) -> f64 {
        let deviate = |share: f64| -std::f64::consts::SQRT_2 * erfc_inv(2.0 * share);
        let (low, high) = self.ends();
        let value = value.clamp(low, high);
        let [low, value, high] = match self {
            Self::Linear { .. } | Self::Places(_) => [low, value, high],
            Self::Log { .. } => [low, value, high].map(f64::ln),
            Self::Deviate { .. } => [low, value, high].map(deviate),
        };
        (value - low) / (high - low)
    }

    fn ends(&self) -> (f64, f64) {
        match *self {
            Self::Linear { low, high } | Self::Log { low, high } | Self::Deviate { low, high } => {
                (low, high)
            }
            Self::Places(count) => (-0.5, count.max(1) as f64 - 0.5),
        }
    }

    /// Across the drawing.
    pub(super) fn x(&self, value: f64) -> f64 {
        LEFT + self.place(value) * (WIDTH - LEFT - RIGHT)
    }

    /// Up the drawing.
    pub(super) fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    /// Values to name, with their names.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let (low, high) = self.ends();
        let within = |v: &f64| *v >= low * 0.999_999 && *v <= high * 1.000_001;
        let named = |v: f64| (v, share_name(v));
        match self {
            Self::Linear { .. } => linear_ticks(low, high),
            Self::Places(_) => Vec::new(),
            Self::Log { .. } => {
                (-12..=0).map(|e| 10f64.powi(e)).filter(within).map(named).collect()
            }
            Self::Deviate { .. } => {
                [1e-6, 1e-5, 1e-4, 1e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95]
                    .into_iter()
                    .filter(within)
                    .map(named)
                    .collect()
            }
        }
    }
}

/// Four to nine round values.
fn linear_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let rough = (high - low) / 8.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough);
    let step = step.unwrap_or(high - low);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| (i as f64 * step, format!("{:.digits$}", i as f64 * step))).collect()
}

/// A share in per cent with no more digits than it needs, such as `0.3 %`.
pub(super) fn share_name(share: f64) -> String {
    let percent = share * 100.0;
    // What binary fractions add in the last places is not part of the name.
    format!("{} %", (percent * 1e9).round() / 1e9)
}

/// A drawing with named axes around `inside`.
pub(super) fn frame(
    title: &str,
    (x, x_name): (&Axis, &str),
    (y, y_name): (&Axis, &str),
    inside: &Markup,
) -> Markup {
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    let (middle, centre) = ((TOP + bottom) / 2.0, (LEFT + right) / 2.0);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(title) {
            title { (title) }
            @for (value, name) in x.ticks() {
                line.grid x1=(n(x.x(value))) x2=(n(x.x(value))) y1=(TOP) y2=(bottom) {}
                text x=(n(x.x(value))) y=(bottom + 18.0) text-anchor="middle" { (name) }
            }
            @for (value, name) in y.ticks() {
                line.grid x1=(LEFT) x2=(right) y1=(n(y.y(value))) y2=(n(y.y(value))) {}
                text x=(LEFT - 8.0) y=(n(y.y(value) + 4.0)) text-anchor="end" { (name) }
            }
            rect.frame x=(LEFT) y=(TOP) width=(right - LEFT) height=(bottom - TOP) {}
            (inside)
            text x=(centre) y=(HEIGHT - 8.0) text-anchor="middle" { (x_name) }
            text x="14" y=(middle) text-anchor="middle" transform=(format!("rotate(-90 14 {middle})")) {
                (y_name)
            }
        }
    }
}

/// What each colour stands for.
pub(super) fn legend<'a>(names: impl Iterator<Item = &'a str>) -> Markup {
    html! {
        ul.legend {
            @for (i, name) in names.enumerate() { li { i class=(colour(i)) {} (name) } }
        }
    }
}

/// The class of the i-th colour; there are four, and then they come again.
pub(super) fn colour(i: usize) -> String {
    format!("c{}", i % 4)
}

/// A coordinate to a tenth of a unit.
pub(super) fn n(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

/// Points for a `points` attribute.
pub(super) fn points(points: impl Iterator<Item = (f64, f64)>) -> String {
    points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}
