//! The threads of the button and of the light.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use instored_panel::{Button, ButtonEvent, LedSignal, PressDetector, Settings, StatusLed};
use tokio::sync::mpsc;

/// How long the button is waited for before the thread sees whether anyone still listens.
const PATIENCE: Duration = Duration::from_millis(500);

/// Starts the thread of the button; it ends when nobody listens any more.
pub(super) fn start_button_thread(
    mut button: Box<dyn Button>,
    settings: &Settings,
) -> std::io::Result<mpsc::UnboundedReceiver<ButtonEvent>> {
    let (tell, presses) = mpsc::unbounded_channel();
    let mut detector = PressDetector::from_settings(settings);
    std::thread::Builder::new().name("button".into()).spawn(move || {
        while !tell.is_closed() {
            let now = button.now();
            let patience =
                detector.deadline().map_or(PATIENCE, |d| d.saturating_sub(now)).min(PATIENCE);
            let pressed = match button.wait(patience) {
                Ok(Some(edge)) => detector.edge(edge),
                Ok(None) => detector.advance(button.now()),
                Err(e) => return tracing::error!("{e}; the box goes on without its button"),
            };
            for press in pressed {
                // Nobody listens: the loop ends.
                let _ = tell.send(press);
            }
        }
    })?;
    Ok(presses)
}

/// The light, as the daemon sees it.
pub(super) struct LedHandle(Sender<LedSignal>);

impl LedHandle {
    /// Starts the thread of the light; it ends, and leaves the light dark, with the lamp.
    pub fn new(light: Box<dyn StatusLed>) -> std::io::Result<Self> {
        let (show, shown) = channel();
        std::thread::Builder::new().name("light".into()).spawn(move || {
            if let Err(e) = shine(light, &shown) {
                tracing::error!("{e}; the box goes on without its light");
            }
        })?;
        Ok(Self(show))
    }

    /// Shows a signal. One that does not repeat is shown once, then the one before it again.
    pub fn show(&self, signal: LedSignal) {
        // A light that broke was reported by its thread.
        let _ = self.0.send(signal);
    }
}

fn shine(
    mut light: Box<dyn StatusLed>,
    shown: &Receiver<LedSignal>,
) -> Result<(), instored_panel::PanelError> {
    let mut lasting = LedSignal::Idle;
    let mut current = LedSignal::Idle;
    let mut began = Instant::now();
    loop {
        let elapsed = began.elapsed();
        if current.duration().is_some_and(|length| elapsed >= length) {
            (current, began) = (lasting, Instant::now());
            continue;
        }
        light.set(current.is_on(elapsed))?;
        let pause = current.time_to_change(elapsed).unwrap_or(PATIENCE);
        match shown.recv_timeout(pause) {
            Ok(signal) if signal.duration().is_some() => {
                (current, began) = (signal, Instant::now())
            }
            // A flash is finished first.
            Ok(signal) if current.duration().is_some() => lasting = signal,
            Ok(signal) if signal == current => lasting = signal,
            Ok(signal) => (lasting, current, began) = (signal, signal, Instant::now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return light.set(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use instored_simulation::panel;

    use super::*;

    #[test]
    fn a_hold_is_reported_and_the_light_goes_dark_with_the_lamp() {
        let (button, light, hand) = panel::panel(panel::Clock::stepped());
        let settings = confique::Config::builder().load().unwrap();
        let mut presses = start_button_thread(Box::new(button), &settings).unwrap();
        hand.hold(Duration::from_secs(6));
        assert_eq!(presses.blocking_recv(), Some(ButtonEvent::HoldStarted));
        assert_eq!(presses.blocking_recv(), Some(ButtonEvent::HoldCompleted));

        let lamp = LedHandle::new(Box::new(light)).unwrap();
        lamp.show(LedSignal::Succeeded);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !hand.is_lit() {
            assert!(Instant::now() < deadline, "the light was never lit");
            std::thread::yield_now();
        }
        drop(lamp);
        while hand.is_lit() {
            assert!(Instant::now() < deadline, "the light stayed lit");
            std::thread::yield_now();
        }
    }
}
