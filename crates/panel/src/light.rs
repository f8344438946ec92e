//! What the light says.
//!
//! | signal | the light | it means |
//! |---|---|---|
//! | `idle` | on 0.06 s, off 2.94 s, again and again | ready: press to opt in |
//! | `look_here` | on 0.5 s, off 0.5 s, again and again | please look at the camera |
//! | `working` | on 0.12 s, off 0.12 s, again and again | good, hold still |
//! | `done` | on 2 s, then dark | done: you are known, or forgotten |
//! | `no` | on 0.15 s, off 0.15 s, on 0.15 s, off 0.15 s, on 0.15 s, then dark | it did not work, and nothing was kept |
//! | `trouble` | on 0.1 s, off 0.2 s, on 0.1 s, off 1.6 s, again and again | out of order: no camera |
//! | `withdrawing` | on 0.9 s, off 0.1 s, again and again | keep holding to be forgotten, let go to stay |

use std::time::Duration;

/// What the light can say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Signal {
    /// Ready for a press.
    Idle,
    /// Somebody should look at the camera.
    LookHere,
    /// Views are being taken.
    Working,
    /// It worked.
    Done,
    /// It did not work.
    No,
    /// There is no picture from the camera.
    Trouble,
    /// The button is being held: a withdrawal is coming.
    Withdrawing,
}

struct Pattern {
    signal: Signal,
    /// Milliseconds on, off, on, off, …
    segments: &'static [u64],
    repeats: bool,
}

const PATTERNS: [Pattern; 7] = [
    Pattern { signal: Signal::Idle, segments: &[60, 2940], repeats: true },
    Pattern { signal: Signal::LookHere, segments: &[500, 500], repeats: true },
    Pattern { signal: Signal::Working, segments: &[120, 120], repeats: true },
    Pattern { signal: Signal::Done, segments: &[2000], repeats: false },
    Pattern { signal: Signal::No, segments: &[150, 150, 150, 150, 150], repeats: false },
    Pattern { signal: Signal::Trouble, segments: &[100, 200, 100, 1600], repeats: true },
    Pattern { signal: Signal::Withdrawing, segments: &[900, 100], repeats: true },
];

impl Signal {
    fn pattern(self) -> &'static Pattern {
        PATTERNS.iter().find(|p| p.signal == self).expect("every signal has a row, as a test holds")
    }

    /// How long the signal takes to be said, or `None` for one that stays until another comes.
    pub fn lasts(self) -> Option<Duration> {
        let Pattern { segments, repeats, .. } = self.pattern();
        (!repeats).then(|| Duration::from_millis(segments.iter().sum()))
    }
}

/// Whether the light is on when `signal` began `elapsed` ago.
pub fn is_on(signal: Signal, elapsed: Duration) -> bool {
    at(signal, elapsed).0
}

/// How long the light then stays as it is; `None` when it stays dark.
pub fn until_change(signal: Signal, elapsed: Duration) -> Option<Duration> {
    at(signal, elapsed).1
}

fn at(signal: Signal, elapsed: Duration) -> (bool, Option<Duration>) {
    let Pattern { segments, repeats, .. } = signal.pattern();
    let total = u128::from(segments.iter().sum::<u64>()) * 1_000_000;
    let mut left = elapsed.as_nanos();
    if *repeats {
        left %= total;
    }
    for (i, segment) in segments.iter().enumerate() {
        let length = u128::from(*segment) * 1_000_000;
        if left < length {
            let rest = u64::try_from(length - left).expect("a segment is a few seconds");
            return (i % 2 == 0, Some(Duration::from_nanos(rest)));
        }
        left -= length;
    }
    (false, None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Signal; 7] = [
        Signal::Idle,
        Signal::LookHere,
        Signal::Working,
        Signal::Done,
        Signal::No,
        Signal::Trouble,
        Signal::Withdrawing,
    ];

    #[test]
    fn every_signal_has_a_row_and_no_two_look_alike() {
        for signal in ALL {
            assert!(is_on(signal, Duration::ZERO), "{signal:?} begins dark");
        }
        for (i, a) in PATTERNS.iter().enumerate() {
            assert!(!PATTERNS[i + 1..].iter().any(|b| a.segments == b.segments));
        }
    }

    #[test]
    fn the_documented_table_is_the_table() {
        let source = include_str!("light.rs");
        for (signal, name) in ALL.into_iter().zip([
            "idle",
            "look_here",
            "working",
            "done",
            "no",
            "trouble",
            "withdrawing",
        ]) {
            let Pattern { segments, repeats, .. } = signal.pattern();
            let said: Vec<_> = segments
                .iter()
                .enumerate()
                .map(|(i, ms)| {
                    format!("{} {} s", if i % 2 == 0 { "on" } else { "off" }, *ms as f64 / 1000.0)
                })
                .collect();
            let end = if *repeats { "again and again" } else { "then dark" };
            let row = format!("//! | `{name}` | {}, {end} |", said.join(", "));
            assert!(source.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_signal_that_ends_stays_dark() {
        let two = Duration::from_secs(2);
        assert!(is_on(Signal::Done, two - Duration::from_nanos(1)));
        assert!(!is_on(Signal::Done, two));
        assert_eq!(until_change(Signal::Done, two), None);
        assert_eq!(Signal::Done.lasts(), Some(two));
        assert_eq!(Signal::Idle.lasts(), None);
    }

    #[test]
    fn a_signal_that_stays_repeats_after_a_year() {
        let year = Duration::from_secs(3 * 10_000_000);
        assert!(
            is_on(Signal::Idle, year) && !is_on(Signal::Idle, year + Duration::from_millis(60))
        );
    }

    proptest! {
        #[test]
        fn the_light_changes_exactly_when_it_was_foretold(which in 0usize..7, ns in 0u64..10_000_000_000) {
            let (signal, elapsed) = (ALL[which], Duration::from_nanos(ns));
            let on = is_on(signal, elapsed);
            if let Some(rest) = until_change(signal, elapsed) {
                prop_assert_eq!(is_on(signal, elapsed + rest - Duration::from_nanos(1)), on);
                prop_assert_eq!(is_on(signal, elapsed + rest), !on);
            } else {
                prop_assert!(!on);
            }
        }
    }
}
