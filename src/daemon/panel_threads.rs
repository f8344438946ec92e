//! Threads of the button and the status LED.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use instored_panel::{
    Button, ButtonEvent, LedSignal, PanelError, PressDetector, Settings, StatusLed,
};
use tokio::sync::mpsc;

/// Maximum time between two checks whether the daemon has stopped.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Maximum number of button events that wait for the main loop. The button thread waits while the queue is
/// full.
const EVENT_QUEUE_LENGTH: usize = 16;

/// Starts the button thread. It ends when the receiver is dropped.
pub(super) fn start_button_thread(
    mut button: Box<dyn Button>,
    settings: &Settings,
) -> std::io::Result<mpsc::Receiver<ButtonEvent>> {
    let (sender, events) = mpsc::channel(EVENT_QUEUE_LENGTH);
    let mut detector = PressDetector::from_settings(settings);
    std::thread::Builder::new().name("button".into()).spawn(move || {
        while !sender.is_closed() {
            let now = button.now();
            let timeout = detector
                .deadline()
                .map_or(POLL_INTERVAL, |deadline| deadline.saturating_sub(now))
                .min(POLL_INTERVAL);
            let detected = match button.wait(timeout) {
                Ok(Some(edge)) => detector.edge(edge),
                Ok(None) => detector.advance(button.now()),
                // The panel's supervisor logs the error, and reopens the button.
                Err(_) => detector.reset().into_iter().collect(),
            };
            for event in detected {
                // Fails if the daemon has stopped. The loop then ends.
                let _ = sender.blocking_send(event);
            }
        }
    })?;
    Ok(events)
}

/// Handle to the thread of the status LED.
pub(super) struct LedHandle(Sender<LedSignal>);

impl LedHandle {
    /// Starts the LED thread. When the handle is dropped, the thread switches the LED off and ends.
    pub fn new(led: Box<dyn StatusLed>) -> std::io::Result<Self> {
        let (sender, signals) = channel();
        std::thread::Builder::new().name("led".into()).spawn(move || {
            if let Err(error) = show_signals(led, &signals) {
                tracing::error!("{error}; the box continues without its status LED");
            }
        })?;
        Ok(Self(sender))
    }

    /// Shows a signal. After a signal with a duration, the latest signal without a duration follows.
    pub fn show(&self, signal: LedSignal) {
        // Fails if the LED thread has ended with an error, which is in the log.
        let _ = self.0.send(signal);
    }
}

/// Shows the received signals until the sender is dropped.
fn show_signals(
    mut led: Box<dyn StatusLed>,
    signals: &Receiver<LedSignal>,
) -> Result<(), PanelError> {
    let mut background = LedSignal::Idle;
    let mut current = LedSignal::Idle;
    let mut started = Instant::now();
    loop {
        let elapsed = started.elapsed();
        if current.duration().is_some_and(|duration| elapsed >= duration) {
            (current, started) = (background, Instant::now());
            continue;
        }
        led.set(current.is_on(elapsed))?;
        let timeout = current.time_to_change(elapsed).unwrap_or(POLL_INTERVAL);
        match signals.recv_timeout(timeout) {
            Ok(signal) if signal.duration().is_some() => {
                (current, started) = (signal, Instant::now());
            }
            // While a signal with a duration is shown, a signal without one only replaces `background`. A
            // repetition of the current signal does not restart it.
            Ok(signal) if current.duration().is_some() || signal == current => background = signal,
            Ok(signal) => (background, current, started) = (signal, signal, Instant::now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return led.set(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use instored_simulation::panel;

    use super::*;

    /// Waits until the simulated LED is on or off.
    fn wait_until_led(handle: &panel::PanelHandle, is_on: bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while handle.is_lit() != is_on {
            assert!(Instant::now() < deadline, "the LED has not changed to is_on = {is_on}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn hold_is_reported_as_started_and_completed() {
        let (button, _, handle) = panel::panel(panel::Clock::stepped());
        let settings = confique::Config::builder().load().unwrap();
        let mut events = start_button_thread(Box::new(button), &settings).unwrap();
        handle.hold(Duration::from_secs(6));
        assert_eq!(events.blocking_recv(), Some(ButtonEvent::HoldStarted));
        assert_eq!(events.blocking_recv(), Some(ButtonEvent::HoldCompleted));
    }

    #[test]
    fn dropped_led_handle_switches_led_off() {
        let (_, led, handle) = panel::panel(panel::Clock::stepped());
        let led = LedHandle::new(Box::new(led)).unwrap();
        led.show(LedSignal::Succeeded);
        wait_until_led(&handle, true);
        drop(led);
        wait_until_led(&handle, false);
    }
}
