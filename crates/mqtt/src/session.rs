//! One session with the broker, from CONNECT to the closed connection.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Packet, PubAck, PubAckReason, Publish, PublishProperties, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ClientError, Event};
use tokio::time::{Instant, sleep_until};

use super::error::OutageCause;
use super::reconnection::OutageLog;
use super::send_queue::OutgoingMessage;
use super::session_config::SessionConfig;

/// Maximum duration of a clean stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// Number of successive rejections after which a message without expiry is dropped. A message with
/// expiry is sent again until it expires.
const REJECTIONS_MAX: u32 = 5;

/// Time from a deletion to a new session. The messages about the deletion are sent and received before.
pub(super) const RENEWAL_DELAY: Duration = Duration::from_secs(2);

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
    /// Handles a new session: all subscriptions are acknowledged, and no message was sent yet.
    fn on_connected(&mut self);
    /// Handles the end of a session. A message without acknowledgement has to be sent again. If
    /// `was_silent`, the broker has not responded for some time.
    fn on_disconnected(&mut self, was_silent: bool);
    /// Returns the next message to send. The next call follows only after
    /// [`Self::on_acknowledged`] or [`Self::on_rejected`].
    fn next_message(&mut self, now: Timestamp) -> Option<OutgoingMessage>;
    /// Handles the acknowledgement of the last message.
    fn on_acknowledged(&mut self);
    /// Handles the rejection of the last message by the broker. If `is_retried`, the message has to
    /// be sent again.
    fn on_rejected(&mut self, is_retried: bool);
    /// Handles a message from the broker.
    fn on_message(&mut self, message: IncomingMessage, now: Timestamp);
    /// Returns the last message before a clean disconnect. The next call has to return `None`.
    fn final_message(&mut self) -> Option<OutgoingMessage>;
    /// Returns the time from which a new session has to replace this one as soon as no message waits, so that
    /// the buffers of this one are freed; `None` if none has to. [`Self::on_connected`] follows, but no
    /// [`Self::on_disconnected`].
    fn renewal_due(&self) -> Option<Instant>;
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
    /// Disconnecting, so that a new session replaces this one.
    Renewing,
}

/// End of a session.
pub(super) enum SessionEnd {
    Stopped,
    /// A new session has to replace this one.
    Renewed,
    Lost(OutageCause),
}

/// Properties of the message in flight, for the case that the broker rejects it.
struct InFlight {
    topic: String,
    can_expire: bool,
}

/// One session, from CONNECT to the closed connection.
pub(super) struct Session<'a> {
    config: &'a SessionConfig,
    handler: &'a mut dyn SessionHandler,
    outage: &'a mut OutageLog,
    phase: Phase,
    /// True if this session replaces one that ended without an outage.
    is_replacement: bool,
    /// Message that waits for its acknowledgement.
    in_flight: Option<InFlight>,
    /// Deadline of the next acknowledgement; `None` if no acknowledgement is due.
    acknowledgement_deadline: Option<Instant>,
    /// End of the time for the response to a ping; `None` while none is due.
    ping_deadline: Option<Instant>,
    /// Time of the next attempt after a rejection.
    retry_at: Option<Instant>,
    /// Number of successive rejections of the current message.
    rejections: u32,
    retry_delays: ExponentialBackoff,
    /// Filters of the unacknowledged subscriptions, in the order of their requests.
    pending_subscriptions: VecDeque<String>,
    outgoing_packet_bytes_max: usize,
    /// Deadline of a clean stop; `None` until `stop` completes.
    stop_deadline: Option<Instant>,
}

impl<'a> Session<'a> {
    pub fn new(
        config: &'a SessionConfig,
        handler: &'a mut dyn SessionHandler,
        outage: &'a mut OutageLog,
        is_replacement: bool,
    ) -> Self {
        Self {
            is_replacement,
            config,
            handler,
            outage,
            phase: Phase::Connecting,
            in_flight: None,
            acknowledgement_deadline: None,
            ping_deadline: None,
            retry_at: None,
            rejections: 0,
            retry_delays: config.timing.retry_delays.build(),
            pending_subscriptions: VecDeque::new(),
            outgoing_packet_bytes_max: usize::MAX,
            stop_deadline: None,
        }
    }

    /// Returns true while messages are sent and received.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Returns true after `stop` completed.
    pub fn is_stopping(&self) -> bool {
        self.stop_deadline.is_some()
    }

    /// Runs the session until it ends. After `stop` completes, sends the queued messages and the final
    /// message, and disconnects.
    pub async fn run(
        &mut self,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> SessionEnd {
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
            let stop_deadline = self.stop_deadline;
            let acknowledgement_deadline = self.acknowledgement_deadline;
            let ping_deadline = self.ping_deadline;
            let retry_at = self.retry_at;
            let can_renew = self.phase == Phase::Ready && self.can_publish();
            let renewal_due = self.handler.renewal_due().filter(|_| can_renew);
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(Event::Incoming(packet))) => {
                        self.ping_deadline = None;
                        if let Err(cause) = self.handle_packet(packet, &client) {
                            return SessionEnd::Lost(cause);
                        }
                    }
                    Some(Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect))) => {
                        return self.clean_end();
                    }
                    Some(Ok(Event::Outgoing(rumqttc::Outgoing::PingReq))) => {
                        let timeout = self.config.timing.ping_timeout;
                        self.ping_deadline.get_or_insert(Instant::now() + timeout);
                    }
                    Some(Ok(Event::Outgoing(_))) => {}
                    Some(Err(_)) | None
                        if matches!(self.phase, Phase::Disconnecting | Phase::Renewing) =>
                    {
                        return self.clean_end();
                    }
                    Some(Err(error)) => return SessionEnd::Lost(OutageCause::from(error)),
                    None => return SessionEnd::Lost(OutageCause::Closed),
                },
                () = self.config.queue_notify.notified(),
                    if self.phase == Phase::Ready && self.can_publish() => {}
                () = sleep_until_some(retry_at) => self.retry_at = None,
                () = sleep_until_some(renewal_due) => {}
                () = sleep_until_some(acknowledgement_deadline) => {
                    let timeout = self.config.timing.acknowledgement_timeout;
                    return SessionEnd::Lost(OutageCause::NoAcknowledgement(timeout));
                }
                () = sleep_until_some(ping_deadline) => {
                    return SessionEnd::Lost(OutageCause::NoResponse);
                }
                () = &mut stop, if stop_deadline.is_none() && self.phase != Phase::Renewing => {
                    self.stop_deadline = Some(Instant::now() + SHUTDOWN_TIMEOUT);
                    match self.phase {
                        Phase::Ready => self.phase = Phase::Draining,
                        // The broker has published no will for the session before, so the final message has
                        // to be sent.
                        _ if self.is_replacement => {}
                        _ => return SessionEnd::Stopped,
                    }
                }
                () = sleep_until_some(stop_deadline) => return SessionEnd::Stopped,
            }
        }
    }

    /// Returns the end of a session that this side has ended.
    fn clean_end(&self) -> SessionEnd {
        if self.phase == Phase::Renewing { SessionEnd::Renewed } else { SessionEnd::Stopped }
    }

    /// Sends messages until a message waits for its acknowledgement or no message is left, and advances
    /// the phases of a stop.
    fn send_pending(&mut self, client: &AsyncClient) -> Result<(), OutageCause> {
        while self.can_publish() {
            let next = match self.phase {
                Phase::Ready | Phase::Draining => self.handler.next_message(Timestamp::now()),
                Phase::SendingFinalMessage => self.handler.final_message(),
                Phase::Connecting | Phase::Subscribing | Phase::Disconnecting | Phase::Renewing => {
                    return Ok(());
                }
            };
            match (next, &self.phase) {
                (Some(message), _) => self.publish(message, client)?,
                (None, Phase::Draining) => self.phase = Phase::SendingFinalMessage,
                (None, Phase::SendingFinalMessage) => {
                    self.phase = Phase::Disconnecting;
                    client.try_disconnect().map_err(queue_full_cause)?;
                }
                (None, _) => {
                    if self.handler.renewal_due().is_some_and(|due| due <= Instant::now()) {
                        self.phase = Phase::Renewing;
                        client.try_disconnect().map_err(queue_full_cause)?;
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns true if no message is in flight and no message waits for a retry.
    fn can_publish(&self) -> bool {
        self.in_flight.is_none() && self.retry_at.is_none()
    }

    fn start_acknowledgement_timeout(&mut self) {
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
        // `rumqttc` adds the packet id, two bytes, later.
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
        self.start_acknowledgement_timeout();
        client
            .try_publish_with_properties(
                topic,
                QoS::AtLeastOnce,
                is_retained,
                packet.payload,
                properties,
            )
            .map_err(queue_full_cause)
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
        if let Some(limit) =
            ack.properties.as_ref().and_then(|properties| properties.max_packet_size)
        {
            self.outgoing_packet_bytes_max = limit as usize;
        }
        self.phase = Phase::Subscribing;
        // One request per filter, so that the retained messages arrive in the order of the filters.
        for filter in &self.config.subscriptions {
            client.try_subscribe_many([filter.clone()]).map_err(queue_full_cause)?;
            self.pending_subscriptions.push_back(filter.path.clone());
        }
        if self.pending_subscriptions.is_empty() {
            self.set_ready();
        } else {
            self.start_acknowledgement_timeout();
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
            self.start_acknowledgement_timeout();
        }
    }

    fn handle_puback(&mut self, ack: &PubAck) {
        let Some(InFlight { topic, can_expire }) = self.in_flight.take() else {
            return;
        };
        self.acknowledgement_deadline = None;
        let (broker, reason) = (&self.config.broker_address, ack.reason);
        let is_temporary = match reason {
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
        let is_retried = is_temporary && (can_expire || self.rejections < REJECTIONS_MAX);
        if !is_retried {
            tracing::warn!(
                "the MQTT broker at {broker} rejects a message to {topic} ({reason:?}), and the \
                 message is dropped; check the broker's access rules and limits"
            );
            self.reset_retries();
        } else {
            if self.rejections == 1 {
                tracing::warn!(
                    "the MQTT broker at {broker} rejects a message to {topic} ({reason:?}). The \
                     message is sent again; if this continues, check the broker's limits and log"
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
        self.phase = if self.is_stopping() { Phase::Draining } else { Phase::Ready };
        self.outage.end(&self.config.broker_address);
        self.handler.on_connected();
    }
}

/// Completes at `deadline`, or never if `deadline` is `None`.
async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Returns the cause of a session that ends because the request queue is full. This should not happen,
/// because the queue has the capacity for all requests of a session.
fn queue_full_cause(_: ClientError) -> OutageCause {
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

/// Returns the seconds from `now` to `at`, rounded up, but at least 1. With an expiry interval of 0, the
/// message would expire before it is sent.
fn seconds_until(at: Timestamp, now: Timestamp) -> u32 {
    let milliseconds = at.as_millisecond() - now.as_millisecond();
    u32::try_from(milliseconds.max(1).unsigned_abs().div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_expiry_is_rounded_up_to_whole_seconds() {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        for (from, to, seconds) in
            [(0, 1000, 1), (0, 1001, 2), (0, 1, 1), (0, 0, 1), (5000, 0, 1), (0, 90_000, 90)]
        {
            assert_eq!(seconds_until(at(to), at(from)), seconds, "{from} to {to}");
        }
    }
}
