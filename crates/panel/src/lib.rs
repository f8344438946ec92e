//! Button and status LED on GPIO lines.
//!
//! | module | contents |
//! |---|---|
//! | `supervisor` | reopening of button and LED after a failure |
//! | `chips` | selection of the GPIO chip and its lines |
//! | `gpiocdev`, `rppal`, `absent` | drivers |
//! | `press_detector` | conversion of bouncing edges into button events |
//! | `status_led` | signals of the LED |
//! | `edge_clock` | conversion of kernel time stamps |
//!
//! Rules:
//! 1. A failure of the panel never ends the program: [`supervise`] reopens the panel.
//! 2. A press counts exactly once even if the contacts bounce, and only if no edge was lost.
//! 3. The LED is off when its driver is dropped.

#![forbid(unsafe_code)]

mod absent;
mod chips;
mod edge_clock;
mod error;
mod gpiocdev;
mod line;
mod press_detector;
mod rppal;
mod settings;
mod status_led;
mod supervisor;

use std::time::Duration;

pub use error::{PanelError, Role};
pub use line::GpioLine;
pub use press_detector::{ButtonEvent, PressDetector};
pub use settings::{Driver, Pull, Settings};
pub use status_led::LedSignal;
pub use supervisor::{Monitor, Panel, PanelState, supervise};

/// A button. Its edges may bounce; [`PressDetector`] turns them into events.
pub trait Button: Send {
    /// Waits at most `timeout` for the next edge; returns `None` if no edge occurs.
    ///
    /// # Errors
    /// Returns an error if the line can no longer be read. Edges may be lost: call
    /// [`PressDetector::reset`].
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError>;

    /// Returns the time on the clock of the edges.
    fn now(&self) -> Duration;
}

/// An LED that is on or off.
pub trait StatusLed: Send {
    /// Switches the LED on or off.
    ///
    /// # Errors
    /// Returns an error if the line can no longer be written.
    fn set(&mut self, is_lit: bool) -> Result<(), PanelError>;
}

/// A press or a release of the button, before debouncing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// True if the button was pressed, false if it was released.
    pub is_pressed: bool,
    /// Time on the clock of [`Button::now`]; never earlier than the previous edge.
    pub at: Duration,
}

/// Button and LED that a driver opened.
struct OpenPanel {
    button: Box<dyn Button>,
    led: Box<dyn StatusLed>,
    /// Names of chip and lines for the log.
    description: String,
}

/// Opens button and LED with the configured driver.
fn open(settings: &Settings) -> Result<OpenPanel, PanelError> {
    match settings.driver {
        Driver::Auto | Driver::Gpiocdev => gpiocdev::open(settings),
        Driver::Rppal => rppal::open(settings),
        // The program replaces a simulated panel before it calls this crate.
        Driver::Simulated | Driver::None => Ok(absent::open()),
    }
}

/// Checks the configured panel, and returns its description. Opens the lines briefly. If the daemon
/// is running, checks instead that the daemon holds the lines.
///
/// # Errors
/// Returns an error if the chip or a line is missing, cannot be opened, or is used by another program.
pub fn check(settings: &Settings, is_daemon_running: bool) -> Result<String, PanelError> {
    match settings.driver {
        Driver::Auto | Driver::Gpiocdev if is_daemon_running => gpiocdev::check_held(settings),
        Driver::Simulated => Ok("simulated, pressed by `instored button press`".to_owned()),
        Driver::Rppal if is_daemon_running => Ok("in use by the running daemon (rppal)".to_owned()),
        _ => open(settings).map(|panel| panel.description),
    }
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    fn settings(driver: Driver) -> Settings {
        let defaults = Settings::builder().load().unwrap();
        Settings { driver, chip: "/nonexistent/gpiochip9".into(), ..defaults }
    }

    #[test]
    fn missing_chip_error_names_chip_and_remedy() {
        for driver in [Driver::Auto, Driver::Gpiocdev] {
            for is_daemon_running in [false, true] {
                let err = check(&settings(driver), is_daemon_running).unwrap_err().to_string();
                assert!(
                    err.contains("/nonexistent/gpiochip9") && err.contains(r#"driver = "none""#),
                    "{err}"
                );
            }
        }
    }

    #[test]
    fn driver_none_reports_no_press_and_accepts_led_changes() {
        let OpenPanel { mut button, mut led, .. } = open(&settings(Driver::None)).unwrap();
        assert_eq!(button.wait(Duration::from_millis(1)).unwrap(), None);
        assert!(button.now() >= Duration::from_millis(1));
        led.set(true).unwrap();
        assert!(check(&settings(Driver::None), true).unwrap().contains("without button"));
    }
}
