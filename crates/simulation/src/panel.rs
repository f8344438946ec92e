//! Simulated button and status LED, controlled by a [`PanelHandle`].

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use instored_panel::{Button, Edge, PanelError, StatusLed};

/// Time source of a simulated button.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Time);

/// Real or simulated time.
#[derive(Clone, Copy, Debug)]
enum Time {
    Real(Instant),
    Stepped(Duration),
}

impl Clock {
    /// Creates a clock of real time.
    pub fn real() -> Self {
        Self(Time::Real(Instant::now()))
    }

    /// Creates a clock that only [`Button::wait`] and [`PanelHandle::advance`] advance, without delay.
    pub fn stepped() -> Self {
        Self(Time::Stepped(Duration::ZERO))
    }

    /// Returns the time since the clock started.
    fn now(self) -> Duration {
        match self.0 {
            Time::Real(started) => started.elapsed(),
            Time::Stepped(now) => now,
        }
    }
}

/// State that the button, the LED and the handle share.
#[derive(Debug)]
struct State {
    clock: Clock,
    is_pressed: bool,
    /// Edges that are not delivered yet; their times may be in the future.
    edges: VecDeque<Edge>,
    /// Changes of the LED: time, and true if the LED was turned on.
    led_changes: Vec<(Duration, bool)>,
}

/// Shared state with a signal for its changes.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// Locks the state.
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change of the state is a single step, so the state is valid even if a thread panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a button, an LED, and the handle that controls both.
pub fn panel(clock: Clock) -> (SimulatedButton, SimulatedLed, PanelHandle) {
    let state = State { clock, is_pressed: false, edges: VecDeque::new(), led_changes: Vec::new() };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
    (SimulatedButton(shared.clone()), SimulatedLed(shared.clone()), PanelHandle(shared))
}

/// Handle that presses a [`SimulatedButton`] and reads a [`SimulatedLed`], from any thread.
#[derive(Clone, Debug)]
pub struct PanelHandle(Arc<Shared>);

impl PanelHandle {
    /// Presses the button until [`PanelHandle::release`].
    pub fn press(&self) {
        self.set_pressed(true);
    }

    /// Releases the button.
    pub fn release(&self) {
        self.set_pressed(false);
    }

    /// Presses the button now, and releases it after `length`; returns at once.
    pub fn hold(&self, length: Duration) {
        let mut state = self.0.lock();
        let at = state.clock.now();
        state.edges.push_back(Edge { is_pressed: true, at });
        state.edges.push_back(Edge { is_pressed: false, at: at.saturating_add(length) });
        state.is_pressed = false;
        self.0.changed.notify_all();
    }

    /// Advances a stepped clock; has no effect on real time.
    pub fn advance(&self, length: Duration) {
        let mut state = self.0.lock();
        if let Clock(Time::Stepped(now)) = &mut state.clock {
            *now = now.saturating_add(length);
        }
        self.0.changed.notify_all();
    }

    /// Returns true if the LED is on.
    pub fn is_lit(&self) -> bool {
        self.0.lock().led_changes.last().is_some_and(|(_, is_lit)| *is_lit)
    }

    /// Returns all changes of the LED: time on the button's clock, and true if the LED was turned on.
    pub fn led_changes(&self) -> Vec<(Duration, bool)> {
        self.0.lock().led_changes.clone()
    }

    /// Presses or releases the button; adds an edge if this changes its state.
    fn set_pressed(&self, is_pressed: bool) {
        let mut state = self.0.lock();
        if state.is_pressed != is_pressed {
            state.is_pressed = is_pressed;
            let at = state.clock.now();
            state.edges.push_back(Edge { is_pressed, at });
            self.0.changed.notify_all();
        }
    }
}

/// Button that a [`PanelHandle`] presses.
#[derive(Debug)]
pub struct SimulatedButton(Arc<Shared>);

impl Button for SimulatedButton {
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError> {
        let mut state = self.0.lock();
        let deadline = state.clock.now().saturating_add(timeout);
        loop {
            let next = state.edges.front().map(|edge| edge.at);
            let now = state.clock.now();
            if next.is_some_and(|at| at <= now) {
                return Ok(state.edges.pop_front());
            }
            if now >= deadline {
                return Ok(None);
            }
            let until = next.unwrap_or(deadline).min(deadline);
            if let Clock(Time::Stepped(now)) = &mut state.clock {
                *now = until;
            } else {
                state = self
                    .0
                    .changed
                    .wait_timeout(state, until - now)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }

    fn now(&self) -> Duration {
        self.0.lock().clock.now()
    }
}

/// LED that a [`PanelHandle`] reads.
#[derive(Debug)]
pub struct SimulatedLed(Arc<Shared>);

impl StatusLed for SimulatedLed {
    fn set(&mut self, is_lit: bool) -> Result<(), PanelError> {
        let mut state = self.0.lock();
        let now = state.clock.now();
        if state.led_changes.last().map_or(is_lit, |(_, was_lit)| *was_lit != is_lit) {
            state.led_changes.push((now, is_lit));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use instored_panel::{ButtonEvent, PressDetector};

    use super::*;

    fn button_events(mut button: SimulatedButton, length: Duration) -> Vec<ButtonEvent> {
        let mut detector = PressDetector::new(Duration::from_millis(20), Duration::from_secs(5));
        let (mut events, end) = (Vec::new(), button.now() + length);
        while button.now() < end {
            let next = detector.deadline().unwrap_or(end).min(end);
            match button.wait(next.saturating_sub(button.now())).unwrap() {
                Some(edge) => events.extend(detector.edge(edge)),
                None => events.extend(detector.advance(button.now())),
            }
        }
        events
    }

    #[test]
    fn stepped_button_is_held_without_delay() {
        let (button, _, handle) = panel(Clock::stepped());
        handle.hold(Duration::from_millis(200));
        handle.advance(Duration::from_secs(1));
        handle.hold(Duration::from_secs(6));
        let events = button_events(button, Duration::from_secs(10));
        assert_eq!(
            events,
            [ButtonEvent::ShortPress, ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]
        );
    }

    #[test]
    fn press_wakes_a_waiting_thread() {
        let (mut button, _, handle) = panel(Clock::real());
        let waiting = std::thread::spawn(move || button.wait(Duration::from_secs(30)));
        handle.press();
        let edge = waiting.join().unwrap().unwrap();
        assert!(edge.is_some_and(|edge| edge.is_pressed));
    }

    #[test]
    fn repeated_press_adds_one_edge() {
        let (mut button, _, handle) = panel(Clock::stepped());
        handle.press();
        handle.press();
        handle.release();
        let states: Vec<_> = std::iter::from_fn(|| button.wait(Duration::ZERO).unwrap())
            .map(|edge| edge.is_pressed)
            .collect();
        assert_eq!(states, [true, false]);
    }

    #[test]
    fn led_changes_are_recorded_with_their_times() {
        let (_, mut led, handle) = panel(Clock::stepped());
        for (is_lit, length) in [(false, 1), (true, 2), (true, 3), (false, 1)] {
            led.set(is_lit).unwrap();
            handle.advance(Duration::from_secs(length));
        }
        let at = Duration::from_secs;
        assert_eq!(handle.led_changes(), [(at(1), true), (at(6), false)]);
        assert!(!handle.is_lit());
    }
}
