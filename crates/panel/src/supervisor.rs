//! Reopening of button and status LED after a failure.
//!
//! The button's thread opens both. The LED's state is shared, so that a reopened LED shows the
//! current state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Button, Edge, OpenPanel, PanelError, Settings, StatusLed};

/// Delay before the first attempt to reopen; doubled after each failure.
const RETRY_DELAY_MIN: Duration = Duration::from_secs(1);
/// Largest delay between two attempts.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(10);

/// Button and LED that stay usable after a failure.
pub struct Panel {
    /// The button. [`Button::wait`] returns one error for each failure; later calls reopen the panel.
    pub button: Box<dyn Button>,
    /// The LED. [`StatusLed::set`] never fails.
    pub led: Box<dyn StatusLed>,
    /// State of button and LED.
    pub monitor: Monitor,
}

/// State of the panel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PanelState {
    /// Button and LED are open; the text describes chip and lines.
    Ready(String),
    /// The panel is being reopened; the text is the latest error.
    Unavailable(String),
}

impl PanelState {
    /// Returns true if button and LED are open.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }
}

/// Reader of a panel's state, for any thread.
#[derive(Clone)]
pub struct Monitor(Arc<Mutex<Shared>>);

impl Monitor {
    /// Creates a monitor of a panel that cannot fail, such as a simulated one.
    pub fn always_ready(description: &str) -> Self {
        Self(Arc::new(Mutex::new(Shared::new(PanelState::Ready(description.to_owned())))))
    }

    /// Returns the current state.
    pub fn state(&self) -> PanelState {
        lock(&self.0).state.clone()
    }
}

/// Opens the panel that `settings` describe, and reopens it after each failure.
pub fn supervise(settings: &Settings) -> Panel {
    let settings = settings.clone();
    supervise_with(move || crate::open(&settings), SystemClock(Instant::now()))
}

/// Opens the panel with `open`, and reopens it after each failure; `clock` times the attempts.
fn supervise_with(
    open: impl FnMut() -> Result<OpenPanel, PanelError> + Send + 'static,
    clock: impl Clock + 'static,
) -> Panel {
    let shared = Arc::new(Mutex::new(Shared::new(PanelState::Unavailable(String::new()))));
    let mut button = SupervisedButton {
        open: Box::new(open),
        clock: Box::new(clock),
        shared: Arc::clone(&shared),
        button: None,
        next_attempt: Duration::ZERO,
        delay: RETRY_DELAY_MIN,
    };
    button.reopen();
    Panel {
        button: Box::new(button),
        led: Box::new(SupervisedLed(Arc::clone(&shared))),
        monitor: Monitor(shared),
    }
}

/// Time source of the supervisor.
trait Clock: Send {
    /// Returns the time since the start.
    fn now(&self) -> Duration;

    /// Waits for `duration`.
    fn sleep(&self, duration: Duration);
}

/// Monotonic clock of the system.
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// State that the threads of button and LED share.
struct Shared {
    state: PanelState,
    /// The LED; `None` while the panel is unavailable.
    led: Option<Box<dyn StatusLed>>,
    is_lit: bool,
    /// Failure of the LED that the button's thread has not handled yet.
    led_error: Option<PanelError>,
}

impl Shared {
    fn new(state: PanelState) -> Self {
        Self { state, led: None, is_lit: false, led_error: None }
    }

    /// Switches the LED; drops it if that fails.
    fn update_led(&mut self) {
        if let Some(led) = &mut self.led
            && let Err(error) = led.set(self.is_lit)
        {
            self.led = None;
            self.set_unavailable(&error);
            self.led_error = Some(error);
        }
    }

    /// Records an error. Logs it unless the last recorded error is the same.
    fn set_unavailable(&mut self, error: &PanelError) {
        let state = PanelState::Unavailable(error.to_string());
        if self.state != state {
            tracing::error!("{error}; retrying at least every {} s", RETRY_DELAY_MAX.as_secs());
            self.state = state;
        }
    }
}

/// Locks the shared state.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // The state is consistent at each point that can panic.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A button that is reopened together with its LED.
struct SupervisedButton {
    open: Box<dyn FnMut() -> Result<OpenPanel, PanelError> + Send>,
    clock: Box<dyn Clock>,
    shared: Arc<Mutex<Shared>>,
    button: Option<OpenButton>,
    /// Time of the next attempt to open.
    next_attempt: Duration,
    /// Delay after the next failure.
    delay: Duration,
}

/// An open button, and the time of its opening on two clocks.
struct OpenButton {
    button: Box<dyn Button>,
    /// Time on the supervisor's clock.
    supervisor_start: Duration,
    /// The same time on the button's clock.
    button_start: Duration,
}

impl SupervisedButton {
    /// Tries to open button and LED.
    fn reopen(&mut self) {
        match (self.open)() {
            Ok(OpenPanel { button, led, description }) => {
                tracing::info!("the panel is ready: {description}");
                let button_start = button.now();
                let supervisor_start = self.clock.now();
                self.button = Some(OpenButton { button, supervisor_start, button_start });
                self.delay = RETRY_DELAY_MIN;
                let mut shared = lock(&self.shared);
                shared.state = PanelState::Ready(description);
                shared.led = Some(led);
                shared.led_error = None;
                shared.update_led();
            }
            Err(error) => {
                lock(&self.shared).set_unavailable(&error);
                self.schedule_attempt();
            }
        }
    }

    /// Sets the time of the next attempt, and doubles the delay.
    fn schedule_attempt(&mut self) {
        self.next_attempt = self.clock.now().saturating_add(self.delay);
        self.delay = (self.delay * 2).min(RETRY_DELAY_MAX);
    }

    /// Closes button and LED after a failure, so that their lines are free for the next attempt.
    fn close(&mut self, error: &PanelError) {
        self.button = None;
        let mut shared = lock(&self.shared);
        shared.led = None;
        shared.set_unavailable(error);
        drop(shared);
        self.schedule_attempt();
    }

    /// Waits at most `timeout` for the next attempt to open, and makes the attempt if it is due.
    fn wait_and_reopen(&mut self, timeout: Duration) {
        let remaining = self.next_attempt.saturating_sub(self.clock.now());
        self.clock.sleep(remaining.min(timeout));
        if remaining <= timeout {
            self.reopen();
        }
    }
}

impl Button for SupervisedButton {
    fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError> {
        let led_error = lock(&self.shared).led_error.take();
        if let Some(error) = led_error {
            self.close(&error);
            return Err(error);
        }
        let Some(OpenButton { button, supervisor_start, button_start }) = &mut self.button else {
            self.wait_and_reopen(timeout);
            return Ok(None);
        };
        match button.wait(timeout) {
            Ok(edge) => Ok(edge.map(|Edge { is_pressed, at }| Edge {
                is_pressed,
                at: supervisor_start.saturating_add(at.saturating_sub(*button_start)),
            })),
            Err(error) => {
                self.close(&error);
                Err(error)
            }
        }
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}

/// An LED that has the same state after it is reopened.
struct SupervisedLed(Arc<Mutex<Shared>>);

impl StatusLed for SupervisedLed {
    fn set(&mut self, is_lit: bool) -> Result<(), PanelError> {
        let mut shared = lock(&self.0);
        shared.is_lit = is_lit;
        shared.update_led();
        Ok(())
    }
}

impl Drop for SupervisedLed {
    fn drop(&mut self) {
        lock(&self.0).is_lit = false;
        lock(&self.0).update_led();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;
    use crate::Role;

    /// A machine with a removable panel. Only waiting advances its clock.
    #[derive(Default)]
    struct Machine {
        now: Mutex<Duration>,
        has_chip: AtomicBool,
        is_button_broken: AtomicBool,
        is_led_broken: AtomicBool,
        is_pressed: AtomicBool,
        is_lit: AtomicBool,
        attempts: Mutex<Vec<Duration>>,
    }

    impl Machine {
        fn time(&self) -> Duration {
            *self.now.lock().unwrap()
        }

        fn advance(&self, duration: Duration) {
            *self.now.lock().unwrap() += duration;
        }
    }

    struct SimulatedClock(Arc<Machine>);

    impl Clock for SimulatedClock {
        fn now(&self) -> Duration {
            self.0.time()
        }

        fn sleep(&self, duration: Duration) {
            self.0.advance(duration);
        }
    }

    /// A driver's button, whose clock starts when it is opened.
    struct DriverButton(Arc<Machine>, Duration);

    impl Button for DriverButton {
        fn wait(&mut self, timeout: Duration) -> Result<Option<Edge>, PanelError> {
            self.0.advance(timeout);
            if self.0.is_button_broken.load(Relaxed) {
                return Err(PanelError::Read { line: 17, reason: "No such device".into() });
            }
            let is_pressed = self.0.is_pressed.swap(false, Relaxed);
            Ok(is_pressed.then(|| Edge { is_pressed, at: self.now() }))
        }

        fn now(&self) -> Duration {
            self.0.time() - self.1
        }
    }

    struct DriverLed(Arc<Machine>);

    impl StatusLed for DriverLed {
        fn set(&mut self, is_lit: bool) -> Result<(), PanelError> {
            if self.0.is_led_broken.load(Relaxed) {
                return Err(PanelError::Write { line: 27, reason: "No such device".into() });
            }
            self.0.is_lit.store(is_lit, Relaxed);
            Ok(())
        }
    }

    fn panel(has_chip: bool) -> (Arc<Machine>, Panel) {
        let machine = Arc::new(Machine { has_chip: has_chip.into(), ..Machine::default() });
        let chip_machine = Arc::clone(&machine);
        let open = move || {
            chip_machine.attempts.lock().unwrap().push(chip_machine.time());
            if !chip_machine.has_chip.load(Relaxed) {
                return Err(PanelError::NoChip { configured: "auto".into(), found: "none".into() });
            }
            Ok(OpenPanel {
                button: Box::new(DriverButton(Arc::clone(&chip_machine), chip_machine.time())),
                led: Box::new(DriverLed(Arc::clone(&chip_machine))),
                description: "simulated chip".into(),
            })
        };
        let panel = supervise_with(open, SimulatedClock(Arc::clone(&machine)));
        (machine, panel)
    }

    /// Waits for edges, in steps of half a second as the daemon does.
    fn wait_for_edges(panel: &mut Panel, seconds: u64) -> Vec<Result<Option<Edge>, String>> {
        let step = Duration::from_millis(500);
        (0..seconds * 2).map(|_| panel.button.wait(step).map_err(|e| e.to_string())).collect()
    }

    fn current_error(panel: &Panel) -> String {
        match panel.monitor.state() {
            PanelState::Unavailable(error) => error,
            PanelState::Ready(description) => panic!("ready: {description}"),
        }
    }

    #[test]
    fn missing_chip_is_retried_with_back_off() {
        let (machine, mut panel) = panel(false);
        assert!(current_error(&panel).contains("this machine has none"));
        assert!(wait_for_edges(&mut panel, 60).iter().all(|waited| *waited == Ok(None)));
        let seconds: Vec<_> =
            machine.attempts.lock().unwrap().iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 1, 3, 7, 15, 25, 35, 45, 55]);
        assert_eq!(machine.time(), Duration::from_secs(60), "the clock advances by the timeouts");
    }

    #[test]
    fn new_chip_is_used_with_current_led_state() {
        let (machine, mut panel) = panel(false);
        panel.led.set(true).unwrap();
        wait_for_edges(&mut panel, 60);
        machine.has_chip.store(true, Relaxed);
        wait_for_edges(&mut panel, 10);
        assert_eq!(panel.monitor.state(), PanelState::Ready("simulated chip".into()));
        assert!(machine.is_lit.load(Relaxed));
        machine.is_pressed.store(true, Relaxed);
        let edge = panel.button.wait(Duration::from_millis(1)).unwrap().unwrap();
        assert_eq!((edge.at, panel.button.now()), (machine.time(), machine.time()));
    }

    #[test]
    fn lost_button_causes_one_error_and_is_reopened() {
        let (machine, mut panel) = panel(true);
        assert_eq!(wait_for_edges(&mut panel, 1), [Ok(None), Ok(None)]);
        machine.is_button_broken.store(true, Relaxed);
        machine.has_chip.store(false, Relaxed);
        let waited = wait_for_edges(&mut panel, 5);
        assert_eq!(waited.iter().filter(|waited| waited.is_err()).count(), 1, "{waited:?}");
        assert!(waited[0].is_err());
        machine.is_button_broken.store(false, Relaxed);
        machine.has_chip.store(true, Relaxed);
        wait_for_edges(&mut panel, 10);
        assert!(matches!(panel.monitor.state(), PanelState::Ready(_)));
    }

    #[test]
    fn lost_led_reopens_panel() {
        let (machine, mut panel) = panel(true);
        machine.is_led_broken.store(true, Relaxed);
        panel.led.set(true).unwrap();
        assert!(current_error(&panel).contains("cannot switch the status LED on GPIO line 27"));
        assert!(panel.button.wait(Duration::from_millis(1)).is_err());
        machine.is_led_broken.store(false, Relaxed);
        wait_for_edges(&mut panel, 2);
        assert!(matches!(panel.monitor.state(), PanelState::Ready(_)));
        assert!(machine.is_lit.load(Relaxed));
        drop(panel.led);
        assert!(!machine.is_lit.load(Relaxed), "a dropped LED is off");
    }

    #[test]
    fn state_contains_latest_error() {
        let (machine, panel) = panel(true);
        let busy = PanelError::Line {
            chip: "/dev/gpiochip11 (pinctrl-rp1)".into(),
            line: crate::GpioLine::Name("GPIO17".into()),
            role: Role::Button,
            reason: "the line is in use by spi0".into(),
        };
        lock(&panel.monitor.0).set_unavailable(&busy);
        let error = current_error(&panel);
        assert!(error.contains("in use by spi0") && error.contains("panel.button_line"), "{error}");
        drop(machine);
    }
}
