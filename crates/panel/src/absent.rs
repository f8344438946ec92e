//! Button and light of a box without a panel.

use std::time::{Duration, Instant};

use super::{Button, Edge, PanelError, StatusLed};

/// Button of a box without one: it is never pressed.
#[derive(Debug)]
pub(super) struct Unpressed(Instant);

impl Unpressed {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Button for Unpressed {
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError> {
        std::thread::sleep(timeout);
        Ok(None)
    }

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// StatusLed of a box without one: it accepts every state.
#[derive(Debug)]
pub(super) struct Dark;

impl StatusLed for Dark {
    fn set(&mut self, _on: bool) -> Result<(), PanelError> {
        Ok(())
    }
}
