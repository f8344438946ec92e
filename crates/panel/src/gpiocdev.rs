//! Driver for the kernel's GPIO character device (uAPI v2, Linux 5.10 or later).
//!
//! The kernel debounces the edges, stores their times and queues them, so that a busy process loses
//! no edge.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};

use crate::chips::{self, Chip, ChipSource, Selection};
use crate::edge_clock::EdgeClock;
use crate::{Button, Edge, GpioLine, OpenPanel, PanelError, Pull, Role, Settings, StatusLed};

/// Name of this program in the output of `gpioinfo`, where it is the consumer of the lines.
const CONSUMER: &str = "instored";

/// The GPIO chips in `/dev`.
struct CharacterDevices;

impl ChipSource for CharacterDevices {
    fn paths(&self) -> Vec<PathBuf> {
        gpiocdev::chip::chips().unwrap_or_default()
    }

    fn read(&self, path: &Path) -> Result<Chip, String> {
        let read = || -> gpiocdev::Result<Chip> {
            let chip = gpiocdev::Chip::from_path(path)?;
            let label = chip.info()?.label;
            let line_names = chip
                .line_info_iter()?
                .map(|line| line.map(|line| line.name))
                .collect::<Result<_, _>>()?;
            Ok(Chip { path: chip.path().to_owned(), label, line_names })
        };
        read().map_err(|err| err.to_string())
    }
}

/// Opens button and LED.
pub(super) fn open(settings: &Settings) -> Result<OpenPanel, PanelError> {
    let selection = chips::select(&CharacterDevices, settings)?;
    let Selection { chip, button_line, led_line } = &selection;
    let line_error = |line: &GpioLine, number: u32, role: Role| {
        let (chip, line) = (chip.clone(), line.clone());
        move |err: gpiocdev::Error| PanelError::Line {
            chip: chip.describe(),
            line,
            role,
            reason: consumer(&chip, number).map_or_else(|| err.to_string(), in_use_reason),
        }
    };

    let mut request = Request::builder();
    request.on_chip(&chip.path).with_consumer(CONSUMER).with_line(*button_line);
    request.as_input().with_edge_detection(EdgeDetection::BothEdges);
    if settings.active_low {
        request.as_active_low();
    }
    request.with_bias(match settings.pull {
        Pull::Up => Bias::PullUp,
        Pull::Down => Bias::PullDown,
        Pull::None => Bias::Disabled,
    });
    request.with_debounce_period(Duration::from_millis(settings.debounce_ms));
    let button =
        request.request().map_err(line_error(&settings.button_line, *button_line, Role::Button))?;

    let led = Request::builder()
        .on_chip(&chip.path)
        .with_consumer(CONSUMER)
        .with_line(*led_line)
        .as_output(Value::Inactive)
        .request()
        .map_err(line_error(&settings.light_line, *led_line, Role::StatusLed))?;

    Ok(OpenPanel {
        button: Box::new(CdevButton {
            request: button,
            line: *button_line,
            clock: EdgeClock::start(),
        }),
        led: Box::new(CdevLed { request: led, line: *led_line }),
        description: describe(&selection),
    })
}

/// Checks that another process of this program holds both lines, and describes the panel.
pub(super) fn check_held(settings: &Settings) -> Result<String, PanelError> {
    let selection = chips::select(&CharacterDevices, settings)?;
    let Selection { chip, button_line, led_line } = &selection;
    for (line, number, role) in [
        (&settings.button_line, *button_line, Role::Button),
        (&settings.light_line, *led_line, Role::StatusLed),
    ] {
        let (chip_name, line) = (chip.describe(), line.clone());
        match consumer(chip, number) {
            Some(consumer) if consumer == CONSUMER => {}
            Some(consumer) => {
                let reason = in_use_reason(consumer);
                return Err(PanelError::Line { chip: chip_name, line, role, reason });
            }
            None => return Err(PanelError::NotHeld { chip: chip_name, line, role }),
        }
    }
    Ok(format!("{}, in use by the running daemon", describe(&selection)))
}

/// Returns the name of the program or driver that uses a line; `None` if the line is free.
fn consumer(chip: &Chip, line: u32) -> Option<String> {
    let chip = gpiocdev::Chip::from_path(&chip.path).ok()?;
    let info = chip.line_info(line).ok()?;
    info.used.then_some(info.consumer)
}

/// Returns the reason why a used line cannot be requested.
fn in_use_reason(consumer: String) -> String {
    if consumer.is_empty() {
        "the line is in use".to_owned()
    } else {
        format!("the line is in use by {consumer}")
    }
}

/// Describes chip and lines.
fn describe(Selection { chip, button_line, led_line }: &Selection) -> String {
    let chip = chip.describe();
    format!("GPIO chip {chip}: button on line {button_line}, status LED on line {led_line}")
}

/// A button on a requested line.
struct CdevButton {
    request: Request,
    line: u32,
    clock: EdgeClock,
}

impl Button for CdevButton {
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError> {
        let read_error =
            |err: gpiocdev::Error| PanelError::Read { line: self.line, reason: err.to_string() };
        // An interrupting signal also causes an error, so the wait is repeated once. If the line is
        // lost, the repetition fails.
        let has_edge = self
            .request
            .wait_edge_event(timeout)
            .or_else(|_| self.request.wait_edge_event(Duration::ZERO))
            .map_err(read_error)?;
        if !has_edge {
            return Ok(None);
        }
        let event = self.request.read_edge_event().map_err(read_error)?;
        // The kernel reports edges of the logical level: rising means pressed, also if active low.
        let is_pressed = event.kind == EdgeKind::Rising;
        let at = self.clock.convert(Duration::from_nanos(event.timestamp_ns));
        Ok(Some(Edge { is_pressed, at }))
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}

/// An LED on a requested line.
struct CdevLed {
    request: Request,
    line: u32,
}

impl StatusLed for CdevLed {
    fn set(&mut self, is_lit: bool) -> Result<(), PanelError> {
        let value = if is_lit { Value::Active } else { Value::Inactive };
        self.request
            .set_lone_value(value)
            .map_err(|err| PanelError::Write { line: self.line, reason: err.to_string() })
    }
}

/// Switches the LED off, because a released line may keep its level.
impl Drop for CdevLed {
    fn drop(&mut self) {
        if let Err(err) = self.set(false) {
            tracing::debug!(%err, "the status LED may still be on");
        }
    }
}
