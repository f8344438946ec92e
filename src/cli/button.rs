//! `instored button`: presses the simulated button of a running box.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;

use super::vault_client::UNEXPECTED_RESPONSE;
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};
use crate::daemon::send_admin_request;

/// Duration of `instored button press`.
const PRESS_DURATION: Duration = Duration::from_millis(250);
/// Accepted durations of `instored button hold`, in seconds.
const HOLD_SECONDS: std::ops::RangeInclusive<f64> = 0.1..=60.0;

/// Actions of the simulated button.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Press the button once: request an enrolment or agree to it, or request recognition
    Press,
    /// Hold the button: withdraw, if it is held for panel.hold_seconds (default: 5)
    Hold {
        /// Duration, from 0.1 to 60 seconds
        #[arg(value_parser = hold_duration)]
        seconds: Duration,
    },
}

/// Parses a duration in seconds.
fn hold_duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| HOLD_SECONDS.contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        format!("not a number of seconds from {} to {}", HOLD_SECONDS.start(), HOLD_SECONDS.end())
    })
}

/// Presses the button and returns when its release is accepted, after the debounce time. An earlier press would
/// count as a bounce.
pub(super) fn run(action: &Action, config: &Config) -> anyhow::Result<ExitCode> {
    let duration = match action {
        Action::Press => PRESS_DURATION,
        Action::Hold { seconds } => *seconds,
    };
    let socket = config.socket_path();
    match send_admin_request(&socket, &Request::HoldButton { duration })? {
        Some(Ok(Response::ButtonHeld)) => {
            let debounce = Duration::from_millis(config.panel.debounce_ms);
            std::thread::sleep(duration + 2 * debounce);
            Ok(ExitCode::SUCCESS)
        }
        Some(Ok(_)) => bail!(UNEXPECTED_RESPONSE),
        Some(Err(failure)) => Err(failure.into()),
        None => bail!(
            "no daemon runs at {}: start `instored run` with panel.driver = \"simulated\", or check \
             runtime_dir",
            socket.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_duration_outside_limits_is_rejected() {
        for (text, expected) in [
            ("0.1", Some(Duration::from_millis(100))),
            ("6", Some(Duration::from_secs(6))),
            ("60", Some(Duration::from_secs(60))),
            ("0", None),
            ("0.09", None),
            ("60.1", None),
            ("-1", None),
            ("inf", None),
            ("NaN", None),
            ("long", None),
        ] {
            assert_eq!(hold_duration(text).ok(), expected, "{text}");
        }
    }
}
