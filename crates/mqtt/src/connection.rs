//! Connection loop: runs one session after the other until it is stopped.
//!
//! Each session uses a new `rumqttc` client without state of earlier sessions, and at most one publish
//! waits for its acknowledgement. Packet ids therefore neither run out nor collide; `rumqttc` would
//! otherwise hang after a lost session. A session ends if an acknowledgement does not arrive in time;
//! the next session sends the message again.

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

    #[cfg(test)]
    pub(super) fn timing_mut(&mut self) -> &mut Timing {
        &mut self.config.timing
    }

    /// Keeps the connection until `stop` completes. Then it sends the queued messages and the final
    /// message and disconnects, within two seconds. The log reports each cause of an outage once, and
    /// the end of the outage once.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut reconnection =
            Reconnection::new(self.config.timing.reconnect_delays, self.config.options.client_id());
        let mut outage = OutageLog::default();
        loop {
            let started = Instant::now();
            let mut session = Session::new(&self.config, self.handler.as_mut(), &mut outage);
            let end = session.run(stop.as_mut()).await;
            let is_stopping = session.is_stopping();
            let was_ready = session.is_ready();
            let was_silent = matches!(
                end,
                SessionEnd::Lost(OutageCause::NoResponse | OutageCause::NoAcknowledgement(_))
            );
            self.handler.on_disconnected(was_silent);
            let SessionEnd::Lost(cause) = end else {
                return;
            };
            // The broker closed before it received the final message: it publishes the will instead.
            if is_stopping {
                return;
            }
            let (cause, delay) = reconnection.next(cause, was_ready, started.elapsed());
            outage.record(&self.config.broker_address, cause);
            tokio::select! {
                () = &mut stop => return,
                () = sleep(delay) => {}
            }
        }
    }
}
