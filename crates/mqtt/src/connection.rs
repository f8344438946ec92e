//! Connection loop: connects, subscribes, sends queued messages, and reconnects after an outage.
//!
//! Each session uses a new `rumqttc` client without state of earlier sessions, and at most one publish
//! waits for its acknowledgement. Packet ids therefore neither run out nor collide; `rumqttc` would
//! otherwise hang after a lost session. A session ends if an acknowledgement does not arrive in time;
//! the next session sends the message again.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Filter, LastWill, Packet, PubAck, PubAckReason, Publish, PublishProperties,
    RetainForwardRule, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ClientError, Event, MqttOptions};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::error::OutageCause;
use super::send_queue::OutgoingMessage;
use super::{MqttError, Settings, tls};

/// Maximum duration of a clean stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT_SECONDS: u64 = 10;
/// Delays between attempts: from 0.25–0.5 s, doubled each time, up to 15–30 s. The random part spreads
/// the reconnections of a shop's boxes.
const RECONNECT_DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(15))
    .with_jitter()
    .without_max_times();
/// Delays after the broker gave the session to another client: at first 5–10 s, at most 150–300 s. Two
/// boxes of one name otherwise evict each other every few seconds.
const TAKEOVER_DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_secs(5))
    .with_max_delay(Duration::from_secs(150))
    .with_jitter()
    .without_max_times();
/// Number of sessions in a row that the broker closed without a reason, from which on another client
/// with the same id is assumed. mosquitto sends the reason in a form that `rumqttc` 0.25 ignores.
const CLOSED_SESSIONS_MIN: u32 = 2;
/// A session that is this many times as long as the delay before it did not end a mutual eviction: the
/// other client waits about as long as this one.
const TAKEOVER_SESSION_FACTOR: u32 = 8;
/// Duration after which a session counts as stable: the next outage starts with the shortest delay.
const STABLE_SESSION_TIME: Duration = Duration::from_secs(10);
/// Limit for packets from the broker, in bytes. Above the limit for commands, so that a command that
/// is too long receives an error as its answer.
const INCOMING_PACKET_BYTES_MAX: u32 = 256 * 1024;
const OUTGOING_INFLIGHT_MAX: u16 = 16;
const LOGGED_CAUSES_MAX: usize = 8;
/// Range of the acknowledgement time-out, in seconds. Within it, the time-out equals the keep-alive.
const ACKNOWLEDGEMENT_TIMEOUT_SECONDS: std::ops::RangeInclusive<u16> = 10..=30;
/// Delays before a rejected message is sent again, at first 1–2 s, at most 15–30 s.
const RETRY_DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_secs(1))
    .with_max_delay(Duration::from_secs(15))
    .with_jitter()
    .without_max_times();
/// Maximum number of rejections in a row of a message that does not expire. An expiring message is
/// sent again until it expires.
const REJECTIONS_MAX: u32 = 5;
/// Valid range of `keep_alive_seconds`.
const KEEP_ALIVE_SECONDS: std::ops::RangeInclusive<u16> = 5..=3600;

/// Message from the broker.
pub(super) struct IncomingMessage {
    pub topic: String,
    pub payload: Vec<u8>,
    pub is_retained: bool,
    pub user_properties: Vec<(String, String)>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Vec<u8>>,
}

/// Callbacks of a connection. None of them may block.
pub(super) trait SessionHandler: Send {
    /// Handles a new session: all subscriptions are made, and nothing was sent yet.
    fn on_connected(&mut self);
    /// Handles the end of a session. A message without acknowledgement has to be sent again.
    fn on_disconnected(&mut self);
    /// Returns the next message to send. The next call follows only after
    /// [`Self::on_acknowledged`] or [`Self::on_rejected`].
    fn next_message(&mut self, now: Timestamp) -> Option<OutgoingMessage>;
    /// Handles the acknowledgement of the last message.
    fn on_acknowledged(&mut self);
    /// Handles the rejection of the last message by the broker. If `is_retried`, the next message
    /// is this message again.
    fn on_rejected(&mut self, is_retried: bool);
    /// Handles a message from the broker.
    fn on_message(&mut self, message: IncomingMessage, now: Timestamp);
    /// Returns the last message before a clean disconnect. The next call has to return `None`.
    fn final_message(&mut self) -> Option<OutgoingMessage>;
}

/// Subscription at QoS 1.
pub(super) struct Subscription {
    pub filter: String,
    /// True if the broker also sends retained messages.
    pub includes_retained: bool,
}

/// MQTT connection that reconnects after an outage.
#[must_use = "nothing is sent or received until the connection runs"]
pub struct Connection {
    config: SessionConfig,
    handler: Box<dyn SessionHandler>,
}

/// Parameters that all sessions of a connection share.
pub(super) struct SessionConfig {
    options: MqttOptions,
    broker_address: String,
    subscriptions: Vec<Filter>,
    wake: Arc<Notify>,
    pub timing: Timing,
}

/// Time-out and delays of a connection. Tests shorten them.
pub(super) struct Timing {
    /// Maximum time between a packet and its acknowledgement.
    pub acknowledgement_timeout: Duration,
    pub reconnect_delays: ExponentialBuilder,
    pub retry_delays: ExponentialBuilder,
}

impl Timing {
    fn new(keep_alive_seconds: u16) -> Self {
        let (min, max) = ACKNOWLEDGEMENT_TIMEOUT_SECONDS.into_inner();
        Self {
            acknowledgement_timeout: Duration::from_secs(keep_alive_seconds.clamp(min, max).into()),
            reconnect_delays: RECONNECT_DELAYS,
            retry_delays: RETRY_DELAYS,
        }
    }
}

impl SessionConfig {
    /// Checks the settings and reads the files that they name. `wake` is notified when a message waits
    /// to be sent.
    pub fn new(
        settings: &Settings,
        client_id: String,
        will: Option<OutgoingMessage>,
        subscriptions: Vec<Subscription>,
        wake: Arc<Notify>,
    ) -> Result<Self, MqttError> {
        if !KEEP_ALIVE_SECONDS.contains(&settings.keep_alive_seconds) {
            return Err(MqttError::InvalidSetting("keep_alive_seconds must be 5 to 3600"));
        }
        // An IPv6 address needs brackets before its port.
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
        let subscriptions = subscriptions.into_iter().map(filter).collect();
        let timing = Timing::new(settings.keep_alive_seconds);
        Ok(Self { options, broker_address, subscriptions, wake, timing })
    }
}

fn filter(subscription: Subscription) -> Filter {
    Filter {
        preserve_retain: true,
        retain_forward_rule: if subscription.includes_retained {
            RetainForwardRule::OnEverySubscribe
        } else {
            RetainForwardRule::Never
        },
        ..Filter::new(subscription.filter, QoS::AtLeastOnce)
    }
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
        let mut reconnection = Reconnection::new(&self.config);
        let mut outage = OutageLog::default();
        loop {
            let started = Instant::now();
            let mut session = Session::new(&self.config, self.handler.as_mut(), &mut outage);
            let end = session.run(stop.as_mut()).await;
            let is_stopping = session.stop_deadline.is_some();
            let was_ready = session.phase == Phase::Ready;
            self.handler.on_disconnected();
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

/// Delays between the sessions of a connection.
struct Reconnection<'a> {
    config: &'a SessionConfig,
    delays: ExponentialBackoff,
    takeover_delays: ExponentialBackoff,
    /// Sessions in a row that the broker closed without a reason.
    closed_sessions: u32,
    last_delay: Duration,
}

impl<'a> Reconnection<'a> {
    fn new(config: &'a SessionConfig) -> Self {
        Self {
            config,
            delays: config.timing.reconnect_delays.build(),
            takeover_delays: TAKEOVER_DELAYS.build(),
            closed_sessions: 0,
            last_delay: Duration::ZERO,
        }
    }

    /// Returns the cause to report and the delay before the next session. `was_ready` is true if the
    /// subscriptions of the lost session were made.
    fn next(
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
                OutageCause::RepeatedlyClosed(self.config.options.client_id())
            }
            OutageCause::SessionTakenOver(_) => {
                OutageCause::SessionTakenOver(self.config.options.client_id())
            }
            cause => cause,
        };
        // The acknowledgement time-out alone limits the rate of sessions that it ends.
        if session_time >= STABLE_SESSION_TIME || matches!(cause, OutageCause::NoAcknowledgement(_))
        {
            self.delays = self.config.timing.reconnect_delays.build();
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
struct OutageLog {
    since: Option<Instant>,
    logged_causes: Vec<OutageCause>,
}

impl OutageLog {
    /// Logs a failed attempt, if its cause is new in this outage.
    fn record(&mut self, broker: &str, cause: OutageCause) {
        self.since.get_or_insert_with(Instant::now);
        // The number is limited, because the text of a cause may differ at each attempt.
        if !self.logged_causes.contains(&cause) && self.logged_causes.len() < LOGGED_CAUSES_MAX {
            tracing::warn!("no connection to the MQTT broker at {broker}: {cause}. Trying again");
            self.logged_causes.push(cause);
        }
    }

    /// Logs the connection and ends the outage.
    fn end(&mut self, broker: &str) {
        match self.since.take() {
            Some(since) => {
                let seconds = since.elapsed().as_secs();
                tracing::info!("connected to the MQTT broker at {broker} again after {seconds} s");
            }
            None => tracing::info!("connected to the MQTT broker at {broker}"),
        }
        self.logged_causes.clear();
    }
}

#[derive(PartialEq)]
enum Phase {
    Connecting,
    Subscribing,
    Ready,
    /// Stopping: sends the queued messages.
    Draining,
    /// Stopping: sends the final message.
    SendingFinalMessage,
    Disconnecting,
}

enum SessionEnd {
    Stopped,
    Lost(OutageCause),
}

/// Properties of the message in flight that a rejection needs.
struct InFlight {
    topic: String,
    can_expire: bool,
}

/// One session, from CONNECT to the closed connection.
struct Session<'a> {
    config: &'a SessionConfig,
    handler: &'a mut dyn SessionHandler,
    outage: &'a mut OutageLog,
    phase: Phase,
    /// Message that waits for its acknowledgement.
    in_flight: Option<InFlight>,
    /// End of the time for the next acknowledgement; `None` while none is due.
    acknowledgement_deadline: Option<Instant>,
    /// Time of the next attempt after a rejection.
    retry_at: Option<Instant>,
    /// Rejections of the current message in a row.
    rejections: u32,
    retry_delays: ExponentialBackoff,
    /// Filters of the unacknowledged subscriptions, in the order of their requests.
    pending_subscriptions: VecDeque<String>,
    outgoing_packet_bytes_max: usize,
    /// End of the time for a clean stop; `None` until `stop` completes.
    stop_deadline: Option<Instant>,
}

impl<'a> Session<'a> {
    fn new(
        config: &'a SessionConfig,
        handler: &'a mut dyn SessionHandler,
        outage: &'a mut OutageLog,
    ) -> Self {
        Self {
            config,
            handler,
            outage,
            phase: Phase::Connecting,
            in_flight: None,
            acknowledgement_deadline: None,
            retry_at: None,
            rejections: 0,
            retry_delays: config.timing.retry_delays.build(),
            pending_subscriptions: VecDeque::new(),
            outgoing_packet_bytes_max: usize::MAX,
            stop_deadline: None,
        }
    }

    async fn run(&mut self, mut stop: Pin<&mut (impl Future<Output = ()> + Send)>) -> SessionEnd {
        // Capacity for all requests that can be pending: subscriptions, one publish, the disconnect.
        let capacity = self.config.subscriptions.len() + 2;
        let (client, event_loop) = AsyncClient::new(self.config.options.clone(), capacity);
        // A stream keeps the progress of `poll` when another branch of `select!` completes first.
        let mut events = pin!(stream::unfold(event_loop, |mut event_loop| async {
            let event = event_loop.poll().await;
            Some((event, event_loop))
        }));
        loop {
            if let Err(cause) = self.send_pending(&client) {
                return SessionEnd::Lost(cause);
            }
            let deadline = self.stop_deadline;
            let acknowledgement_deadline = self.acknowledgement_deadline;
            let retry_at = self.retry_at;
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(Event::Incoming(packet))) => {
                        if let Err(cause) = self.handle_packet(packet, &client) {
                            return SessionEnd::Lost(cause);
                        }
                    }
                    Some(Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect))) => {
                        return SessionEnd::Stopped;
                    }
                    Some(Ok(Event::Outgoing(_))) => {}
                    Some(Err(_)) | None if self.phase == Phase::Disconnecting => {
                        return SessionEnd::Stopped;
                    }
                    Some(Err(error)) => return SessionEnd::Lost(OutageCause::from(error)),
                    None => return SessionEnd::Lost(OutageCause::Closed),
                },
                () = self.config.wake.notified(),
                    if self.phase == Phase::Ready && self.can_publish() => {}
                () = sleep_until_some(retry_at) => self.retry_at = None,
                () = sleep_until_some(acknowledgement_deadline) => {
                    let timeout = self.config.timing.acknowledgement_timeout;
                    return SessionEnd::Lost(OutageCause::NoAcknowledgement(timeout));
                }
                () = &mut stop, if deadline.is_none() => {
                    if self.phase != Phase::Ready {
                        return SessionEnd::Stopped;
                    }
                    self.phase = Phase::Draining;
                    self.stop_deadline = Some(Instant::now() + SHUTDOWN_TIMEOUT);
                }
                () = sleep_until_some(deadline) => return SessionEnd::Stopped,
            }
        }
    }

    /// Sends messages until one waits for its acknowledgement or none is left, and advances the phases
    /// of a stop.
    fn send_pending(&mut self, client: &AsyncClient) -> Result<(), OutageCause> {
        while self.can_publish() {
            let next = match self.phase {
                Phase::Ready | Phase::Draining => self.handler.next_message(Timestamp::now()),
                Phase::SendingFinalMessage => self.handler.final_message(),
                Phase::Connecting | Phase::Subscribing | Phase::Disconnecting => return Ok(()),
            };
            match (next, &self.phase) {
                (Some(message), _) => self.publish(message, client)?,
                (None, Phase::Draining) => self.phase = Phase::SendingFinalMessage,
                (None, Phase::SendingFinalMessage) => {
                    self.phase = Phase::Disconnecting;
                    client.try_disconnect().map_err(request_queue_full)?;
                }
                (None, _) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Returns true if no message is in flight or waits to be sent again.
    fn can_publish(&self) -> bool {
        self.in_flight.is_none() && self.retry_at.is_none()
    }

    fn await_acknowledgement(&mut self) {
        let timeout = self.config.timing.acknowledgement_timeout;
        self.acknowledgement_deadline = Some(Instant::now() + timeout);
    }

    fn publish(
        &mut self,
        message: OutgoingMessage,
        client: &AsyncClient,
    ) -> Result<(), OutageCause> {
        let OutgoingMessage { topic, payload, is_retained, user_properties, .. } = message;
        let properties = PublishProperties {
            message_expiry_interval: message.expires.map(|at| seconds_until(at, Timestamp::now())),
            user_properties,
            response_topic: message.response_topic,
            correlation_data: message.correlation_data.map(Into::into),
            ..PublishProperties::default()
        };
        let packet =
            Publish::new(topic.clone(), QoS::AtLeastOnce, payload, Some(properties.clone()));
        // The packet id, two bytes, is added later.
        let size = packet.size() + 2;
        let limit = self.outgoing_packet_bytes_max;
        if size > limit {
            tracing::warn!(
                "a message of {size} bytes to {topic} is dropped: the broker accepts at most \
                 {limit} bytes"
            );
            self.handler.on_rejected(false);
            return Ok(());
        }
        self.in_flight =
            Some(InFlight { topic: topic.clone(), can_expire: message.expires.is_some() });
        self.await_acknowledgement();
        client
            .try_publish_with_properties(
                topic,
                QoS::AtLeastOnce,
                is_retained,
                packet.payload,
                properties,
            )
            .map_err(request_queue_full)
    }

    fn handle_packet(&mut self, packet: Packet, client: &AsyncClient) -> Result<(), OutageCause> {
        match packet {
            Packet::ConnAck(ack) => self.handle_connack(&ack, client)?,
            Packet::SubAck(ack) => self.handle_suback(&ack),
            Packet::PubAck(ack) => self.handle_puback(&ack),
            Packet::Publish(publish) => {
                if let Some(message) = incoming_message(publish) {
                    self.handler.on_message(message, Timestamp::now());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_connack(&mut self, ack: &ConnAck, client: &AsyncClient) -> Result<(), OutageCause> {
        if let Some(limit) = ack.properties.as_ref().and_then(|p| p.max_packet_size) {
            self.outgoing_packet_bytes_max = limit as usize;
        }
        self.phase = Phase::Subscribing;
        // One request per filter, so that the retained messages arrive in the order of the filters.
        for filter in &self.config.subscriptions {
            client.try_subscribe_many([filter.clone()]).map_err(request_queue_full)?;
            self.pending_subscriptions.push_back(filter.path.clone());
        }
        if self.pending_subscriptions.is_empty() {
            self.set_ready();
        } else {
            self.await_acknowledgement();
        }
        Ok(())
    }

    fn handle_suback(&mut self, ack: &SubAck) {
        let filter = self.pending_subscriptions.pop_front().unwrap_or_default();
        for code in &ack.return_codes {
            if !matches!(code, SubscribeReasonCode::Success(_)) {
                let broker = &self.config.broker_address;
                tracing::warn!(
                    "the MQTT broker at {broker} rejects the subscription to {filter} ({code:?}); \
                     check the broker's access rules"
                );
            }
        }
        if self.phase != Phase::Subscribing {
            return;
        }
        if self.pending_subscriptions.is_empty() {
            self.acknowledgement_deadline = None;
            self.set_ready();
        } else {
            self.await_acknowledgement();
        }
    }

    fn handle_puback(&mut self, ack: &PubAck) {
        let Some(InFlight { topic, can_expire }) = self.in_flight.take() else {
            return;
        };
        self.acknowledgement_deadline = None;
        let (broker, reason) = (&self.config.broker_address, ack.reason);
        let can_retry_help = match reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                self.reset_retries();
                return self.handler.on_acknowledged();
            }
            PubAckReason::NotAuthorized
            | PubAckReason::TopicNameInvalid
            | PubAckReason::PayloadFormatInvalid => false,
            PubAckReason::UnspecifiedError
            | PubAckReason::ImplementationSpecificError
            | PubAckReason::PacketIdentifierInUse
            | PubAckReason::QuotaExceeded => true,
        };
        self.rejections += 1;
        let is_retried = can_retry_help && (can_expire || self.rejections < REJECTIONS_MAX);
        if !is_retried {
            tracing::warn!(
                "the MQTT broker at {broker} rejects a message to {topic} ({reason:?}), and the \
                 message is dropped; check the broker's access rules and limits"
            );
            self.reset_retries();
        } else {
            if self.rejections == 1 {
                tracing::warn!(
                    "the MQTT broker at {broker} rejects a message to {topic} ({reason:?}). Trying \
                     again; check the broker's limits and log if this lasts"
                );
            }
            self.retry_at = Some(Instant::now() + self.retry_delays.next().unwrap_or_default());
        }
        self.handler.on_rejected(is_retried);
    }

    fn reset_retries(&mut self) {
        if std::mem::take(&mut self.rejections) > 0 {
            self.retry_delays = self.config.timing.retry_delays.build();
        }
    }

    fn set_ready(&mut self) {
        self.phase = Phase::Ready;
        self.outage.end(&self.config.broker_address);
        self.handler.on_connected();
    }
}

/// Completes at `deadline`, or never if there is none.
async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Maps a full request queue to a lost session. The queue has the capacity for all requests of a
/// session, so this does not happen; a new session would recover from it.
fn request_queue_full(_: ClientError) -> OutageCause {
    OutageCause::Other("the request queue of the MQTT client is full".to_owned())
}

fn incoming_message(publish: Publish) -> Option<IncomingMessage> {
    let properties = publish.properties.unwrap_or_default();
    Some(IncomingMessage {
        topic: String::from_utf8(publish.topic.into()).ok()?,
        payload: publish.payload.into(),
        is_retained: publish.retain,
        user_properties: properties.user_properties,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data.map(Into::into),
    })
}

/// Returns the whole seconds from `now` to `at`, rounded up and at least 1: with 0, the message would
/// expire before it is sent.
fn seconds_until(at: Timestamp, now: Timestamp) -> u32 {
    let milliseconds = at.as_millisecond() - now.as_millisecond();
    u32::try_from(milliseconds.max(1).unsigned_abs().div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
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

    /// Returns the causes and delays of sessions that end with `cause` after `session_time`.
    fn reconnections(cause: &OutageCause, session_time: Duration) -> Vec<(OutageCause, Duration)> {
        use confique::Config as _;
        let settings = Settings::builder().load().unwrap();
        let client_id = "instored-door-1".to_owned();
        let config =
            SessionConfig::new(&settings, client_id, None, vec![], Arc::default()).unwrap();
        let mut reconnection = Reconnection::new(&config);
        let mut last = Duration::ZERO;
        let next = || {
            let time = session_time.max(last);
            let next = reconnection.next(cause.clone(), true, time);
            last = next.1;
            next
        };
        std::iter::repeat_with(next).take(12).collect()
    }

    #[test]
    fn mutual_eviction_is_named_and_slows_down() {
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
    fn connections_closed_now_and_then_are_no_eviction() {
        let reconnections = reconnections(&OutageCause::Closed, Duration::from_secs(60));
        for (cause, delay) in reconnections {
            assert_eq!(cause, OutageCause::Closed);
            assert!(delay <= Duration::from_millis(500), "{delay:?}");
        }
    }

    #[test]
    fn acknowledgement_timeout_is_keep_alive_within_bounds() {
        for (keep_alive, seconds) in [(5, 10), (10, 10), (15, 15), (30, 30), (3600, 30)] {
            let timeout = Timing::new(keep_alive).acknowledgement_timeout;
            assert_eq!(timeout, Duration::from_secs(seconds), "{keep_alive}");
        }
    }

    #[test]
    fn message_expiry_is_whole_seconds_rounded_up() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        for (from, to, seconds) in
            [(0, 1000, 1), (0, 1001, 2), (0, 1, 1), (0, 0, 1), (5000, 0, 1), (0, 90_000, 90)]
        {
            assert_eq!(seconds_until(at(to), at(from)), seconds, "{from} to {to}");
        }
    }
}
