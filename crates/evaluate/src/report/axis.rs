//! Axes, and the plot area of all charts.

use maud::{Markup, html};
use statrs::function::erf::erfc_inv;

/// Scale of an axis.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Axis {
    /// Linear scale.
    Linear {
        /// Value at the left or bottom end.
        low: f64,
        /// Value at the right or top end, above `low`.
        high: f64,
    },
    /// Logarithmic scale for rates.
    Log {
        /// Lowest rate, above 0.
        low: f64,
        /// Highest rate, above `low`.
        high: f64,
    },
    /// Normal deviate scale for rates, on which the error rates of two normal distributions are a
    /// straight line (Martin and others, "The DET curve in assessment of detection task
    /// performance", 1997).
    Probit {
        /// Lowest rate, above 0.
        low: f64,
        /// Highest rate, above `low` and below 1.
        high: f64,
    },
    /// Categories at the values 0, 1, 2 and so on; contains their number. The chart draws their labels.
    Categories(usize),
}

/// Width of a drawing in SVG units.
pub(super) const WIDTH: f64 = 720.0;
/// Height of a drawing in SVG units.
pub(super) const HEIGHT: f64 = 380.0;
/// Left margin of the plot area in SVG units.
const LEFT: f64 = 64.0;
/// Right margin of the plot area in SVG units.
const RIGHT: f64 = 24.0;
/// Top margin of the plot area in SVG units.
const TOP: f64 = 12.0;
/// Bottom margin of the plot area in SVG units.
const BOTTOM: f64 = 48.0;

impl Axis {
    /// Returns the position of a value between the ends, 0 to 1; values out of range are clamped.
    fn position(&self, value: f64) -> f64 {
        let deviate = |rate: f64| -std::f64::consts::SQRT_2 * erfc_inv(2.0 * rate);
        let (low, high) = self.ends();
        let value = value.clamp(low, high);
        let [low, value, high] = match self {
            Self::Linear { .. } | Self::Categories(_) => [low, value, high],
            Self::Log { .. } => [low, value, high].map(f64::ln),
            Self::Probit { .. } => [low, value, high].map(deviate),
        };
        (value - low) / (high - low)
    }

    /// Returns the values at both ends.
    fn ends(&self) -> (f64, f64) {
        match *self {
            Self::Linear { low, high } | Self::Log { low, high } | Self::Probit { low, high } => {
                (low, high)
            }
            Self::Categories(count) => (-0.5, count.max(1) as f64 - 0.5),
        }
    }

    /// Returns the horizontal coordinate of a value.
    pub(super) fn x(&self, value: f64) -> f64 {
        LEFT + self.position(value) * (WIDTH - LEFT - RIGHT)
    }

    /// Returns the vertical coordinate of a value.
    pub(super) fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.position(value) * (HEIGHT - TOP - BOTTOM)
    }

    /// Returns the values that have a label, with their labels.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let (low, high) = self.ends();
        let within = |v: &f64| *v >= low * 0.999_999 && *v <= high * 1.000_001;
        let labelled = |v: f64| (v, percent(v));
        match self {
            Self::Linear { .. } => linear_ticks(low, high),
            Self::Categories(_) => Vec::new(),
            Self::Log { .. } => {
                (-12..=0).map(|e| 10f64.powi(e)).filter(within).map(labelled).collect()
            }
            Self::Probit { .. } => {
                [1e-6, 1e-5, 1e-4, 1e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95]
                    .into_iter()
                    .filter(within)
                    .map(labelled)
                    .collect()
            }
        }
    }
}

/// Returns four to nine round values with their labels.
fn linear_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let step_min = (high - low) / 8.0;
    let power = 10f64.powf(step_min.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= step_min);
    let step = step.unwrap_or(high - low);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| (i as f64 * step, format!("{:.digits$}", i as f64 * step))).collect()
}

/// Formats a rate in per cent with as few digits as possible, such as `0.3 %`.
pub(super) fn percent(rate: f64) -> String {
    let percent = rate * 100.0;
    // This rounding removes the errors of binary fractions.
    format!("{} %", (percent * 1e9).round() / 1e9)
}

/// Draws labelled axes around `content`.
pub(super) fn plot(
    title: &str,
    (x, x_name): (&Axis, &str),
    (y, y_name): (&Axis, &str),
    content: &Markup,
) -> Markup {
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    let (middle, centre) = ((TOP + bottom) / 2.0, (LEFT + right) / 2.0);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(title) {
            title { (title) }
            @for (value, name) in x.ticks() {
                line.grid x1=(coordinate(x.x(value))) x2=(coordinate(x.x(value))) y1=(TOP) y2=(bottom) {}
                text x=(coordinate(x.x(value))) y=(bottom + 18.0) text-anchor="middle" { (name) }
            }
            @for (value, name) in y.ticks() {
                line.grid x1=(LEFT) x2=(right) y1=(coordinate(y.y(value))) y2=(coordinate(y.y(value))) {}
                text x=(LEFT - 8.0) y=(coordinate(y.y(value) + 4.0)) text-anchor="end" { (name) }
            }
            rect.frame x=(LEFT) y=(TOP) width=(right - LEFT) height=(bottom - TOP) {}
            (content)
            text x=(centre) y=(HEIGHT - 8.0) text-anchor="middle" { (x_name) }
            text x="14" y=(middle) text-anchor="middle" transform=(format!("rotate(-90 14 {middle})")) {
                (y_name)
            }
        }
    }
}

/// Draws the legend of the colours.
pub(super) fn legend<'a>(names: impl Iterator<Item = &'a str>) -> Markup {
    html! {
        ul.legend {
            @for (i, name) in names.enumerate() { li { i class=(colour_class(i)) {} (name) } }
        }
    }
}

/// Returns the CSS class of the i-th colour; the four colours repeat.
pub(super) fn colour_class(i: usize) -> String {
    format!("c{}", i % 4)
}

/// Formats a coordinate to a tenth of a unit.
pub(super) fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

/// Formats points for a `points` attribute.
pub(super) fn polygon_points(points: impl Iterator<Item = (f64, f64)>) -> String {
    points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}
