//! Button of `panel.driver = "simulated"`, as `instored button` presses it.

use std::time::{Duration, Instant};

use instored_domain::{CommandFailure, CommandFailureCode};
use instored_simulation::panel::PanelHandle;

/// Simulated button; absent with any other driver.
#[derive(Default)]
pub(super) struct SimulatedButton {
    panel: Option<PanelHandle>,
    /// Time at which the current hold ends.
    release: Option<Instant>,
}

impl SimulatedButton {
    /// Creates the button of a simulated panel, or an absent one.
    pub fn new(panel: Option<PanelHandle>) -> Self {
        Self { panel, release: None }
    }

    /// Holds the button for `duration`. Returns at once.
    ///
    /// Fails if the driver is another one, or while the button is held: the edges of a button must be
    /// in the order of time.
    pub fn hold(&mut self, duration: Duration) -> Result<(), CommandFailure> {
        let conflict =
            |message: &str| Err(CommandFailure::new(CommandFailureCode::Conflict, message));
        let Some(panel) = &self.panel else {
            return conflict(
                "the button cannot be pressed by command: panel.driver is not \"simulated\"; set \
                 panel.driver = \"simulated\" and restart the box, or press the real button",
            );
        };
        let now = Instant::now();
        if self.release.is_some_and(|release| now < release) {
            return conflict("the button is already held; wait until it is released");
        }
        panel.hold(duration);
        self.release = now.checked_add(duration);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use instored_panel::Button;
    use instored_simulation::panel::{self, Clock};

    use super::*;

    #[test]
    fn hold_presses_and_releases_button() {
        let (mut button, _, handle) = panel::panel(Clock::stepped());
        SimulatedButton::new(Some(handle)).hold(Duration::from_secs(6)).unwrap();
        let edges = [Duration::ZERO, Duration::from_secs(10)].map(|timeout| {
            let edge = button.wait(timeout).unwrap().unwrap();
            (edge.is_pressed, edge.at)
        });
        assert_eq!(edges, [(true, Duration::ZERO), (false, Duration::from_secs(6))]);
    }

    #[test]
    fn hold_of_held_button_is_refused() {
        let (_button, _, handle) = panel::panel(Clock::stepped());
        let mut button = SimulatedButton::new(Some(handle));
        button.hold(Duration::from_secs(60)).unwrap();
        let failure = button.hold(Duration::from_millis(250)).unwrap_err();
        assert!(failure.message.contains("already held"), "{failure}");
    }

    #[test]
    fn hold_without_simulated_panel_names_setting() {
        let failure = SimulatedButton::new(None).hold(Duration::from_secs(1)).unwrap_err();
        assert!(failure.message.contains("panel.driver = \"simulated\""), "{failure}");
    }
}
