//! Simulated button, which `instored button` presses if `panel.driver` is `simulated`.

use std::time::{Duration, Instant};

use instored_domain::{CommandFailure, CommandFailureCode};
use instored_simulation::panel::PanelHandle;

/// Simulated button, or no button if the panel has another driver.
#[derive(Default)]
pub(super) struct SimulatedButton {
    panel: Option<PanelHandle>,
    /// Time at which the current hold ends.
    release: Option<Instant>,
}

impl SimulatedButton {
    /// Creates the button of a simulated panel. `None` stands for a panel with another driver.
    pub fn new(panel: Option<PanelHandle>) -> Self {
        Self { panel, release: None }
    }

    /// Holds the button for `duration`. Returns at once.
    ///
    /// Returns a failure if the panel has another driver, or if the button is still held: edges must
    /// be in chronological order.
    pub fn hold(&mut self, duration: Duration) -> Result<(), CommandFailure> {
        let conflict_error =
            |message: &str| Err(CommandFailure::new(CommandFailureCode::Conflict, message));
        let Some(panel) = &self.panel else {
            return conflict_error(
                "the button cannot be pressed by command: panel.driver is not \"simulated\"; set \
                 panel.driver = \"simulated\" and restart the box, or press the real button",
            );
        };
        let now = Instant::now();
        if self.release.is_some_and(|release| now < release) {
            return conflict_error("the button is already held; wait until it is released");
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
    fn hold_of_held_button_is_rejected() {
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
