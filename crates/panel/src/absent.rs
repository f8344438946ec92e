//! Driver for a box without button and status LED.

use std::time::{Duration, Instant};

use crate::{Button, Edge, OpenPanel, PanelError, StatusLed};

/// Returns a button that is never pressed, and an LED without effect.
pub(super) fn open() -> OpenPanel {
    OpenPanel {
        button: Box::new(AbsentButton { started: Instant::now() }),
        led: Box::new(AbsentLed),
        description: "without button and status LED, as configured by panel.driver".to_owned(),
    }
}

/// A button that is never pressed.
struct AbsentButton {
    started: Instant,
}

impl Button for AbsentButton {
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError> {
        std::thread::sleep(timeout);
        Ok(None)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// An LED without effect.
struct AbsentLed;

impl StatusLed for AbsentLed {
    fn set(&mut self, _is_lit: bool) -> Result<(), PanelError> {
        Ok(())
    }
}
