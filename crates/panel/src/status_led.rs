//! Signals of the status LED.
//!
//! | signal | LED | meaning |
//! |---|---|---|
//! | `idle` | on 0.06 s, off 2.94 s, repeated | ready: press the button to opt in |
//! | `offered` | on 0.4 s, off 0.2 s, repeated | an enrolment is offered: press again to agree |
//! | `look_here` | on 0.5 s, off 0.5 s, repeated | please look at the camera |
//! | `capturing` | on 0.12 s, off 0.12 s, repeated | hold still, views are being captured |
//! | `succeeded` | on 2 s, then off | enrolled, recognised or deleted |
//! | `failed` | on 0.15 s, off 0.15 s, on 0.15 s, off 0.15 s, on 0.15 s, then off | the enrolment failed, nothing was stored |
//! | `out_of_order` | on 0.1 s, off 0.2 s, on 0.1 s, off 1.6 s, repeated | out of order: no camera |
//! | `hold_to_withdraw` | on 0.9 s, off 0.1 s, repeated | keep holding to be deleted, release to stay |

use std::time::Duration;

/// A signal of the status LED.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum LedSignal {
    /// Ready for a press of the button.
    Idle,
    /// Offer of an enrolment: another press agrees.
    Offered,
    /// Request to look at the camera.
    LookHere,
    /// Capture of views in progress.
    Capturing,
    /// Success.
    Succeeded,
    /// Failure.
    Failed,
    /// No picture from the camera.
    OutOfOrder,
    /// Warning while the button is held: a withdrawal follows.
    HoldToWithdraw,
}

/// On and off times of one signal.
struct Pattern {
    signal: LedSignal,
    /// Durations in milliseconds: on, off, on, off, …
    segments: &'static [u64],
    /// True if the pattern is repeated. Otherwise the LED stays off after its end.
    is_repeated: bool,
}

/// Patterns of all signals.
const PATTERNS: [Pattern; 8] = [
    Pattern { signal: LedSignal::Idle, segments: &[60, 2940], is_repeated: true },
    Pattern { signal: LedSignal::Offered, segments: &[400, 200], is_repeated: true },
    Pattern { signal: LedSignal::LookHere, segments: &[500, 500], is_repeated: true },
    Pattern { signal: LedSignal::Capturing, segments: &[120, 120], is_repeated: true },
    Pattern { signal: LedSignal::Succeeded, segments: &[2000], is_repeated: false },
    Pattern { signal: LedSignal::Failed, segments: &[150, 150, 150, 150, 150], is_repeated: false },
    Pattern { signal: LedSignal::OutOfOrder, segments: &[100, 200, 100, 1600], is_repeated: true },
    Pattern { signal: LedSignal::HoldToWithdraw, segments: &[900, 100], is_repeated: true },
];

impl LedSignal {
    /// Returns the length of the signal, or `None` for a signal that is repeated until the next one.
    pub fn duration(self) -> Option<Duration> {
        let Pattern { segments, is_repeated, .. } = self.pattern();
        (!is_repeated).then(|| Duration::from_millis(segments.iter().sum()))
    }

    /// Returns true if the LED is on `elapsed` after the start of the signal.
    pub fn is_on(self, elapsed: Duration) -> bool {
        self.segment_at(elapsed).0
    }

    /// Returns the time from `elapsed` to the next change of the LED; `None` if it stays off.
    pub fn time_to_change(self, elapsed: Duration) -> Option<Duration> {
        self.segment_at(elapsed).1
    }

    /// Returns the pattern of this signal.
    fn pattern(self) -> &'static Pattern {
        PATTERNS
            .iter()
            .find(|pattern| pattern.signal == self)
            .expect("each signal has a pattern (tested)")
    }

    /// Returns true if the LED is on at `elapsed`, with the time to the end of this segment.
    fn segment_at(self, elapsed: Duration) -> (bool, Option<Duration>) {
        let Pattern { segments, is_repeated, .. } = self.pattern();
        let total_ns = u128::from(segments.iter().sum::<u64>()) * 1_000_000;
        let mut offset_ns = elapsed.as_nanos();
        if *is_repeated {
            offset_ns %= total_ns;
        }
        for (i, segment_ms) in segments.iter().enumerate() {
            let length_ns = u128::from(*segment_ms) * 1_000_000;
            if offset_ns < length_ns {
                let remaining_ns =
                    u64::try_from(length_ns - offset_ns).expect("a segment lasts a few seconds");
                return (i % 2 == 0, Some(Duration::from_nanos(remaining_ns)));
            }
            offset_ns -= length_ns;
        }
        (false, None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGNALS: [(LedSignal, &str); 8] = [
        (LedSignal::Idle, "idle"),
        (LedSignal::Offered, "offered"),
        (LedSignal::LookHere, "look_here"),
        (LedSignal::Capturing, "capturing"),
        (LedSignal::Succeeded, "succeeded"),
        (LedSignal::Failed, "failed"),
        (LedSignal::OutOfOrder, "out_of_order"),
        (LedSignal::HoldToWithdraw, "hold_to_withdraw"),
    ];

    #[test]
    fn signals_start_lit_and_have_distinct_patterns() {
        for (signal, name) in SIGNALS {
            assert!(signal.is_on(Duration::ZERO), "{name} starts with the LED off");
        }
        for (i, pattern) in PATTERNS.iter().enumerate() {
            let is_equal = |later: &Pattern| later.segments == pattern.segments;
            assert!(!PATTERNS[i + 1..].iter().any(is_equal));
        }
    }

    #[test]
    fn patterns_match_documented_table() {
        let source = include_str!("status_led.rs");
        for (signal, name) in SIGNALS {
            let Pattern { segments, is_repeated, .. } = signal.pattern();
            let levels: Vec<_> = segments
                .iter()
                .enumerate()
                .map(|(i, ms)| {
                    format!("{} {} s", if i % 2 == 0 { "on" } else { "off" }, *ms as f64 / 1000.0)
                })
                .collect();
            let end = if *is_repeated { "repeated" } else { "then off" };
            let row = format!("//! | `{name}` | {}, {end} |", levels.join(", "));
            assert!(source.contains(&row), "{row}");
        }
    }

    #[test]
    fn finished_signal_stays_off() {
        let end = Duration::from_secs(2);
        assert!(LedSignal::Succeeded.is_on(end - Duration::from_nanos(1)));
        assert!(!LedSignal::Succeeded.is_on(end));
        assert_eq!(LedSignal::Succeeded.time_to_change(end), None);
        assert_eq!(LedSignal::Succeeded.duration(), Some(end));
        assert_eq!(LedSignal::Idle.duration(), None);
    }

    #[test]
    fn repeated_signal_repeats_after_ten_million_periods() {
        let periods = Duration::from_secs(3 * 10_000_000);
        assert!(LedSignal::Idle.is_on(periods));
        assert!(!LedSignal::Idle.is_on(periods + Duration::from_millis(60)));
    }

    proptest! {
        #[test]
        fn led_changes_exactly_at_predicted_time(index in 0usize..8, ns in 0u64..10_000_000_000) {
            let (signal, elapsed) = (SIGNALS[index].0, Duration::from_nanos(ns));
            let is_on = signal.is_on(elapsed);
            if let Some(remaining) = signal.time_to_change(elapsed) {
                let change = elapsed + remaining;
                prop_assert_eq!(signal.is_on(change - Duration::from_nanos(1)), is_on);
                prop_assert_eq!(signal.is_on(change), !is_on);
            } else {
                prop_assert!(!is_on);
            }
        }
    }
}
