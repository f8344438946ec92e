//! From edges to presses.
//!
//! A change counts once the button has rested for the debounce time; it then counts from its first
//! edge. So a storm of bounces is one press, and a spike shorter than the debounce time is none.

use std::time::Duration;

use super::{Edge, Settings};

/// How long the button is down before it is clear that it is being held.
const HOLDING_AFTER: Duration = Duration::from_secs(1);

/// What somebody did with the button.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ButtonEvent {
    /// Released before the hold time.
    ShortPress,
    /// Pressed for one second; [`ButtonEvent::HoldCompleted`] follows unless it is released.
    HoldStarted,
    /// Released after [`ButtonEvent::HoldStarted`] and before the hold time; [`ButtonEvent::ShortPress`]
    /// follows.
    HoldAborted,
    /// Pressed for the hold time. The release reports no further event.
    HoldCompleted,
}

/// Makes presses of edges. Pure: time comes with the calls, on one clock that never goes back.
#[derive(Debug)]
pub struct PressDetector {
    debounce: Duration,
    hold: Duration,
    /// The level of the last edge, and when it was reached.
    level: bool,
    since: Duration,
    /// When the level first left the settled one, while it is not settled.
    left: Option<Duration>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Up,
    Down {
        since: Duration,
    },
    Holding {
        since: Duration,
    },
    /// Reported as held; waiting for the release.
    Held,
}

impl PressDetector {
    /// A detector for a button that is up.
    pub fn new(debounce: Duration, hold: Duration) -> Self {
        Self { debounce, hold, level: false, since: Duration::ZERO, left: None, state: State::Up }
    }

    /// A detector with the configured times.
    pub fn from_settings(settings: &Settings) -> Self {
        let hold = Duration::try_from_secs_f64(settings.hold_seconds).unwrap_or(Duration::MAX);
        Self::new(Duration::from_millis(settings.debounce_ms), hold)
    }

    /// Takes an edge, and says what had come to pass before it.
    pub fn edge(&mut self, edge: Edge) -> Vec<ButtonEvent> {
        let presses = self.advance(edge.at);
        if edge.pressed != self.level {
            self.level = edge.pressed;
            self.since = edge.at;
            // An edge back to the settled level does not forget the first departure: the button
            // may still be bouncing, and has to rest first.
            if edge.pressed != self.settled() {
                self.left.get_or_insert(edge.at);
            }
        }
        presses
    }

    /// Says what has come to pass up to `now` without a further edge.
    pub fn advance(&mut self, now: Duration) -> Vec<ButtonEvent> {
        let mut presses = Vec::new();
        if let Some(left) = self.left
            && now >= self.since.saturating_add(self.debounce)
        {
            self.left = None;
            if self.level != self.settled() {
                self.settle(left, &mut presses);
            }
        }
        // A release under way stops the clock at its first edge.
        self.hold_until(self.left.unwrap_or(now), &mut presses);
        presses
    }

    /// When [`PressDetector::advance`] next has something to say, if nothing happens before.
    pub fn deadline(&self) -> Option<Duration> {
        let settles = self.left.map(|_| self.since.saturating_add(self.debounce));
        let holds = match self.state {
            _ if self.left.is_some() => None,
            State::Down { since } => Some(since.saturating_add(self.holding_after())),
            State::Holding { since } => Some(since.saturating_add(self.hold)),
            State::Up | State::Held => None,
        };
        settles.or(holds)
    }

    fn holding_after(&self) -> Duration {
        HOLDING_AFTER.min(self.hold)
    }

    fn settled(&self) -> bool {
        self.state != State::Up
    }

    /// The other level has rested; it was first reached at `at`.
    fn settle(&mut self, at: Duration, presses: &mut Vec<ButtonEvent>) {
        self.hold_until(at, presses);
        self.state = match self.state {
            State::Up => State::Down { since: at },
            State::Down { .. } => {
                presses.push(ButtonEvent::ShortPress);
                State::Up
            }
            State::Holding { .. } => {
                presses.extend([ButtonEvent::HoldAborted, ButtonEvent::ShortPress]);
                State::Up
            }
            State::Held => State::Up,
        };
    }

    /// The button was certainly down until `now`, if it was down.
    fn hold_until(&mut self, now: Duration, presses: &mut Vec<ButtonEvent>) {
        if let State::Down { since } = self.state
            && now >= since.saturating_add(self.holding_after())
        {
            presses.push(ButtonEvent::HoldStarted);
            self.state = State::Holding { since };
        }
        if let State::Holding { since } = self.state
            && now >= since.saturating_add(self.hold)
        {
            presses.push(ButtonEvent::HoldCompleted);
            self.state = State::Held;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn detector() -> PressDetector {
        PressDetector::new(ms(20), ms(5_000))
    }

    /// Feeds edges at alternating levels, beginning with a press, and lets `rest` pass.
    fn play(edges: impl IntoIterator<Item = Duration>, rest: Duration) -> Vec<ButtonEvent> {
        let mut detector = detector();
        let (mut presses, mut pressed, mut now) = (Vec::new(), true, Duration::ZERO);
        for at in edges {
            presses.extend(detector.edge(Edge { pressed, at }));
            pressed = !pressed;
            now = at;
        }
        presses.extend(detector.advance(now + rest));
        presses
    }

    #[test]
    fn a_short_press_is_reported_on_release() {
        let mut detector = detector();
        assert!(detector.edge(Edge { pressed: true, at: ms(100) }).is_empty());
        assert!(detector.advance(ms(400)).is_empty());
        assert!(detector.edge(Edge { pressed: false, at: ms(500) }).is_empty());
        assert_eq!(detector.deadline(), Some(ms(520)));
        assert!(detector.advance(ms(519)).is_empty());
        assert_eq!(detector.advance(ms(520)), [ButtonEvent::ShortPress]);
        assert_eq!((detector.deadline(), detector.advance(ms(90_000))), (None, vec![]));
    }

    #[test]
    fn a_hold_is_reported_while_the_button_is_down_and_only_once() {
        let mut detector = detector();
        detector.edge(Edge { pressed: true, at: ms(100) });
        assert_eq!(detector.advance(ms(120)), []);
        assert_eq!(detector.deadline(), Some(ms(1_100)));
        assert_eq!(detector.advance(ms(1_100)), [ButtonEvent::HoldStarted]);
        assert_eq!(detector.deadline(), Some(ms(5_100)));
        assert_eq!(detector.advance(ms(5_099)), []);
        assert_eq!(detector.advance(ms(5_100)), [ButtonEvent::HoldCompleted]);
        assert_eq!(detector.edge(Edge { pressed: false, at: ms(7_000) }), []);
        assert_eq!(detector.advance(ms(8_000)), []);
    }

    #[test]
    fn the_limit_of_a_hold_is_kept_to_the_millisecond_though_both_ends_bounce() {
        // 201 edges within 30 ms; what counts is the first.
        let storm = |from: u64| (0..201).map(move |i| ms(from) + us(i * 150));
        let let_go = [ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress];
        let held = [ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted];
        for (for_ms, expected) in
            [(4_900, &let_go[..]), (4_999, &let_go), (5_000, &held), (5_100, &held)]
        {
            assert_eq!(play([ms(100), ms(100 + for_ms)], ms(100)), expected, "{for_ms} ms");
            let bouncing = storm(100).chain(storm(100 + for_ms));
            assert_eq!(play(bouncing, ms(100)), expected, "{for_ms} ms, bouncing");
            let begun_bouncing = storm(100).chain([ms(100 + for_ms)]);
            assert_eq!(play(begun_bouncing, ms(100)), expected, "{for_ms} ms, bouncing at first");
        }
    }

    #[test]
    fn letting_go_after_the_warning_cancels_it() {
        let presses = play([ms(100), ms(3_000)], ms(100));
        assert_eq!(
            presses,
            [ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress]
        );
    }

    #[test]
    fn two_hundred_bounces_in_thirty_milliseconds_are_one_press() {
        let storm = |from: u64| (0..201).map(move |i| ms(from) + us(i * 150));
        assert_eq!(play(storm(100).chain(storm(600)), ms(100)), [ButtonEvent::ShortPress]);
        assert_eq!(
            play(storm(100), ms(6_000)),
            [ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]
        );
    }

    #[test]
    fn a_spike_is_no_press_and_a_dropout_is_no_release() {
        assert_eq!(play([ms(100), ms(105)], ms(9_000)), []);
        assert_eq!(
            play([ms(100), ms(2_000), ms(2_010)], ms(4_000)),
            [ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]
        );
    }

    #[test]
    fn a_release_that_rests_after_the_hold_time_came_before_it() {
        // Let go 10 ms early, with the debounce time ending 10 ms late.
        assert_eq!(
            play([ms(0), ms(4_990)], ms(20)),
            [ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress]
        );
    }

    #[test]
    fn edges_that_were_read_late_count_by_their_stamps() {
        let mut detector = detector();
        let mut presses = detector.edge(Edge { pressed: true, at: ms(1_000) });
        presses.extend(detector.edge(Edge { pressed: false, at: ms(1_300) }));
        presses.extend(detector.advance(ms(60_000)));
        assert_eq!(presses, [ButtonEvent::ShortPress]);
    }

    #[test]
    fn a_release_of_a_button_that_was_down_at_the_start_is_nothing() {
        let mut detector = detector();
        assert_eq!(detector.edge(Edge { pressed: false, at: ms(50) }), []);
        assert_eq!(detector.advance(ms(9_000)), []);
    }

    proptest! {
        /// Clean presses with a storm at each edge are as many presses, each of its own kind.
        #[test]
        fn every_press_counts_once_however_it_bounces(
            presses in prop::collection::vec((100u64..8_000, 100u64..3_000, 0usize..40, 1u64..700), 1..6),
        ) {
            let (mut edges, mut expected, mut now) = (Vec::new(), Vec::new(), ms(10));
            for (down, up, bounces, gap) in presses {
                for length in [down, up] {
                    // 2 x bounces + 1 edges, at most 57 ms in all.
                    edges.extend((0..=2 * bounces as u64).map(|i| now + us(i * gap)));
                    now += ms(length);
                }
                match down {
                    ..1_000 => expected.push(ButtonEvent::ShortPress),
                    1_000..5_000 => {
                        expected.extend([ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress]);
                    }
                    _ => expected.extend([ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]),
                }
            }
            prop_assert_eq!(play(edges, ms(100)), expected);
        }

        /// Whatever edges come, reports are well formed, and asking more often changes nothing.
        #[test]
        fn reports_do_not_depend_on_how_often_one_asks(
            gaps in prop::collection::vec(0u64..1_500, 0..60),
            step in 1u64..400,
        ) {
            let mut at = Duration::ZERO;
            let edges: Vec<_> = gaps.into_iter().map(|gap| { at += ms(gap); at }).collect();
            let lazily = play(edges.iter().copied(), ms(7_000));

            let mut detector = detector();
            let (mut eagerly, mut pressed, mut now) = (Vec::new(), true, Duration::ZERO);
            for at in edges {
                while now + ms(step) < at {
                    now += ms(step);
                    eagerly.extend(detector.advance(now));
                }
                eagerly.extend(detector.edge(Edge { pressed, at }));
                (pressed, now) = (!pressed, at);
            }
            let end = now + ms(7_000);
            while let Some(deadline) = detector.deadline().filter(|d| *d <= end) {
                eagerly.extend(detector.advance(deadline));
            }
            prop_assert_eq!(&eagerly, &lazily);

            let mut holding = false;
            for press in lazily {
                match press {
                    ButtonEvent::HoldStarted => prop_assert!(!std::mem::replace(&mut holding, true)),
                    ButtonEvent::HoldAborted | ButtonEvent::HoldCompleted => {
                        prop_assert!(std::mem::replace(&mut holding, false));
                    }
                    ButtonEvent::ShortPress => prop_assert!(!holding),
                }
            }
        }
    }
}
