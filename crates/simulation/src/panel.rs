//! A button that a program presses, and lights without a lamp.
//!
//! The demonstration and the tests are made of these.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use instored_panel::{Button, Edge, PanelError, StatusLed};

/// The time a simulated button lives in.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Time);

#[derive(Clone, Copy, Debug)]
enum Time {
    Real(Instant),
    Stepped(Duration),
}

impl Clock {
    /// Time as it passes.
    pub fn real() -> Self {
        Self(Time::Real(Instant::now()))
    }

    /// Time that passes only while somebody waits for the button or calls [`PanelHandle::pass`], and
    /// then at once.
    pub fn stepped() -> Self {
        Self(Time::Stepped(Duration::ZERO))
    }

    fn now(self) -> Duration {
        match self.0 {
            Time::Real(started) => started.elapsed(),
            Time::Stepped(now) => now,
        }
    }
}

#[derive(Debug)]
struct State {
    clock: Clock,
    pressed: bool,
    edges: VecDeque<Edge>,
    light: Vec<(Duration, bool)>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one step, so it is whole even if a thread panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A button, its light, and the handle that presses and sees them.
pub fn panel(clock: Clock) -> (SimulatedButton, SimulatedLed, PanelHandle) {
    let state = State { clock, pressed: false, edges: VecDeque::new(), light: Vec::new() };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
    (SimulatedButton(shared.clone()), SimulatedLed(shared.clone()), PanelHandle(shared))
}

/// Presses a [`SimulatedButton`] and sees a [`SimulatedLed`], from any thread.
#[derive(Clone, Debug)]
pub struct PanelHandle(Arc<Shared>);

impl PanelHandle {
    /// Presses the button and keeps it down.
    pub fn press(&self) {
        self.turn(true);
    }

    /// Lets the button go.
    pub fn release(&self) {
        self.turn(false);
    }

    /// Presses the button now, and lets it go after `length`, without waiting for it.
    pub fn hold(&self, length: Duration) {
        let mut state = self.0.lock();
        let at = state.clock.now();
        state.edges.push_back(Edge { pressed: true, at });
        state.edges.push_back(Edge { pressed: false, at: at.saturating_add(length) });
        state.pressed = false;
        self.0.changed.notify_all();
    }

    /// Lets stepped time pass. Real time passes by itself.
    pub fn pass(&self, length: Duration) {
        let mut state = self.0.lock();
        if let Clock(Time::Stepped(now)) = &mut state.clock {
            *now = now.saturating_add(length);
        }
        self.0.changed.notify_all();
    }

    /// Whether the light is on.
    pub fn is_lit(&self) -> bool {
        self.0.lock().light.last().is_some_and(|(_, on)| *on)
    }

    /// Every change of the light so far, with its time on the button's clock.
    pub fn light(&self) -> Vec<(Duration, bool)> {
        self.0.lock().light.clone()
    }

    fn turn(&self, pressed: bool) {
        let mut state = self.0.lock();
        if state.pressed != pressed {
            state.pressed = pressed;
            let at = state.clock.now();
            state.edges.push_back(Edge { pressed, at });
            self.0.changed.notify_all();
        }
    }
}

/// A button that a [`PanelHandle`] presses.
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

/// A light that a [`PanelHandle`] sees.
#[derive(Debug)]
pub struct SimulatedLed(Arc<Shared>);

impl StatusLed for SimulatedLed {
    fn set(&mut self, on: bool) -> Result<(), PanelError> {
        let mut state = self.0.lock();
        let now = state.clock.now();
        if state.light.last().map_or(on, |(_, was)| *was != on) {
            state.light.push((now, on));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use instored_panel::{ButtonEvent, PressDetector};

    use super::*;

    fn presses(mut button: SimulatedButton, length: Duration) -> Vec<ButtonEvent> {
        let mut detector = PressDetector::new(Duration::from_millis(20), Duration::from_secs(5));
        let (mut presses, end) = (Vec::new(), button.now() + length);
        while button.now() < end {
            let next = detector.deadline().unwrap_or(end).min(end);
            match button.wait(next.saturating_sub(button.now())).unwrap() {
                Some(edge) => presses.extend(detector.edge(edge)),
                None => presses.extend(detector.advance(button.now())),
            }
        }
        presses
    }

    #[test]
    fn a_stepped_button_is_held_for_five_seconds_at_once() {
        let (button, _, handle) = panel(Clock::stepped());
        handle.hold(Duration::from_millis(200));
        handle.pass(Duration::from_secs(1));
        handle.hold(Duration::from_secs(6));
        let seen = presses(button, Duration::from_secs(10));
        assert_eq!(
            seen,
            [ButtonEvent::ShortPress, ButtonEvent::HoldStarted, ButtonEvent::HoldCompleted]
        );
    }

    #[test]
    fn a_waiting_thread_hears_a_press() {
        let (mut button, _, handle) = panel(Clock::real());
        let waiting = std::thread::spawn(move || button.wait(Duration::from_secs(30)));
        handle.press();
        let edge = waiting.join().unwrap().unwrap();
        assert!(edge.is_some_and(|edge| edge.pressed));
    }

    #[test]
    fn pressing_twice_is_one_edge() {
        let (mut button, _, handle) = panel(Clock::stepped());
        handle.press();
        handle.press();
        handle.release();
        let pressed: Vec<_> = std::iter::from_fn(|| button.wait(Duration::ZERO).unwrap())
            .map(|e| e.pressed)
            .collect();
        assert_eq!(pressed, [true, false]);
    }

    #[test]
    fn the_light_remembers_what_it_showed() {
        let (_, mut light, handle) = panel(Clock::stepped());
        for (on, length) in [(false, 1), (true, 2), (true, 3), (false, 1)] {
            light.set(on).unwrap();
            handle.pass(Duration::from_secs(length));
        }
        let at = Duration::from_secs;
        assert_eq!(handle.light(), [(at(1), true), (at(6), false)]);
        assert!(!handle.is_lit());
    }
}
