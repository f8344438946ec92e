//! Button and status LED on GPIO lines.
//!
//! | module | contents |
//! |---|---|
//! | `supervisor` | button and LED that are opened again after a failure |
//! | `chips` | selection of the GPIO chip and its lines |
//! | `gpiocdev`, `rppal`, `absent` | drivers |
//! | `press_detector` | button events from bouncing edges |
//! | `status_led` | signals of the LED |
//! | `edge_clock` | conversion of kernel time stamps |
//!
//! Rules:
//! 1. A panel that cannot be opened, or that fails, never ends the program: [`supervise`] opens it again.
//! 2. A press counts once, however its contacts bounce, and only if all of its edges were read.
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
    /// Waits for the next edge, at most `timeout`; returns `None` if there was none.
    ///
    /// # Errors
    /// When the line can no longer be read. Edges may be lost: call [`PressDetector::reset`].
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError>;

    /// Returns the time on the clock of the edges.
    fn now(&self) -> Duration;
}

/// An LED that is on or off.
pub trait StatusLed: Send {
    /// Switches the LED on or off.
    ///
    /// # Errors
    /// When the line can no longer be written.
    fn set(&mut self, is_lit: bool) -> Result<(), PanelError>;
}

/// A change of the button's level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// True if the button was pressed, false if it was released.
    pub is_pressed: bool,
    /// Time on the clock of [`Button::now`]; never earlier than that of the previous edge.
    pub at: Duration,
}

/// Button and LED that a driver opened.
struct OpenPanel {
    button: Box<dyn Button>,
    led: Box<dyn StatusLed>,
    /// Chip and lines, for the log.
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

/// Describes the configured panel, for a diagnosis. Opens the lines for a moment, unless the daemon is
/// running: then it looks up whether the daemon holds them.
///
/// # Errors
/// When the chip or a line is missing, may not be opened, or is used by another program.
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
    fn driver_none_has_no_presses_and_accepts_led_levels() {
        let OpenPanel { mut button, mut led, .. } = open(&settings(Driver::None)).unwrap();
        assert_eq!(button.wait(Duration::from_millis(1)).unwrap(), None);
        assert!(button.now() >= Duration::from_millis(1));
        led.set(true).unwrap();
        assert!(check(&settings(Driver::None), true).unwrap().contains("without button"));
    }
}
