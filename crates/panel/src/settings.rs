//! How button and light are wired.

use serde::{Deserialize, Serialize};

/// Button and light.
#[derive(Debug, Clone, confique::Config, Serialize)]
pub struct Settings {
    /// How to reach them: "auto" (rppal on a Raspberry Pi, else gpiocdev), "rppal", "gpiocdev",
    /// "simulated" (pressed by a program only), or "none" to run without.
    #[config(default = "auto", env = "INSTORED_PANEL_DRIVER")]
    pub driver: Driver,

    /// GPIO chip, for gpiocdev. rppal finds the Raspberry Pi's own.
    #[config(default = "/dev/gpiochip0", env = "INSTORED_PANEL_CHIP")]
    pub chip: String,

    /// Line of the button: on a Raspberry Pi the BCM number.
    #[config(default = 17, env = "INSTORED_PANEL_BUTTON_LINE")]
    pub button_line: u32,

    /// Line of the light, which is lit when the line is high.
    #[config(default = 27, env = "INSTORED_PANEL_LIGHT_LINE")]
    pub light_line: u32,

    /// Whether the pressed button pulls its line to ground.
    #[config(default = true, env = "INSTORED_PANEL_ACTIVE_LOW")]
    pub active_low: bool,

    /// Resistor inside the chip at the button's line: "up", "down" or "none".
    #[config(default = "up", env = "INSTORED_PANEL_PULL")]
    pub pull: Pull,

    /// How long the button must rest before a change counts, in milliseconds, 0 to 1000.
    #[config(default = 20, env = "INSTORED_PANEL_DEBOUNCE_MS")]
    #[config(validate(*debounce_ms <= 1000, "must be between 0 and 1000"))]
    pub debounce_ms: u64,

    /// How long the button must be held to withdraw, in seconds, 1 to 60.
    #[config(default = 5.0, env = "INSTORED_PANEL_HOLD_SECONDS")]
    #[config(validate((1.0..=60.0).contains(hold_seconds), "must be between 1 and 60"))]
    pub hold_seconds: f64,
}

/// How button and light are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// rppal on a Raspberry Pi, else gpiocdev.
    Auto,
    /// The Raspberry Pi's registers.
    Rppal,
    /// The kernel's GPIO character device.
    Gpiocdev,
    /// Pressed by a program.
    Simulated,
    /// There are none.
    None,
}

/// The resistor at the button's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pull {
    /// To the supply.
    Up,
    /// To ground.
    Down,
    /// None inside the chip.
    None,
}
