//! Delays between the sessions of a connection, and the log of an outage.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use super::error::OutageCause;

/// Delays after another client took over the session: from 5–10 s, doubled each time, up to 150–300 s.
/// Otherwise, two boxes with the same name would disconnect each other every few seconds.
const TAKEOVER_DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_secs(5))
    .with_max_delay(Duration::from_secs(150))
    .with_jitter()
    .without_max_times();
/// Number of successive sessions closed without a reason that are treated as a takeover by another
/// client. mosquitto sends the reason in a form that `rumqttc` 0.25 ignores.
const CLOSED_SESSIONS_MIN: u32 = 2;
/// Ratio of a session's duration to the delay before it, from which on the session does not count as
/// part of repeated takeovers. In repeated takeovers, a session lasts about as long as the delay,
/// because both clients wait about the same time.
const TAKEOVER_SESSION_FACTOR: u32 = 8;
/// Duration after which a session counts as stable: the next outage starts with the shortest delay.
const STABLE_SESSION_TIME: Duration = Duration::from_secs(10);
const LOGGED_CAUSES_MAX: usize = 8;

/// Delays between the sessions of a connection.
pub(super) struct Reconnection {
    usual_delays: ExponentialBuilder,
    client_id: String,
    delays: ExponentialBackoff,
    takeover_delays: ExponentialBackoff,
    /// Number of successive sessions that the broker closed without a reason.
    closed_sessions: u32,
    last_delay: Duration,
}

impl Reconnection {
    pub fn new(usual_delays: ExponentialBuilder, client_id: String) -> Self {
        Self {
            delays: usual_delays.build(),
            usual_delays,
            client_id,
            takeover_delays: TAKEOVER_DELAYS.build(),
            closed_sessions: 0,
            last_delay: Duration::ZERO,
        }
    }

    /// Returns the cause to report and the delay before the next session. `was_ready` is true if the
    /// subscriptions of the lost session were acknowledged.
    pub fn next_attempt(
        &mut self,
        cause: OutageCause,
        was_ready: bool,
        session_time: Duration,
    ) -> (OutageCause, Duration) {
        if session_time >= self.last_delay * TAKEOVER_SESSION_FACTOR {
            self.takeover_delays = TAKEOVER_DELAYS.build();
            self.closed_sessions = 0;
        }
        if cause == OutageCause::Closed && was_ready {
            self.closed_sessions += 1;
        } else {
            self.closed_sessions = 0;
        }
        let cause = match cause {
            OutageCause::Closed if self.closed_sessions >= CLOSED_SESSIONS_MIN => {
                OutageCause::RepeatedlyClosed(self.client_id.clone())
            }
            OutageCause::SessionTakenOver(_) => {
                OutageCause::SessionTakenOver(self.client_id.clone())
            }
            cause => cause,
        };
        // Without an acknowledgement, the time-out already limits the rate of sessions.
        if session_time >= STABLE_SESSION_TIME || matches!(cause, OutageCause::NoAcknowledgement(_))
        {
            self.delays = self.usual_delays.build();
        }
        let delays = match cause {
            OutageCause::RepeatedlyClosed(_) | OutageCause::SessionTakenOver(_) => {
                &mut self.takeover_delays
            }
            _ => &mut self.delays,
        };
        self.last_delay = delays.next().unwrap_or_default();
        (cause, self.last_delay)
    }
}

/// Log of the current outage.
#[derive(Default)]
pub(super) struct OutageLog {
    since: Option<Instant>,
    has_connected: bool,
    logged_causes: Vec<OutageCause>,
}

impl OutageLog {
    /// Logs a failed attempt, if its cause is new in this outage.
    pub fn record(&mut self, broker: &str, cause: OutageCause) {
        self.since.get_or_insert_with(Instant::now);
        // The number of causes is limited, because their text may differ at each attempt.
        if !self.logged_causes.contains(&cause) && self.logged_causes.len() < LOGGED_CAUSES_MAX {
            tracing::warn!("no connection to the MQTT broker at {broker}: {cause}. Trying again");
            self.logged_causes.push(cause);
        }
    }

    /// Logs that the connection exists, and ends the outage. A session that replaces another one is not logged.
    pub fn end(&mut self, broker: &str) {
        match self.since.take() {
            Some(since) => {
                let seconds = since.elapsed().as_secs();
                tracing::info!("connected to the MQTT broker at {broker} again after {seconds} s");
            }
            None if self.has_connected => {}
            None => tracing::info!("connected to the MQTT broker at {broker}"),
        }
        self.has_connected = true;
        self.logged_causes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the causes and delays of sessions that end with `cause` after `session_time`.
    fn reconnections(cause: &OutageCause, session_time: Duration) -> Vec<(OutageCause, Duration)> {
        let usual =
            ExponentialBuilder::new().with_min_delay(Duration::from_millis(250)).with_jitter();
        let mut reconnection = Reconnection::new(usual, "instored-door-1".to_owned());
        let mut last_delay = Duration::ZERO;
        let next_attempt = || {
            let time = session_time.max(last_delay);
            let (cause, delay) = reconnection.next_attempt(cause.clone(), true, time);
            last_delay = delay;
            (cause, delay)
        };
        std::iter::repeat_with(next_attempt).take(12).collect()
    }

    #[test]
    fn repeated_takeover_is_reported_and_slowed_down() {
        let name = "instored-door-1".to_owned();
        let taken_over = OutageCause::SessionTakenOver(String::new());
        for (cause, reported, skipped) in [
            (taken_over, OutageCause::SessionTakenOver(name.clone()), 0),
            (OutageCause::Closed, OutageCause::RepeatedlyClosed(name), 1),
        ] {
            let reconnections = reconnections(&cause, Duration::from_millis(1));
            for (cause, delay) in &reconnections[skipped..] {
                assert_eq!(*cause, reported);
                assert!(*delay >= Duration::from_secs(5), "{delay:?}");
            }
            assert!(reconnections[11].1 >= Duration::from_secs(150), "{reconnections:?}");
            let text = reported.to_string();
            assert!(text.contains("instored-door-1") && text.contains("box_name"), "{text}");
        }
    }

    #[test]
    fn rarely_closed_connections_are_no_takeover() {
        let reconnections = reconnections(&OutageCause::Closed, Duration::from_secs(60));
        for (cause, delay) in reconnections {
            assert_eq!(cause, OutageCause::Closed);
            assert!(delay <= Duration::from_millis(500), "{delay:?}");
        }
    }
}
