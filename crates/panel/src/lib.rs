//! The button and the light at the entrance.
//!
//! Two ports, [`Button`] and [`StatusLed`], with three ways to reach them: `rppal` and `gpiocdev` on
//! real lines, `simulated` for the demonstration and the tests. What edges mean is decided in
//! [`press_detector`], what the light says in [`status_led`]; both are pure.

#![forbid(unsafe_code)]

mod absent;
mod edge_clock;
mod gpiocdev;
mod press_detector;
mod rppal;
mod settings;
mod status_led;

use std::path::Path;
use std::time::Duration;

pub use press_detector::{ButtonEvent, PressDetector};
pub use settings::{Driver, Pull, Settings};
pub use status_led::LedSignal;

/// A button. Its edges may bounce; [`PressDetector`] makes presses of them.
pub trait Button: Send {
    /// Waits for the next edge, at most `timeout`; `None` when there was none.
    ///
    /// # Errors
    /// When the line can no longer be read. The button is to be opened again then.
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError>;

    /// The time on the clock that edges are stamped with.
    fn now(&self) -> Duration;
}

/// A light that is on or off.
pub trait StatusLed: Send {
    /// Switches it.
    ///
    /// # Errors
    /// When the line can no longer be written.
    fn set(&mut self, on: bool) -> Result<(), PanelError>;
}

/// The button went down or up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Down (`true`) or up.
    pub pressed: bool,
    /// When, on the clock of [`Button::now`]. Never goes back.
    pub at: Duration,
}

/// Why button and light cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    /// `auto` found nothing to drive.
    #[error(
        "no button and light: this is no Raspberry Pi and {chip} does not exist; \
         set panel.chip to a GPIO chip, or panel.driver = \"none\" to run without"
    )]
    NoDriver {
        /// The configured chip.
        chip: String,
    },
    /// The chip cannot be used at all.
    #[error(
        "GPIO chip {chip} cannot be used: {reason}; check panel.chip and that the service's user \
         may open it (group gpio), or set panel.driver = \"none\" to run without"
    )]
    Chip {
        /// Which.
        chip: String,
        /// What the driver said.
        reason: String,
    },
    /// One line of the chip is not to be had.
    #[error(
        "GPIO line {line} of {chip} cannot be the {role}: {reason}; \
         set panel.{role}_line to a free line of the chip"
    )]
    Line {
        /// Of which chip.
        chip: String,
        /// Which line.
        line: u32,
        /// `button` or `light`.
        role: &'static str,
        /// What the driver said.
        reason: String,
    },
    /// The button stopped answering.
    #[error(
        "the button on GPIO line {line} can no longer be read: {reason}; opening it again may help"
    )]
    Read {
        /// Which line.
        line: u32,
        /// What the driver said.
        reason: String,
    },
    /// The light stopped obeying.
    #[error(
        "the light on GPIO line {line} can no longer be set: {reason}; opening it again may help"
    )]
    Write {
        /// Which line.
        line: u32,
        /// What the driver said.
        reason: String,
    },
}

/// A button and its light.
pub type Panel = (Box<dyn Button>, Box<dyn StatusLed>);

/// Opens the button and the light that `settings` describe.
///
/// # Errors
/// When the chosen driver cannot be used here, or a line is not to be had.
pub fn open(settings: &Settings) -> Result<Panel, PanelError> {
    let chip_exists = Path::new(&settings.chip).exists();
    match choose(settings, rppal::is_raspberry_pi(), chip_exists)? {
        Driver::Rppal => match rppal::open(settings) {
            // Without /dev/gpiomem, as in a container, the chip alone still serves.
            Err(err) if settings.driver == Driver::Auto && chip_exists => {
                tracing::warn!(%err, chip = %settings.chip, "rppal cannot be used, trying gpiocdev");
                gpiocdev::open(settings)
            }
            opened => opened,
        },
        Driver::Gpiocdev | Driver::Auto => gpiocdev::open(settings),
        // The program brings its own simulated panel before it comes here.
        Driver::Simulated | Driver::None => {
            Ok((Box::new(absent::Unpressed::new()), Box::new(absent::Dark)))
        }
    }
}

/// The driver to use where `auto` is configured: never `auto` itself.
fn choose(settings: &Settings, pi: bool, chip_exists: bool) -> Result<Driver, PanelError> {
    match settings.driver {
        Driver::Auto if pi => Ok(Driver::Rppal),
        Driver::Auto if chip_exists => Ok(Driver::Gpiocdev),
        Driver::Auto => Err(PanelError::NoDriver { chip: settings.chip.clone() }),
        chosen => Ok(chosen),
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
    fn auto_prefers_the_raspberry_pi_then_the_chip() {
        let auto = settings(Driver::Auto);
        assert_eq!(choose(&auto, true, true).unwrap(), Driver::Rppal);
        assert_eq!(choose(&auto, false, true).unwrap(), Driver::Gpiocdev);
        let err = choose(&auto, false, false).unwrap_err().to_string();
        assert!(
            err.contains("/nonexistent/gpiochip9") && err.contains(r#"driver = "none""#),
            "{err}"
        );
    }

    #[test]
    fn a_named_driver_is_never_replaced() {
        for driver in [Driver::Rppal, Driver::Gpiocdev, Driver::Simulated, Driver::None] {
            for (pi, chip) in [(false, false), (false, true), (true, false), (true, true)] {
                assert_eq!(choose(&settings(driver), pi, chip).unwrap(), driver);
            }
        }
    }

    #[test]
    fn a_missing_chip_is_named_with_a_way_out() {
        let Err(err) = open(&settings(Driver::Gpiocdev)) else { panic!("opened") };
        let err = err.to_string();
        assert!(
            err.contains("/nonexistent/gpiochip9") && err.contains(r#"driver = "none""#),
            "{err}"
        );
    }

    #[test]
    fn without_a_panel_the_button_is_never_pressed_and_the_light_obeys() {
        let (mut button, mut light) = open(&settings(Driver::None)).unwrap();
        assert_eq!(button.wait(Duration::from_millis(1)).unwrap(), None);
        assert!(button.now() >= Duration::from_millis(1));
        light.set(true).unwrap();
    }

    #[test]
    fn settings_are_read_from_toml() {
        let toml = "driver = \"gpiocdev\"\npull = \"down\"\nactive_low = false\n";
        let layer = toml::from_str(toml).unwrap();
        let read = Settings::builder().preloaded(layer).load().unwrap();
        assert_eq!(
            (read.driver, read.pull, read.active_low),
            (Driver::Gpiocdev, Pull::Down, false)
        );
        assert_eq!((read.button_line, read.light_line), (17, 27));
        let wrong: Result<<Settings as Config>::Layer, _> = toml::from_str("hold_seconds = 0.2\n");
        assert!(wrong.err().unwrap().to_string().contains("between 1 and 60"));
    }
}
