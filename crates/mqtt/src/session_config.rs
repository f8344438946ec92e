//! Parameters of the sessions of a connection, from the settings.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, LastWill, RetainForwardRule};
use tokio::sync::Notify;

use super::send_queue::OutgoingMessage;
use super::{MqttError, Settings, tls};

const CONNECT_TIMEOUT_SECONDS: u64 = 10;
/// Delays between connection attempts. Each delay is random: the first is between 0.25 and 0.5 s. Both
/// bounds double with each attempt, up to 15 and 30 s. Boxes of one shop therefore do not reconnect at
/// the same time.
const RECONNECT_DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(15))
    .with_jitter()
    .without_max_times();
/// Maximum size of a packet from the broker, in bytes. It is above the limit for commands, so that the
/// sender of a command that is too long receives an error response.
const INCOMING_PACKET_BYTES_MAX: u32 = 256 * 1024;
/// In-flight limit of `rumqttc`, which is also its highest packet id. The limit is never reached, because
/// a session sends one publish at a time.
const OUTGOING_INFLIGHT_MAX: u16 = 16;
/// Range of the acknowledgement time-out, in seconds. The time-out is the setting `keep_alive_seconds`,
/// raised or lowered to this range.
const ACKNOWLEDGEMENT_TIMEOUT_SECONDS_RANGE: RangeInclusive<u16> = 10..=30;
/// Delays before a rejected message is sent again. Each delay is random: the first is between 1 and 2 s.
/// Both bounds double with each rejection, up to 15 and 30 s.
const RETRY_DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_secs(1))
    .with_max_delay(Duration::from_secs(15))
    .with_jitter()
    .without_max_times();
/// Valid range of `keep_alive_seconds`.
const KEEP_ALIVE_SECONDS_RANGE: RangeInclusive<u16> = 5..=3600;

/// Subscription with QoS 1.
pub(super) struct Subscription {
    pub topic_filter: String,
    /// True if the broker also sends retained messages.
    pub includes_retained: bool,
}

/// Parameters that all sessions of a connection share.
pub(super) struct SessionConfig {
    pub options: MqttOptions,
    pub broker_address: String,
    pub subscriptions: Vec<Filter>,
    pub queue_notify: Arc<Notify>,
    pub timing: Timing,
}

/// Time-out and delays of a connection. Tests use shorter times.
pub(super) struct Timing {
    /// Maximum time between a packet and its acknowledgement.
    pub acknowledgement_timeout: Duration,
    /// Maximum time between a ping and the next packet of the broker. A ping is sent in each keep-alive
    /// interval, so that silence is detected within 1.5 intervals.
    pub ping_timeout: Duration,
    pub reconnect_delays: ExponentialBuilder,
    pub retry_delays: ExponentialBuilder,
}

impl Timing {
    fn new(keep_alive_seconds: u16) -> Self {
        let (min, max) = ACKNOWLEDGEMENT_TIMEOUT_SECONDS_RANGE.into_inner();
        Self {
            acknowledgement_timeout: Duration::from_secs(keep_alive_seconds.clamp(min, max).into()),
            ping_timeout: Duration::from_secs(keep_alive_seconds.into()) / 2,
            reconnect_delays: RECONNECT_DELAYS,
            retry_delays: RETRY_DELAYS,
        }
    }
}

impl SessionConfig {
    /// Checks the settings and reads the files that they name. `queue_notify` is notified when a message
    /// is queued.
    pub fn new(
        settings: &Settings,
        client_id: String,
        will: Option<OutgoingMessage>,
        subscriptions: Vec<Subscription>,
        queue_notify: Arc<Notify>,
    ) -> Result<Self, MqttError> {
        if !KEEP_ALIVE_SECONDS_RANGE.contains(&settings.keep_alive_seconds) {
            return Err(MqttError::InvalidSetting("keep_alive_seconds must be 5 to 3600"));
        }
        // An IPv6 address needs brackets if a port follows.
        let host = if settings.host.contains(':') {
            format!("[{}]", settings.host)
        } else {
            settings.host.clone()
        };
        let broker_address = format!("{host}:{}", settings.port);
        let mut options = MqttOptions::new(client_id, host, settings.port);
        options
            .set_keep_alive(Duration::from_secs(settings.keep_alive_seconds.into()))
            .set_connection_timeout(CONNECT_TIMEOUT_SECONDS)
            .set_clean_start(true)
            .set_outgoing_inflight_upper_limit(OUTGOING_INFLIGHT_MAX)
            .set_max_packet_size(Some(INCOMING_PACKET_BYTES_MAX));
        if let Some((user, password)) = tls::credentials(settings)? {
            options.set_credentials(user, password);
        }
        if let Some(transport) = tls::transport(settings)? {
            options.set_transport(transport);
        }
        if let Some(will) = will {
            let last_will =
                LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, will.is_retained, None);
            options.set_last_will(last_will);
        }
        let subscriptions = subscriptions.into_iter().map(build_filter).collect();
        let timing = Timing::new(settings.keep_alive_seconds);
        Ok(Self { options, broker_address, subscriptions, queue_notify, timing })
    }
}

fn build_filter(subscription: Subscription) -> Filter {
    Filter {
        preserve_retain: true,
        retain_forward_rule: if subscription.includes_retained {
            RetainForwardRule::OnEverySubscribe
        } else {
            RetainForwardRule::Never
        },
        ..Filter::new(subscription.topic_filter, QoS::AtLeastOnce)
    }
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder as _;

    use super::*;

    #[test]
    fn reconnect_delays_grow_from_half_a_second_to_half_a_minute() {
        let delays: Vec<_> = RECONNECT_DELAYS.build().take(100).collect();
        for (delay, max_ms) in delays.iter().zip([500, 1000, 2000, 4000, 8000, 16_000]) {
            let max = Duration::from_millis(max_ms);
            assert!((max / 2..=max).contains(delay), "{delay:?}");
        }
        let max = Duration::from_secs(30);
        assert!(delays[6..].iter().all(|delay| (max / 2..=max).contains(delay)), "{delays:?}");
    }

    #[test]
    fn acknowledgement_timeout_is_keep_alive_within_bounds() {
        for (keep_alive, seconds) in [(5, 10), (10, 10), (15, 15), (30, 30), (3600, 30)] {
            let timeout = Timing::new(keep_alive).acknowledgement_timeout;
            assert_eq!(timeout, Duration::from_secs(seconds), "{keep_alive}");
        }
    }
}
