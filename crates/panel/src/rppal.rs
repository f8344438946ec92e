//! Driver that accesses the registers of a Raspberry Pi.
//!
//! rppal resets dropped pins to inputs, which also switches the LED off.

use std::time::Duration;

use rppal::gpio::{Error, Gpio, InputPin, OutputPin, Pin, Trigger};

use crate::edge_clock::EdgeClock;
use crate::{Button, Edge, GpioLine, OpenPanel, PanelError, Pull, Role, Settings, StatusLed};

/// Name of the chip in messages. rppal always uses the chip of the pin header.
const CHIP: &str = "Raspberry Pi (rppal)";

/// Opens button and LED.
pub(super) fn open(settings: &Settings) -> Result<OpenPanel, PanelError> {
    let gpio = Gpio::new()
        .map_err(|err| PanelError::Chip { chip: CHIP.into(), reason: err.to_string() })?;

    let (pin, button_line) = get_pin(&gpio, Role::Button, &settings.button_line)?;
    let mut button = match settings.pull {
        Pull::Up => pin.into_input_pullup(),
        Pull::Down => pin.into_input_pulldown(),
        Pull::None => pin.into_input(),
    };
    let debounce = Duration::from_millis(settings.debounce_ms);
    button
        .set_interrupt(Trigger::Both, Some(debounce))
        .map_err(|err| line_error(Role::Button, &settings.button_line, &err))?;
    let (pin, led_line) = get_pin(&gpio, Role::StatusLed, &settings.light_line)?;
    let led = pin.into_output_low();

    Ok(OpenPanel {
        button: Box::new(PiButton {
            pin: button,
            line: button_line,
            is_active_low: settings.active_low,
            clock: EdgeClock::start(),
        }),
        led: Box::new(PiLed(led)),
        description: format!(
            "pins of the {CHIP}: button on GPIO{button_line}, status LED on GPIO{led_line}"
        ),
    })
}

/// Returns the pin of a line, and its BCM number.
fn get_pin(gpio: &Gpio, role: Role, line: &GpioLine) -> Result<(Pin, u32), PanelError> {
    let number = line.bcm_number().and_then(|number| u8::try_from(number).ok());
    let number =
        number.ok_or_else(|| PanelError::NoLine { chip: CHIP.into(), line: line.clone(), role })?;
    let pin = gpio.get(number).map_err(|err| line_error(role, line, &err))?;
    Ok((pin, number.into()))
}

/// Returns the error of a line that cannot be used.
fn line_error(role: Role, line: &GpioLine, err: &Error) -> PanelError {
    PanelError::Line { chip: CHIP.into(), line: line.clone(), role, reason: err.to_string() }
}

/// A button on a pin.
struct PiButton {
    pin: InputPin,
    line: u32,
    is_active_low: bool,
    clock: EdgeClock,
}

impl Button for PiButton {
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError> {
        // An interrupting signal also causes an error, so the wait is repeated once. If the line is
        // lost, the repetition fails.
        let event = self
            .pin
            .poll_interrupt(false, Some(timeout))
            .or_else(|_| self.pin.poll_interrupt(false, Some(Duration::ZERO)))
            .map_err(|err| PanelError::Read { line: self.line, reason: err.to_string() })?;
        Ok(event.map(|event| {
            let is_rising = event.trigger == Trigger::RisingEdge;
            let at = self.clock.convert(event.timestamp);
            Edge { is_pressed: is_rising != self.is_active_low, at }
        }))
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}

/// An LED on a pin.
struct PiLed(OutputPin);

impl StatusLed for PiLed {
    fn set(&mut self, is_lit: bool) -> Result<(), PanelError> {
        self.0.write(is_lit.into());
        Ok(())
    }
}
