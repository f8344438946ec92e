//! Conversion of edges into button events.
//!
//! A change is accepted after the debounce time without a further change, and dated to its first edge.
//! Bouncing contacts therefore cause one press. A spike shorter than the debounce time causes no press.

use std::time::Duration;

use crate::{Edge, Settings};

/// Time after which a press is reported as the start of a hold.
const HOLD_WARNING_DELAY: Duration = Duration::from_secs(1);

/// An event of the button.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ButtonEvent {
    /// The button was released before the hold time.
    ShortPress,
    /// The button has been pressed for one second. [`ButtonEvent::HoldCompleted`] follows if it stays
    /// pressed.
    HoldStarted,
    /// The button was released or lost after [`ButtonEvent::HoldStarted`] and before the hold time.
    /// After a release, [`ButtonEvent::ShortPress`] follows.
    HoldAborted,
    /// The button has been pressed for the hold time. Its release causes no event.
    HoldCompleted,
}

/// Converter from edges to button events. It reads no clock: each call passes the time, which never
/// decreases.
#[derive(Debug)]
pub struct PressDetector {
    debounce: Duration,
    hold: Duration,
    /// True if the button is pressed after the latest edge, before debouncing.
    is_pressed: bool,
    /// Time of the latest edge that changed `is_pressed`.
    last_change: Duration,
    /// Time of the first edge of a change that is not accepted yet; `None` if there is none.
    change_start: Option<Duration>,
    state: State,
}

/// Debounced state of the button.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The button is released.
    Released,
    /// The button is pressed since `since`.
    Pressed { since: Duration },
    /// The button is pressed since `since`, and the start of the hold was reported.
    Holding { since: Duration },
    /// The hold was reported as completed, and the button is still pressed.
    Held,
}

impl PressDetector {
    /// Creates a detector for a released button.
    pub fn new(debounce: Duration, hold: Duration) -> Self {
        Self {
            debounce,
            hold,
            is_pressed: false,
            last_change: Duration::ZERO,
            change_start: None,
            state: State::Released,
        }
    }

    /// Creates a detector with the configured times.
    pub fn from_settings(settings: &Settings) -> Self {
        let hold = Duration::try_from_secs_f64(settings.hold_seconds).unwrap_or(Duration::MAX);
        Self::new(Duration::from_millis(settings.debounce_ms), hold)
    }

    /// Processes an edge; returns the events up to its time.
    pub fn edge(&mut self, edge: Edge) -> Vec<ButtonEvent> {
        let events = self.advance(edge.at);
        if edge.is_pressed != self.is_pressed {
            self.is_pressed = edge.is_pressed;
            self.last_change = edge.at;
            // An edge back to the debounced state keeps `change_start`, because the contacts may
            // still bounce.
            if edge.is_pressed != self.is_debounced_pressed() {
                self.change_start.get_or_insert(edge.at);
            }
        }
        events
    }

    /// Returns the events up to `now`, if no further edge occurred.
    pub fn advance(&mut self, now: Duration) -> Vec<ButtonEvent> {
        let mut events = Vec::new();
        if let Some(change_start) = self.change_start
            && now >= self.last_change.saturating_add(self.debounce)
        {
            self.change_start = None;
            if self.is_pressed != self.is_debounced_pressed() {
                self.accept_change(change_start, &mut events);
            }
        }
        // A release that is not accepted yet already ends the hold, at its first edge.
        self.report_hold(self.change_start.unwrap_or(now), &mut events);
        events
    }

    /// Returns the time at which [`PressDetector::advance`] is due, if no edge occurs before.
    pub fn deadline(&self) -> Option<Duration> {
        let debounce_end =
            self.change_start.map(|_| self.last_change.saturating_add(self.debounce));
        let hold_step = match self.state {
            _ if self.change_start.is_some() => None,
            State::Pressed { since } => Some(since.saturating_add(self.hold_warning_delay())),
            State::Holding { since } => Some(since.saturating_add(self.hold)),
            State::Released | State::Held => None,
        };
        debounce_end.or(hold_step)
    }

    /// Discards a press in progress after a loss of edges, because a press with a lost release must
    /// not become a hold. Returns [`ButtonEvent::HoldAborted`] if a hold has started.
    pub fn reset(&mut self) -> Option<ButtonEvent> {
        let is_holding = matches!(self.state, State::Holding { .. });
        *self = Self::new(self.debounce, self.hold);
        is_holding.then_some(ButtonEvent::HoldAborted)
    }

    /// Returns the time after which a press is reported as the start of a hold.
    fn hold_warning_delay(&self) -> Duration {
        HOLD_WARNING_DELAY.min(self.hold)
    }

    /// Returns true if the button is pressed in the debounced state.
    fn is_debounced_pressed(&self) -> bool {
        self.state != State::Released
    }

    /// Changes the debounced state. The change started at `at`.
    fn accept_change(&mut self, at: Duration, events: &mut Vec<ButtonEvent>) {
        self.report_hold(at, events);
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

    /// Reports the progress of a hold up to `now`, if the button was pressed until then.
    fn report_hold(&mut self, now: Duration, events: &mut Vec<ButtonEvent>) {
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

    /// Returns the events of alternating presses and releases, until `rest` after the last edge.
    fn events_of(edges: impl IntoIterator<Item = Duration>, rest: Duration) -> Vec<ButtonEvent> {
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
    fn hold_is_reported_once_during_a_press() {
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
        // 201 edges within 30 ms. The first edge counts.
        let bounces_from = |from: u64| (0..201).map(move |i| ms(from) + us(i * 150));
        let aborted = [ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress];
        let held = [ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted];
        for (hold_ms, expected) in
            [(4_900, &aborted[..]), (4_999, &aborted), (5_000, &held), (5_100, &held)]
        {
            assert_eq!(events_of([ms(100), ms(100 + hold_ms)], ms(100)), expected, "{hold_ms} ms");
            let bouncing = bounces_from(100).chain(bounces_from(100 + hold_ms));
            assert_eq!(events_of(bouncing, ms(100)), expected, "{hold_ms} ms, bouncing");
            let only_start_bouncing = bounces_from(100).chain([ms(100 + hold_ms)]);
            assert_eq!(
                events_of(only_start_bouncing, ms(100)),
                expected,
                "{hold_ms} ms, bouncing at the start"
            );
        }
    }

    #[test]
    fn release_after_hold_start_aborts_hold() {
        let events = events_of([ms(100), ms(3_000)], ms(100));
        assert_eq!(
            events,
            [ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress]
        );
    }

    #[test]
    fn two_hundred_bounces_in_30_ms_are_one_press() {
        let bounces_from = |from: u64| (0..201).map(move |i| ms(from) + us(i * 150));
        assert_eq!(
            events_of(bounces_from(100).chain(bounces_from(600)), ms(100)),
            [ButtonEvent::ShortPress]
        );
        assert_eq!(
            events_of(bounces_from(100), ms(6_000)),
            [ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]
        );
    }

    #[test]
    fn spike_is_no_press_and_dropout_is_no_release() {
        assert_eq!(events_of([ms(100), ms(105)], ms(9_000)), []);
        assert_eq!(
            events_of([ms(100), ms(2_000), ms(2_010)], ms(4_000)),
            [ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]
        );
    }

    #[test]
    fn release_is_dated_before_the_debounce_time() {
        // The release is 10 ms before the hold time, and the debounce time ends 10 ms after it.
        assert_eq!(
            events_of([ms(0), ms(4_990)], ms(20)),
            [ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress]
        );
    }

    #[test]
    fn late_read_edges_are_dated_by_their_time_stamps() {
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
        /// Checks that bounces at each edge do not change the events of the presses.
        #[test]
        fn every_bouncing_press_counts_once(
            presses in prop::collection::vec((100u64..8_000, 100u64..3_000, 0usize..40, 1u64..700), 1..6),
        ) {
            let (mut edges, mut expected, mut now) = (Vec::new(), Vec::new(), ms(10));
            for (pressed_ms, released_ms, bounces, gap_us) in presses {
                for length_ms in [pressed_ms, released_ms] {
                    // 2 × bounces + 1 edges, at most 57 ms in all.
                    edges.extend((0..=2 * bounces as u64).map(|i| now + us(i * gap_us)));
                    now += ms(length_ms);
                }
                match pressed_ms {
                    ..1_000 => expected.push(ButtonEvent::ShortPress),
                    1_000..5_000 => {
                        expected.extend([ButtonEvent::HoldStarted, ButtonEvent::HoldAborted, ButtonEvent::ShortPress]);
                    }
                    _ => expected.extend([ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]),
                }
            }
            prop_assert_eq!(events_of(edges, ms(100)), expected);
        }

        /// Checks that the sequence of events is valid, and does not depend on the polling interval.
        #[test]
        fn events_do_not_depend_on_the_polling_interval(
            gaps_ms in prop::collection::vec(0u64..1_500, 0..60),
            interval_ms in 1u64..400,
        ) {
            let mut at = Duration::ZERO;
            let edges: Vec<_> = gaps_ms.into_iter().map(|gap| { at += ms(gap); at }).collect();
            let unpolled = events_of(edges.iter().copied(), ms(7_000));

            let mut detector = detector();
            let (mut polled, mut is_pressed, mut now) = (Vec::new(), true, Duration::ZERO);
            for at in edges {
                while now + ms(interval_ms) < at {
                    now += ms(interval_ms);
                    polled.extend(detector.advance(now));
                }
                polled.extend(detector.edge(Edge { is_pressed, at }));
                (is_pressed, now) = (!is_pressed, at);
            }
            let end = now + ms(7_000);
            while let Some(deadline) = detector.deadline().filter(|d| *d <= end) {
                polled.extend(detector.advance(deadline));
            }
            prop_assert_eq!(&polled, &unpolled);

            let mut is_holding = false;
            for event in unpolled {
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
