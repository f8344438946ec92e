//! Connection loop, which runs one session after another until it is stopped.
//!
//! Each session uses a new `rumqttc` client, because a client with the state of an earlier session would
//! hang. At most one publish waits for its acknowledgement. Packet ids therefore cannot run out or
//! collide. A session ends if an acknowledgement does not arrive in time; the next session sends the
//! message again. After a deletion, a new session replaces the present one: the buffers of `rumqttc`
//! contain earlier messages until they are freed.

use std::pin::pin;

use tokio::time::{Instant, sleep};

use super::error::OutageCause;
use super::reconnection::{OutageLog, Reconnection};
use super::session::{Session, SessionEnd, SessionHandler};
use super::session_config::SessionConfig;
#[cfg(test)]
use super::session_config::Timing;

/// MQTT connection that reconnects after an outage.
#[must_use = "nothing is sent or received until the connection runs"]
pub struct Connection {
    config: SessionConfig,
    handler: Box<dyn SessionHandler>,
}

impl Connection {
    pub(super) fn new(config: SessionConfig, handler: impl SessionHandler + 'static) -> Self {
        Self { config, handler: Box::new(handler) }
    }

    pub(super) fn into_handler(self) -> Box<dyn SessionHandler> {
        self.handler
    }

    #[cfg(test)]
    pub(super) fn timing_mut(&mut self) -> &mut Timing {
        &mut self.config.timing
    }

    /// Keeps the connection until `stop` completes. Then sends the queued messages and the final
    /// message, and disconnects. This takes at most two seconds. During an outage, each cause is logged
    /// once; the end of the outage is logged too.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut reconnection =
            Reconnection::new(self.config.timing.reconnect_delays, self.config.options.client_id());
        let mut outage = OutageLog::default();
        let mut is_replacement = false;
        loop {
            let started = Instant::now();
            let handler = self.handler.as_mut();
            let mut session = Session::new(&self.config, handler, &mut outage, is_replacement);
            let end = session.run(stop.as_mut()).await;
            let is_stopping = session.is_stopping();
            let was_ready = session.is_ready();
            is_replacement = matches!(end, SessionEnd::Renewed);
            if is_replacement {
                continue;
            }
            let was_silent = matches!(
                end,
                SessionEnd::Lost(OutageCause::NoResponse | OutageCause::NoAcknowledgement(_))
            );
            self.handler.on_disconnected(was_silent);
            let SessionEnd::Lost(cause) = end else {
                return;
            };
            // The connection was lost during the stop. No further session sends the final message,
            // because the broker publishes the will instead.
            if is_stopping {
                return;
            }
            let (reported_cause, delay) =
                reconnection.next_attempt(cause, was_ready, started.elapsed());
            outage.record(&self.config.broker_address, reported_cause);
            tokio::select! {
                () = &mut stop => return,
                () = sleep(delay) => {}
            }
        }
    }
}
