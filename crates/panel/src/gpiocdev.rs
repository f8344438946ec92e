//! Button and light on the kernel's GPIO character device (uAPI v2).
//!
//! The kernel debounces and stamps the edges, so none is lost while this process is busy.

use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};

use super::edge_clock::EdgeClock;
use super::{Button, Edge, Panel, PanelError, Pull, Settings, StatusLed};

/// Name under which the lines show up in `gpioinfo`.
const CONSUMER: &str = "instored";

pub(super) fn open(settings: &Settings) -> Result<Panel, PanelError> {
    let chip = || settings.chip.clone();
    gpiocdev::Chip::from_path(&settings.chip)
        .map_err(|err| PanelError::Chip { chip: chip(), reason: err.to_string() })?;
    let line = |role, line| {
        move |err: gpiocdev::Error| {
            let chip = settings.chip.clone();
            PanelError::Line { chip, line, role, reason: err.to_string() }
        }
    };

    let mut request = Request::builder();
    request.on_chip(&settings.chip).with_consumer(CONSUMER).with_line(settings.button_line);
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
    let button = request.request().map_err(line("button", settings.button_line))?;

    let light = Request::builder()
        .on_chip(&settings.chip)
        .with_consumer(CONSUMER)
        .with_line(settings.light_line)
        .as_output(Value::Inactive)
        .request()
        .map_err(line("light", settings.light_line))?;

    Ok((
        Box::new(CdevButton {
            request: button,
            line: settings.button_line,
            clock: EdgeClock::start(),
        }),
        Box::new(CdevLight { request: light, line: settings.light_line }),
    ))
}

struct CdevButton {
    request: Request,
    line: u32,
    clock: EdgeClock,
}

impl Button for CdevButton {
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError> {
        let failed =
            |err: gpiocdev::Error| PanelError::Read { line: self.line, reason: err.to_string() };
        // A signal ends the wait with an error, too. A line that is lost fails a second time.
        let waited = self.request.wait_edge_event(timeout);
        if !waited.or_else(|_| self.request.wait_edge_event(Duration::ZERO)).map_err(failed)? {
            return Ok(None);
        }
        let event = self.request.read_edge_event().map_err(failed)?;
        // Edges of the logical value: with an active-low button, rising is going down.
        let pressed = event.kind == EdgeKind::Rising;
        Ok(Some(Edge { pressed, at: self.clock.place(Duration::from_nanos(event.timestamp_ns)) }))
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}

struct CdevLight {
    request: Request,
    line: u32,
}

impl StatusLed for CdevLight {
    fn set(&mut self, on: bool) -> Result<(), PanelError> {
        let value = if on { Value::Active } else { Value::Inactive };
        self.request
            .set_lone_value(value)
            .map_err(|err| PanelError::Write { line: self.line, reason: err.to_string() })
    }
}

/// A released line may keep its level: the light of a stopped box must not go on signalling.
impl Drop for CdevLight {
    fn drop(&mut self) {
        if let Err(err) = self.set(false) {
            tracing::warn!(%err, "the light may still be on");
        }
    }
}
