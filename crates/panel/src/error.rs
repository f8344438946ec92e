//! Errors of button and status LED.

use std::fmt;

use crate::GpioLine;

/// The device on a GPIO line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The button.
    Button,
    /// The status LED.
    StatusLed,
}

impl Role {
    /// Returns the configuration key that selects the line.
    fn configuration_key(self) -> &'static str {
        match self {
            Self::Button => "panel.button_line",
            Self::StatusLed => "panel.light_line",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Button => "button",
            Self::StatusLed => "status LED",
        })
    }
}

/// An error of the panel.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    /// No GPIO chip matches `panel.chip`.
    #[error(
        "no GPIO chip for button and status LED: panel.chip is {configured:?}, and this machine has \
         {found}; set panel.chip to a chip that `gpiodetect` lists, or panel.driver = \"none\" to \
         run without a panel"
    )]
    NoChip {
        /// The configured chip.
        configured: String,
        /// The chips of this machine, with their labels.
        found: String,
    },
    /// The chip cannot be opened.
    #[error(
        "cannot open GPIO chip {chip}: {reason}; check panel.chip and that the service's user is in \
         the group gpio, or set panel.driver = \"none\" to run without a panel"
    )]
    Chip {
        /// The chip.
        chip: String,
        /// The error message of the driver.
        reason: String,
    },
    /// The chip has no such line.
    #[error(
        "GPIO chip {chip} has no line {line} for the {role}; set {key} to a line that `gpioinfo` lists",
        key = role.configuration_key()
    )]
    NoLine {
        /// The chip.
        chip: String,
        /// The configured line.
        line: GpioLine,
        /// The device on the line.
        role: Role,
    },
    /// The line cannot be requested.
    #[error(
        "cannot use GPIO line {line} of {chip} for the {role}: {reason}; stop the program that uses \
         the line, or set {key} to a free line",
        key = role.configuration_key()
    )]
    Line {
        /// The chip.
        chip: String,
        /// The configured line.
        line: GpioLine,
        /// The device on the line.
        role: Role,
        /// The error message of the driver.
        reason: String,
    },
    /// The line is free although the daemon is running.
    #[error(
        "the running daemon does not hold GPIO line {line} of {chip} for the {role}; read the reason \
         in its log: `journalctl -u instored`"
    )]
    NotHeld {
        /// The chip.
        chip: String,
        /// The configured line.
        line: GpioLine,
        /// The device on the line.
        role: Role,
    },
    /// The button can no longer be read.
    #[error(
        "cannot read the button on GPIO line {line}: {reason}; check the wiring and the GPIO chip"
    )]
    Read {
        /// The line.
        line: u32,
        /// The error message of the driver.
        reason: String,
    },
    /// The LED can no longer be switched.
    #[error(
        "cannot switch the status LED on GPIO line {line}: {reason}; check the wiring and the GPIO chip"
    )]
    Write {
        /// The line.
        line: u32,
        /// The error message of the driver.
        reason: String,
    },
}
