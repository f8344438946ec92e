//! Settings of button and status LED.

use serde::{Deserialize, Serialize};

use crate::GpioLine;

/// Settings of button and status LED.
#[derive(Debug, Clone, confique::Config, Serialize)]
pub struct Settings {
    /// Access to the GPIO lines: "auto" (same as "gpiocdev"), "gpiocdev" (the kernel's GPIO character
    /// device, Linux 5.10 or later), "rppal" (the registers of a Raspberry Pi; no longer maintained by
    /// its author), "simulated" (pressed by `instored button press`), or "none" to run without button
    /// and status LED.
    #[config(default = "auto", env = "INSTORED_PANEL_DRIVER")]
    pub driver: Driver,

    /// GPIO chip, for gpiocdev: "auto" (the pin header of a Raspberry Pi), a label from `gpiodetect`
    /// such as "pinctrl-rp1", or a device such as "/dev/gpiochip0". The number of a device may change
    /// with the kernel. rppal always uses the pin header.
    #[config(default = "auto", env = "INSTORED_PANEL_CHIP")]
    pub chip: String,

    /// GPIO line of the button: a number (on a Raspberry Pi the BCM number), or a name from `gpioinfo`
    /// such as "GPIO17".
    #[config(default = 17, env = "INSTORED_PANEL_BUTTON_LINE")]
    pub button_line: GpioLine,

    /// GPIO line of the status LED, which is on while the line is high: a number or a name.
    #[config(default = 27, env = "INSTORED_PANEL_LIGHT_LINE")]
    pub light_line: GpioLine,

    /// True if the pressed button connects its line to ground.
    #[config(default = true, env = "INSTORED_PANEL_ACTIVE_LOW")]
    pub active_low: bool,

    /// Internal resistor of the button's line: "up", "down" or "none".
    #[config(default = "up", env = "INSTORED_PANEL_PULL")]
    pub pull: Pull,

    /// Debounce time in milliseconds, 0 to 1000: a press or release counts when the line has
    /// not changed for this time.
    #[config(default = 20, env = "INSTORED_PANEL_DEBOUNCE_MS")]
    #[config(validate(*debounce_ms <= 1000, "must be between 0 and 1000"))]
    pub debounce_ms: u64,

    /// Time for which the button must be held to withdraw, in seconds, 1 to 60.
    #[config(default = 5.0, env = "INSTORED_PANEL_HOLD_SECONDS")]
    #[config(validate((1.0..=60.0).contains(hold_seconds), "must be between 1 and 60"))]
    pub hold_seconds: f64,
}

/// Access to the GPIO lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// Same as [`Driver::Gpiocdev`].
    Auto,
    /// Registers of a Raspberry Pi, accessed by rppal.
    Rppal,
    /// GPIO character device of the kernel.
    Gpiocdev,
    /// Simulated button and LED, pressed by `instored button press`.
    Simulated,
    /// No button and no LED.
    None,
}

/// Internal resistor of the button's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pull {
    /// Resistor to the supply voltage.
    Up,
    /// Resistor to ground.
    Down,
    /// No internal resistor.
    None,
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    fn load(toml: &str) -> Result<Settings, String> {
        let layer: <Settings as Config>::Layer =
            toml::from_str(toml).map_err(|err| err.to_string())?;
        Settings::builder().preloaded(layer).load().map_err(|err| err.to_string())
    }

    #[test]
    fn settings_are_read_from_toml() {
        let read = load("driver = \"gpiocdev\"\npull = \"down\"\nactive_low = false\n").unwrap();
        assert_eq!(
            (read.driver, read.pull, read.active_low),
            (Driver::Gpiocdev, Pull::Down, false)
        );
        assert_eq!(
            (read.button_line, read.light_line),
            (GpioLine::Number(17), GpioLine::Number(27))
        );
        assert!(load("hold_seconds = 0.2\n").unwrap_err().contains("between 1 and 60"));
    }

    #[test]
    fn lines_are_numbers_or_names() {
        for (value, expected) in [
            ("5", GpioLine::Number(5)),
            ("\"5\"", GpioLine::Number(5)),
            ("\"GPIO5\"", GpioLine::Name("GPIO5".into())),
        ] {
            let read = load(&format!("chip = \"pinctrl-rp1\"\nbutton_line = {value}\n")).unwrap();
            assert_eq!(read.button_line, expected);
            assert_eq!(read.button_line.bcm_number(), Some(5));
            let written = toml::to_string(&read).unwrap();
            assert_eq!(load(&written).unwrap().button_line, expected);
        }
        for invalid in ["-1", "4294967296", "\"\"", "true"] {
            assert!(load(&format!("button_line = {invalid}\n")).is_err(), "{invalid}");
        }
    }
}
