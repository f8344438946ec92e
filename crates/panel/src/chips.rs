//! Selection of the GPIO chip and its lines.
//!
//! The number of a chip is not stable. The pin header of a Raspberry Pi 5 is gpiochip4, gpiochip0, or
//! a chip with a number above 10, depending on the kernel
//! (<https://github.com/raspberrypi/linux/issues/6144>). Labels and line names are stable.

use std::path::{Path, PathBuf};

use crate::{GpioLine, PanelError, Role, Settings};

/// Labels of the pin header's chip: on a Raspberry Pi 5, on a 4, and on a 3 or Zero.
const RASPBERRY_PI_LABELS: [&str; 3] = ["pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835"];
/// Value of `panel.chip` that selects the chip automatically.
const AUTO: &str = "auto";

/// A GPIO chip of this machine.
#[derive(Clone, Debug)]
pub(super) struct Chip {
    /// Device node.
    pub path: PathBuf,
    /// Label that the driver of the chip sets.
    pub label: String,
    /// Names of the lines, indexed by line number; empty for a line without a name.
    pub line_names: Vec<String>,
}

/// Access to the GPIO chips of a machine.
pub(super) trait ChipSource {
    /// Returns the device nodes of all chips, in the order of their numbers.
    fn paths(&self) -> Vec<PathBuf>;

    /// Reads label and line names of a chip. Returns the reason if the chip cannot be read.
    fn read(&self, path: &Path) -> Result<Chip, String>;
}

/// The chip and the lines that the settings select.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    pub chip: Chip,
    /// Number of the button's line.
    pub button_line: u32,
    /// Number of the status LED's line.
    pub led_line: u32,
}

impl Chip {
    /// Returns the number of a line; `None` if the chip has no such line.
    fn line_number(&self, line: &GpioLine) -> Option<u32> {
        let number = match line {
            GpioLine::Number(number) => usize::try_from(*number).ok()?,
            GpioLine::Name(name) => self.line_names.iter().position(|known| known == name)?,
        };
        (number < self.line_names.len()).then(|| u32::try_from(number).ok())?
    }

    /// Returns true if both lines are configured by name, and the chip has them.
    fn has_named_lines(&self, settings: &Settings) -> bool {
        [&settings.button_line, &settings.light_line]
            .iter()
            .all(|line| matches!(line, GpioLine::Name(_)) && self.line_number(line).is_some())
    }

    /// Returns the device node and the label for a message.
    pub(super) fn describe(&self) -> String {
        format!("{} ({})", self.path.display(), self.label)
    }
}

/// Selects the chip and the lines that `settings` configure.
pub(super) fn select(
    source: &impl ChipSource,
    settings: &Settings,
) -> Result<Selection, PanelError> {
    let chip = select_chip(source, settings)?;
    let line_number = |line: &GpioLine, role| {
        chip.line_number(line).ok_or_else(|| PanelError::NoLine {
            chip: chip.describe(),
            line: line.clone(),
            role,
        })
    };
    let button_line = line_number(&settings.button_line, Role::Button)?;
    let led_line = line_number(&settings.light_line, Role::StatusLed)?;
    Ok(Selection { chip, button_line, led_line })
}

/// Selects the chip that `panel.chip` names, or selects it automatically.
fn select_chip(source: &impl ChipSource, settings: &Settings) -> Result<Chip, PanelError> {
    let configured = settings.chip.as_str();
    let chip_error =
        |path: &Path, reason| PanelError::Chip { chip: path.display().to_string(), reason };
    if configured.starts_with('/') {
        let path = Path::new(configured);
        return source.read(path).map_err(|reason| chip_error(path, reason));
    }
    let mut chips = Vec::new();
    let mut first_error = None;
    for path in source.paths() {
        match source.read(&path) {
            Ok(chip) => chips.push(chip),
            Err(reason) => _ = first_error.get_or_insert_with(|| chip_error(&path, reason)),
        }
    }
    let selected = if configured == AUTO {
        RASPBERRY_PI_LABELS
            .iter()
            .find_map(|label| chips.iter().find(|chip| chip.label == *label))
            .or_else(|| chips.iter().find(|chip| chip.has_named_lines(settings)))
    } else {
        chips.iter().find(|chip| chip.label == configured || chip.path.ends_with(configured))
    };
    // An unreadable chip may be the configured chip, so its error comes before `NoChip`.
    selected.cloned().ok_or_else(|| {
        first_error.unwrap_or_else(|| PanelError::NoChip {
            configured: configured.to_owned(),
            found: describe_all(&chips),
        })
    })
}

/// Formats the chips for a message.
fn describe_all(chips: &[Chip]) -> String {
    let described: Vec<_> = chips.iter().map(Chip::describe).collect();
    if described.is_empty() { "none".to_owned() } else { described.join(", ") }
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    /// Simulated chips: number, label or reading error, and number of lines.
    struct Machine(Vec<(u32, Result<&'static str, &'static str>, usize)>);

    impl ChipSource for Machine {
        fn paths(&self) -> Vec<PathBuf> {
            self.0.iter().map(|(number, ..)| format!("/dev/gpiochip{number}").into()).collect()
        }

        fn read(&self, path: &Path) -> Result<Chip, String> {
            let (_, label, lines) = self
                .0
                .iter()
                .find(|(number, ..)| Path::new(&format!("/dev/gpiochip{number}")) == path)
                .ok_or("No such file or directory")?;
            let label = (*label)?.to_owned();
            let name =
                |i| if label.starts_with("pinctrl") { format!("GPIO{i}") } else { String::new() };
            let line_names = (0..*lines).map(name).collect();
            Ok(Chip { path: path.to_owned(), label, line_names })
        }
    }

    fn settings(chip: &str, button: &str, led: &str) -> Settings {
        let toml = format!("chip = {chip:?}\nbutton_line = {button}\nlight_line = {led}\n");
        Settings::builder().preloaded(toml::from_str(&toml).unwrap()).load().unwrap()
    }

    /// Returns the selected device node, and the numbers of the selected button and LED lines.
    fn selected(machine: &Machine, settings: &Settings) -> Result<(String, u32, u32), String> {
        let Selection { chip, button_line, led_line } =
            select(machine, settings).map_err(|err| err.to_string())?;
        Ok((chip.path.display().to_string(), button_line, led_line))
    }

    /// Returns the chips of a Raspberry Pi 5 with Linux 6.12.96.
    fn raspberry_pi_5() -> Machine {
        Machine(vec![
            (11, Ok("pinctrl-rp1"), 54),
            (12, Ok("gpio-brcmstb@107d508500"), 32),
            (13, Ok("gpio-brcmstb@107d508520"), 4),
            (14, Ok("gpio-brcmstb@107d517c00"), 17),
            (15, Ok("gpio-brcmstb@107d517c20"), 6),
        ])
    }

    #[test]
    fn auto_selects_pin_header_by_label() {
        let raspberry_pi_4 =
            Machine(vec![(0, Ok("raspberrypi-exp-gpio"), 8), (14, Ok("pinctrl-bcm2711"), 58)]);
        let raspberry_pi_3 = Machine(vec![(15, Ok("pinctrl-bcm2835"), 54)]);
        for (machine, chip) in [
            (raspberry_pi_5(), "/dev/gpiochip11"),
            (raspberry_pi_4, "/dev/gpiochip14"),
            (raspberry_pi_3, "/dev/gpiochip15"),
        ] {
            let expected = Ok((chip.to_owned(), 17, 27));
            assert_eq!(selected(&machine, &settings("auto", "17", "27")), expected);
            assert_eq!(selected(&machine, &settings("auto", "\"GPIO17\"", "\"GPIO27\"")), expected);
        }
    }

    #[test]
    fn auto_prefers_rp1_label_with_any_chip_number() {
        for number in [0, 4, 11, 15] {
            let mut machine = raspberry_pi_5();
            machine.0.insert(0, (1, Ok("pinctrl-bcm2835"), 54));
            machine.0[1].0 = number;
            let (chip, ..) = selected(&machine, &settings("auto", "17", "27")).unwrap();
            assert_eq!(chip, format!("/dev/gpiochip{number}"));
        }
    }

    #[test]
    fn auto_selects_unknown_chip_only_by_line_names() {
        let machine = Machine(vec![(12, Ok("gpio-other"), 54), (13, Ok("pinctrl-rp2"), 54)]);
        let named = settings("auto", "\"GPIO5\"", "\"GPIO6\"");
        assert_eq!(selected(&machine, &named), Ok(("/dev/gpiochip13".to_owned(), 5, 6)));
        let err = selected(&machine, &settings("auto", "5", "6")).unwrap_err();
        assert!(
            err.contains("/dev/gpiochip12 (gpio-other), /dev/gpiochip13 (pinctrl-rp2)"),
            "{err}"
        );
    }

    #[test]
    fn chip_is_selected_by_label_name_or_path() {
        for chip in ["gpio-brcmstb@107d508500", "gpiochip12", "/dev/gpiochip12"] {
            let expected = Ok(("/dev/gpiochip12".to_owned(), 3, 4));
            assert_eq!(selected(&raspberry_pi_5(), &settings(chip, "3", "4")), expected);
        }
        let err = selected(&raspberry_pi_5(), &settings("gpiochip1", "3", "4")).unwrap_err();
        assert!(err.contains("\"gpiochip1\""), "{err}");
    }

    #[test]
    fn error_without_chips_names_remedy() {
        for chip in ["auto", "pinctrl-rp1"] {
            let err = selected(&Machine(vec![]), &settings(chip, "17", "27")).unwrap_err();
            assert!(err.contains(chip) && err.contains("this machine has none"), "{err}");
            assert!(err.contains("panel.driver = \"none\""), "{err}");
        }
    }

    #[test]
    fn unreadable_chip_is_error_unless_another_chip_matches() {
        let mut machine = Machine(vec![(11, Err("Permission denied"), 0)]);
        let err = selected(&machine, &settings("auto", "17", "27")).unwrap_err();
        assert!(err.contains("/dev/gpiochip11: Permission denied"), "{err}");
        assert!(err.contains("group gpio"), "{err}");
        machine.0.push((12, Ok("pinctrl-bcm2711"), 58));
        assert!(selected(&machine, &settings("auto", "17", "27")).is_ok());
    }

    #[test]
    fn missing_line_error_names_configuration_key() {
        for (button, led, key) in [
            ("54", "27", "panel.button_line"),
            ("17", "\"GPIO99\"", "panel.light_line"),
            ("\"\\\"\"", "27", "panel.button_line"),
        ] {
            let err = selected(&raspberry_pi_5(), &settings("auto", button, led)).unwrap_err();
            assert!(err.contains(key) && err.contains("/dev/gpiochip11 (pinctrl-rp1)"), "{err}");
        }
    }
}
