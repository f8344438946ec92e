//! Button and light on a Raspberry Pi's own pins.
//!
//! rppal gives pins back as inputs when they are dropped, which also puts the light out.

use std::time::Duration;

use rppal::gpio::{Error, Gpio, InputPin, OutputPin, Pin, Trigger};
use rppal::system::DeviceInfo;

use super::edge_clock::EdgeClock;
use super::{Button, Edge, Panel, PanelError, Pull, Settings, StatusLed};

/// How the chip is called in messages: rppal chooses it by itself.
const CHIP: &str = "the Raspberry Pi";

/// Whether this machine is a Raspberry Pi that rppal knows.
pub(super) fn is_raspberry_pi() -> bool {
    DeviceInfo::new().is_ok()
}

pub(super) fn open(settings: &Settings) -> Result<Panel, PanelError> {
    let gpio = Gpio::new()
        .map_err(|err| PanelError::Chip { chip: CHIP.into(), reason: err.to_string() })?;

    let pin = pin(&gpio, "button", settings.button_line)?;
    let mut button = match settings.pull {
        Pull::Up => pin.into_input_pullup(),
        Pull::Down => pin.into_input_pulldown(),
        Pull::None => pin.into_input(),
    };
    let debounce = Duration::from_millis(settings.debounce_ms);
    button
        .set_interrupt(Trigger::Both, Some(debounce))
        .map_err(|err| refused("button", settings.button_line, &err))?;
    let light = self::pin(&gpio, "light", settings.light_line)?.into_output_low();

    Ok((
        Box::new(PiButton {
            pin: button,
            line: settings.button_line,
            active_low: settings.active_low,
            clock: EdgeClock::start(),
        }),
        Box::new(PiLight(light)),
    ))
}

fn pin(gpio: &Gpio, role: &'static str, line: u32) -> Result<Pin, PanelError> {
    // Lines beyond 255 do not exist; rppal says so for the last one.
    let number = u8::try_from(line).unwrap_or(u8::MAX);
    gpio.get(number).map_err(|err| refused(role, line, &err))
}

fn refused(role: &'static str, line: u32, err: &Error) -> PanelError {
    PanelError::Line { chip: CHIP.into(), line, role, reason: err.to_string() }
}

struct PiButton {
    pin: InputPin,
    line: u32,
    active_low: bool,
    clock: EdgeClock,
}

impl Button for PiButton {
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError> {
        // A signal ends the wait with an error, too. A line that is lost fails a second time.
        let event = self
            .pin
            .poll_interrupt(false, Some(timeout))
            .or_else(|_| self.pin.poll_interrupt(false, Some(Duration::ZERO)))
            .map_err(|err| PanelError::Read { line: self.line, reason: err.to_string() })?;
        Ok(event.map(|event| {
            let rising = event.trigger == Trigger::RisingEdge;
            Edge { pressed: rising != self.active_low, at: self.clock.place(event.timestamp) }
        }))
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}

struct PiLight(OutputPin);

impl StatusLed for PiLight {
    fn set(&mut self, on: bool) -> Result<(), PanelError> {
        self.0.write(on.into());
        Ok(())
    }
}
