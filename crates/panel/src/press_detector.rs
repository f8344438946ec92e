//! Button events from edges.
//!
//! A new level counts once it lasted for the debounce time; it then counts from its first edge. A storm
//! of bounces is therefore one press, and a spike shorter than the debounce time is none.

use std::time::Duration;

use crate::{Edge, Settings};

/// Time after which a press is reported as the start of a hold.
const HOLD_WARNING_DELAY: Duration = Duration::from_secs(1);

/// An event of the button.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ButtonEvent {
    /// Released before the hold time.
    ShortPress,
    /// Pressed for one second; [`ButtonEvent::HoldCompleted`] follows unless it is released.
    HoldStarted,
    /// Released after [`ButtonEvent::HoldStarted`] and before the hold time. A
    /// [`ButtonEvent::ShortPress`] follows, unless the button was lost.
    HoldAborted,
    /// Pressed for the hold time. The release reports no further event.
    HoldCompleted,
}

/// Converter from edges to button events. It is pure: each call brings its time, on one clock that
/// never goes back.
#[derive(Debug)]
pub struct PressDetector {
    debounce: Duration,
    hold: Duration,
    /// Level after the latest edge: true if pressed.
    level: bool,
    /// Time of the latest edge that changed the level.
    changed: Duration,
    /// Time of the first edge away from the settled level; `None` while the level is settled.
    departed: Option<Duration>,
    state: State,
}

/// Settled state of the button.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Released.
    Released,
    /// Pressed since this time.
    Pressed { since: Duration },
    /// Pressed since this time; the hold was reported as started.
    Holding { since: Duration },
    /// Reported as held; waits for the release.
    Held,
}

impl PressDetector {
    /// Creates a detector for a released button.
    pub fn new(debounce: Duration, hold: Duration) -> Self {
        Self {
            debounce,
            hold,
            level: false,
            changed: Duration::ZERO,
            departed: None,
            state: State::Released,
        }
    }

    /// Creates a detector with the configured times.
    pub fn from_settings(settings: &Settings) -> Self {
        let hold = Duration::try_from_secs_f64(settings.hold_seconds).unwrap_or(Duration::MAX);
        Self::new(Duration::from_millis(settings.debounce_ms), hold)
    }

    /// Adds an edge; returns the events before it.
    pub fn edge(&mut self, edge: Edge) -> Vec<ButtonEvent> {
        let events = self.advance(edge.at);
        if edge.is_pressed != self.level {
            self.level = edge.is_pressed;
            self.changed = edge.at;
            // An edge back to the settled level keeps the first departure: the button may still be
            // bouncing.
            if edge.is_pressed != self.settled_level() {
                self.departed.get_or_insert(edge.at);
            }
        }
        events
    }

    /// Returns the events up to `now`, given that no further edge came.
    pub fn advance(&mut self, now: Duration) -> Vec<ButtonEvent> {
        let mut events = Vec::new();
        if let Some(departed) = self.departed
            && now >= self.changed.saturating_add(self.debounce)
        {
            self.departed = None;
            if self.level != self.settled_level() {
                self.settle(departed, &mut events);
            }
        }
        // A release that has not settled yet ends the hold at its first edge.
        self.hold_until(self.departed.unwrap_or(now), &mut events);
        events
    }

    /// Returns the time of the next event of [`PressDetector::advance`], if no edge comes before.
    pub fn deadline(&self) -> Option<Duration> {
        let settles = self.departed.map(|_| self.changed.saturating_add(self.debounce));
        let holds = match self.state {
            _ if self.departed.is_some() => None,
            State::Pressed { since } => Some(since.saturating_add(self.hold_warning_delay())),
            State::Holding { since } => Some(since.saturating_add(self.hold)),
            State::Released | State::Held => None,
        };
        settles.or(holds)
    }

    /// Discards a press in progress, after edges were lost: a release that was not read must not become
    /// a hold. Returns [`ButtonEvent::HoldAborted`] if the hold was reported as started.
    pub fn reset(&mut self) -> Option<ButtonEvent> {
        let is_holding = matches!(self.state, State::Holding { .. });
        *self = Self::new(self.debounce, self.hold);
        is_holding.then_some(ButtonEvent::HoldAborted)
    }

    /// Returns the time after which a press is reported as the start of a hold.
    fn hold_warning_delay(&self) -> Duration {
        HOLD_WARNING_DELAY.min(self.hold)
    }

    /// Returns the settled level: true if pressed.
    fn settled_level(&self) -> bool {
        self.state != State::Released
    }

    /// Changes the settled level, which was left at `at`.
    fn settle(&mut self, at: Duration, events: &mut Vec<ButtonEvent>) {
        self.hold_until(at, events);
        self.state = match self.state {
            State::Released => State::Pressed { since: at },
            State::Pressed { .. } => {
                events.push(ButtonEvent::ShortPress);
                State::Released
            }
            State::Holding { .. } => {
                events.extend([ButtonEvent::HoldAborted, ButtonEvent::ShortPress]);
                State::Released
            }
            State::Held => State::Released,
        };
    }

    /// Reports the progress of a hold, given that the button was pressed until `now`.
    fn hold_until(&mut self, now: Duration, events: &mut Vec<ButtonEvent>) {
        if let State::Pressed { since } = self.state
            && now >= since.saturating_add(self.hold_warning_delay())
        {
            events.push(ButtonEvent::HoldStarted);
            self.state = State::Holding { since };
        }
        if let State::Holding { since } = self.state
            && now >= since.saturating_add(self.hold)
        {
            events.push(ButtonEvent::HoldCompleted);
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

    /// Feeds edges at alternating levels, starting with a press, and advances by `rest`.
    fn play(edges: impl IntoIterator<Item = Duration>, rest: Duration) -> Vec<ButtonEvent> {
        let mut detector = detector();
        let (mut events, mut is_pressed, mut now) = (Vec::new(), true, Duration::ZERO);
        for at in edges {
            events.extend(detector.edge(Edge { is_pressed, at }));
            is_pressed = !is_pressed;
            now = at;
        }
        events.extend(detector.advance(now + rest));
        events
    }

    #[test]
    fn short_press_is_reported_on_release() {
        let mut detector = detector();
        assert!(detector.edge(Edge { is_pressed: true, at: ms(100) }).is_empty());
        assert!(detector.advance(ms(400)).is_empty());
        assert!(detector.edge(Edge { is_pressed: false, at: ms(500) }).is_empty());
        assert_eq!(detector.deadline(), Some(ms(520)));
        assert!(detector.advance(ms(519)).is_empty());
        assert_eq!(detector.advance(ms(520)), [ButtonEvent::ShortPress]);
        assert_eq!((detector.deadline(), detector.advance(ms(90_000))), (None, vec![]));
    }

    #[test]
    fn hold_is_reported_once_while_the_button_is_pressed() {
        let mut detector = detector();
        detector.edge(Edge { is_pressed: true, at: ms(100) });
        assert_eq!(detector.advance(ms(120)), []);
        assert_eq!(detector.deadline(), Some(ms(1_100)));
        assert_eq!(detector.advance(ms(1_100)), [ButtonEvent::HoldStarted]);
        assert_eq!(detector.deadline(), Some(ms(5_100)));
        assert_eq!(detector.advance(ms(5_099)), []);
        assert_eq!(detector.advance(ms(5_100)), [ButtonEvent::HoldCompleted]);
        assert_eq!(detector.edge(Edge { is_pressed: false, at: ms(7_000) }), []);
        assert_eq!(detector.advance(ms(8_000)), []);
    }

    #[test]
    fn hold_time_is_exact_to_the_millisecond_despite_bounces() {
        // 201 edges within 30 ms; the first one counts.
        let storm = |from: u64| (0..201).map(move |i| ms(from) + us(i * 150));
        let aborted = [ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress];
        let held = [ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted];
        for (for_ms, expected) in
            [(4_900, &aborted[..]), (4_999, &aborted), (5_000, &held), (5_100, &held)]
        {
            assert_eq!(play([ms(100), ms(100 + for_ms)], ms(100)), expected, "{for_ms} ms");
            let bouncing = storm(100).chain(storm(100 + for_ms));
            assert_eq!(play(bouncing, ms(100)), expected, "{for_ms} ms, bouncing");
            let starts_bouncing = storm(100).chain([ms(100 + for_ms)]);
            assert_eq!(
                play(starts_bouncing, ms(100)),
                expected,
                "{for_ms} ms, bouncing at the start"
            );
        }
    }

    #[test]
    fn release_after_hold_start_aborts_the_hold() {
        let events = play([ms(100), ms(3_000)], ms(100));
        assert_eq!(
            events,
            [ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress]
        );
    }

    #[test]
    fn two_hundred_bounces_in_30_ms_are_one_press() {
        let storm = |from: u64| (0..201).map(move |i| ms(from) + us(i * 150));
        assert_eq!(play(storm(100).chain(storm(600)), ms(100)), [ButtonEvent::ShortPress]);
        assert_eq!(
            play(storm(100), ms(6_000)),
            [ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]
        );
    }

    #[test]
    fn spike_is_no_press_and_dropout_is_no_release() {
        assert_eq!(play([ms(100), ms(105)], ms(9_000)), []);
        assert_eq!(
            play([ms(100), ms(2_000), ms(2_010)], ms(4_000)),
            [ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]
        );
    }

    #[test]
    fn release_before_the_hold_time_counts_if_it_settles_after() {
        // Released 10 ms before the hold time; the debounce time ends 10 ms after it.
        assert_eq!(
            play([ms(0), ms(4_990)], ms(20)),
            [ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress]
        );
    }

    #[test]
    fn edges_read_late_count_by_their_time_stamps() {
        let mut detector = detector();
        let mut events = detector.edge(Edge { is_pressed: true, at: ms(1_000) });
        events.extend(detector.edge(Edge { is_pressed: false, at: ms(1_300) }));
        events.extend(detector.advance(ms(60_000)));
        assert_eq!(events, [ButtonEvent::ShortPress]);
    }

    #[test]
    fn release_of_a_button_pressed_at_start_is_ignored() {
        let mut detector = detector();
        assert_eq!(detector.edge(Edge { is_pressed: false, at: ms(50) }), []);
        assert_eq!(detector.advance(ms(9_000)), []);
    }

    #[test]
    fn reset_discards_a_press_whose_release_was_lost() {
        let mut detector = detector();
        detector.edge(Edge { is_pressed: true, at: ms(100) });
        assert_eq!(detector.reset(), None);
        assert_eq!((detector.deadline(), detector.advance(ms(9_000))), (None, vec![]));

        detector.edge(Edge { is_pressed: true, at: ms(10_000) });
        assert_eq!(detector.advance(ms(12_000)), [ButtonEvent::HoldStarted]);
        assert_eq!(detector.reset(), Some(ButtonEvent::HoldAborted));
        assert_eq!(detector.advance(ms(90_000)), []);
    }

    proptest! {
        /// Presses with bounces at each edge give the events of the same presses without bounces.
        #[test]
        fn every_bouncing_press_counts_once(
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

        /// Checks that the events are well formed, and do not depend on how often they are polled.
        #[test]
        fn events_do_not_depend_on_the_polling_interval(
            gaps in prop::collection::vec(0u64..1_500, 0..60),
            step in 1u64..400,
        ) {
            let mut at = Duration::ZERO;
            let edges: Vec<_> = gaps.into_iter().map(|gap| { at += ms(gap); at }).collect();
            let lazily = play(edges.iter().copied(), ms(7_000));

            let mut detector = detector();
            let (mut eagerly, mut is_pressed, mut now) = (Vec::new(), true, Duration::ZERO);
            for at in edges {
                while now + ms(step) < at {
                    now += ms(step);
                    eagerly.extend(detector.advance(now));
                }
                eagerly.extend(detector.edge(Edge { is_pressed, at }));
                (is_pressed, now) = (!is_pressed, at);
            }
            let end = now + ms(7_000);
            while let Some(deadline) = detector.deadline().filter(|d| *d <= end) {
                eagerly.extend(detector.advance(deadline));
            }
            prop_assert_eq!(&eagerly, &lazily);

            let mut is_holding = false;
            for event in lazily {
                match event {
                    ButtonEvent::HoldStarted => prop_assert!(!std::mem::replace(&mut is_holding, true)),
                    ButtonEvent::HoldAborted | ButtonEvent::HoldCompleted => {
                        prop_assert!(std::mem::replace(&mut is_holding, false));
                    }
                    ButtonEvent::ShortPress => prop_assert!(!is_holding),
                }
            }
        }
    }
}
