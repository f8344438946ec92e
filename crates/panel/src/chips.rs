//! Selection of the GPIO chip and its lines.
//!
//! The number of a chip means nothing: the pin header of a Raspberry Pi 5 was gpiochip4, then
//! gpiochip0, then a number from 11 on, depending on the kernel
//! (<https://github.com/raspberrypi/linux/issues/6144>). Labels and line names are stable.

use std::path::{Path, PathBuf};

use crate::{GpioLine, PanelError, Role, Settings};

/// Labels of the chip behind the pin header of a Raspberry Pi: 5, 4, and 3 or Zero.
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
    /// Names of its lines by number; empty where a line has none.
    pub line_names: Vec<String>,
}

/// Access to the GPIO chips of a machine.
pub(super) trait ChipCatalogue {
    /// Returns the device nodes of all chips, in the order of their numbers.
    fn paths(&self) -> Vec<PathBuf>;

    /// Reads label and line names of a chip; returns the reason if it cannot be opened.
    fn read(&self, path: &Path) -> Result<Chip, String>;
}

/// The chip and the lines that the settings select.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    pub chip: Chip,
    pub button: u32,
    pub led: u32,
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

    /// Returns the device node and the label, for a message.
    pub(super) fn describe(&self) -> String {
        format!("{} ({})", self.path.display(), self.label)
    }
}

/// Selects the chip and the lines that `settings` configure.
pub(super) fn select(
    catalogue: &impl ChipCatalogue,
    settings: &Settings,
) -> Result<Selection, PanelError> {
    let chip = select_chip(catalogue, settings)?;
    let number = |line: &GpioLine, role| {
        chip.line_number(line).ok_or_else(|| PanelError::NoLine {
            chip: chip.describe(),
            line: line.clone(),
            role,
        })
    };
    let button = number(&settings.button_line, Role::Button)?;
    let led = number(&settings.light_line, Role::StatusLed)?;
    Ok(Selection { chip, button, led })
}

/// Selects the chip by path, by label or name, or automatically.
fn select_chip(catalogue: &impl ChipCatalogue, settings: &Settings) -> Result<Chip, PanelError> {
    let configured = settings.chip.as_str();
    let unreadable =
        |path: &Path, reason| PanelError::Chip { chip: path.display().to_string(), reason };
    if configured.starts_with('/') {
        let path = Path::new(configured);
        return catalogue.read(path).map_err(|reason| unreadable(path, reason));
    }
    let mut chips = Vec::new();
    let mut first_error = None;
    for path in catalogue.paths() {
        match catalogue.read(&path) {
            Ok(chip) => chips.push(chip),
            Err(reason) => _ = first_error.get_or_insert_with(|| unreadable(&path, reason)),
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
    // A chip that cannot be read may be the configured one.
    selected.cloned().ok_or_else(|| {
        first_error.unwrap_or_else(|| PanelError::NoChip {
            configured: configured.to_owned(),
            found: describe_all(&chips),
        })
    })
}

/// Returns the chips for a message.
fn describe_all(chips: &[Chip]) -> String {
    let described: Vec<_> = chips.iter().map(Chip::describe).collect();
    if described.is_empty() { "none".to_owned() } else { described.join(", ") }
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    /// Simulated chips: number, label (or the reason why it cannot be read), number of lines.
    struct Machine(Vec<(u32, Result<&'static str, &'static str>, usize)>);

    impl ChipCatalogue for Machine {
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

    /// Selects on the machine; returns the chip's node and the two lines.
    fn selected(machine: &Machine, settings: &Settings) -> Result<(String, u32, u32), String> {
        let Selection { chip, button, led } =
            select(machine, settings).map_err(|err| err.to_string())?;
        Ok((chip.path.display().to_string(), button, led))
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
    fn auto_selects_the_pin_header_by_label() {
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
    fn auto_prefers_rp1_whatever_its_number() {
        for number in [0, 4, 11, 15] {
            let mut machine = raspberry_pi_5();
            machine.0.insert(0, (1, Ok("pinctrl-bcm2835"), 54));
            machine.0[1].0 = number;
            let (chip, ..) = selected(&machine, &settings("auto", "17", "27")).unwrap();
            assert_eq!(chip, format!("/dev/gpiochip{number}"));
        }
    }

    #[test]
    fn auto_finds_an_unknown_chip_by_line_names_only() {
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
    fn machine_without_chips_is_an_error_with_remedy() {
        for chip in ["auto", "pinctrl-rp1"] {
            let err = selected(&Machine(vec![]), &settings(chip, "17", "27")).unwrap_err();
            assert!(err.contains(chip) && err.contains("this machine has none"), "{err}");
            assert!(err.contains("panel.driver = \"none\""), "{err}");
        }
    }

    #[test]
    fn unreadable_chip_is_reported_unless_another_matches() {
        let mut machine = Machine(vec![(11, Err("Permission denied"), 0)]);
        let err = selected(&machine, &settings("auto", "17", "27")).unwrap_err();
        assert!(err.contains("/dev/gpiochip11: Permission denied"), "{err}");
        assert!(err.contains("group gpio"), "{err}");
        machine.0.push((12, Ok("pinctrl-bcm2711"), 58));
        assert!(selected(&machine, &settings("auto", "17", "27")).is_ok());
    }

    #[test]
    fn missing_line_is_an_error_with_its_key() {
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
