//! The connection: one loop that connects, subscribes, sends what waits, and begins again.
//!
//! Each connection gets a client of its own (`rumqttc`) that knows nothing of the one before, and
//! at most one publish waits for its acknowledgement: packet ids can neither run out nor collide,
//! which is where that client would hang for ever after a lost session. Nothing but this file,
//! `tls.rs` and `trouble.rs` knows the client.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Filter, LastWill, Packet, PubAckReason, Publish, PublishProperties, RetainForwardRule,
    SubAck, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::queue::Outgoing;
use super::trouble::{Backoff, Trouble};
use super::{BusError, Settings, tls};

/// How long a clean stop may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// A connection that held this long was a good one: the next outage is tried afresh.
const STEADY: Duration = Duration::from_secs(10);
/// Larger packets the broker need not send us: a command's limit and room to refuse what is above.
const LARGEST_PACKET: u32 = 256 * 1024;

/// A message that came in.
pub(super) struct Received {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retained: bool,
    pub user_properties: Vec<(String, String)>,
    pub response_topic: Option<String>,
    pub correlation: Option<Vec<u8>>,
}

/// What one end of the bus does with its connection. Nothing in here may block.
pub(super) trait Peer: Send {
    /// The connection stands and the subscriptions with it; nothing was sent on it yet.
    fn up(&mut self);
    /// The connection is gone; what was not acknowledged has to be sent again.
    fn down(&mut self);
    /// The next message to send. Called again only after [`Self::acked`].
    fn next(&mut self, now: Timestamp) -> Option<Outgoing>;
    /// The message last sent has arrived, or can never arrive.
    fn acked(&mut self);
    /// A message for this end.
    fn received(&mut self, message: Received, now: Timestamp);
    /// The last words of a clean stop; asked for once, when nothing is left to send.
    fn farewell(&mut self) -> Option<Outgoing>;
}

/// A subscription.
pub(super) struct Subscription {
    pub filter: String,
    /// Whether messages that the broker kept are wanted too.
    pub retained: bool,
}

/// The connection's work, to be [`run`](Connection::run) beside everything else.
#[must_use = "nothing is sent or received until the connection is run"]
pub struct Connection {
    link: Link,
    peer: Box<dyn Peer>,
}

pub(super) struct Link {
    options: MqttOptions,
    broker: String,
    subscriptions: Vec<Filter>,
    wake: Arc<Notify>,
}

enum End {
    Stopped,
    Lost(Trouble),
}

impl Link {
    /// Makes ready to connect as `client_id`; `wake` says that something waits to be sent.
    pub fn new(
        settings: &Settings,
        client_id: String,
        will: Option<Outgoing>,
        subscriptions: Vec<Subscription>,
        wake: Arc<Notify>,
    ) -> Result<Self, BusError> {
        if !(5..=3600).contains(&settings.keep_alive_seconds) {
            return Err(BusError::Setting("keep_alive_seconds has to be 5 to 3600"));
        }
        // An IPv6 address needs brackets before its port.
        let host = if settings.host.contains(':') {
            format!("[{}]", settings.host)
        } else {
            settings.host.clone()
        };
        let broker = format!("{host}:{}", settings.port);
        let mut options = MqttOptions::new(client_id, host, settings.port);
        options
            .set_keep_alive(Duration::from_secs(settings.keep_alive_seconds.into()))
            .set_connection_timeout(10)
            .set_clean_start(true)
            .set_outgoing_inflight_upper_limit(16)
            .set_max_packet_size(Some(LARGEST_PACKET));
        if let Some((user, password)) = tls::credentials(settings)? {
            options.set_credentials(user, password);
        }
        if let Some(transport) = tls::transport(settings)? {
            options.set_transport(transport);
        }
        if let Some(will) = will {
            let last_will =
                LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, will.retain, None);
            options.set_last_will(last_will);
        }
        let subscriptions = subscriptions
            .into_iter()
            .map(|subscription| Filter {
                preserve_retain: true,
                retain_forward_rule: if subscription.retained {
                    RetainForwardRule::OnEverySubscribe
                } else {
                    RetainForwardRule::Never
                },
                ..Filter::new(subscription.filter, QoS::AtLeastOnce)
            })
            .collect();
        Ok(Self { options, broker, subscriptions, wake })
    }
}

impl Connection {
    pub(super) fn new(link: Link, peer: impl Peer + 'static) -> Self {
        Self { link, peer: Box::new(peer) }
    }

    /// Keeps the connection until `stop` is there: then sends what still waits and the last words,
    /// and disconnects, within two seconds. An outage is logged once for each of its causes, its
    /// end once.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut backoff = Backoff::default();
        let mut outage = Outage::default();
        loop {
            let begun = Instant::now();
            let mut session = Session::new(&self.link, self.peer.as_mut(), &mut outage);
            let end = session.run(stop.as_mut()).await;
            let stopping = session.deadline.is_some();
            self.peer.down();
            let End::Lost(trouble) = end else {
                return;
            };
            // The broker went away before it had the last words: its will says them.
            if stopping {
                return;
            }
            outage.note(&self.link.broker, trouble);
            if begun.elapsed() >= STEADY {
                backoff.reset();
            }
            // Without randomness the wait is merely the whole one.
            let wait = backoff.next(getrandom::u32().unwrap_or(0));
            tokio::select! {
                () = &mut stop => return,
                () = sleep(wait) => {}
            }
        }
    }
}

/// What was already said about the outage under way.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    said: Vec<Trouble>,
}

impl Outage {
    fn note(&mut self, broker: &str, trouble: Trouble) {
        self.since.get_or_insert_with(Instant::now);
        // A broker that fails in ever new words must not fill the log.
        if !self.said.contains(&trouble) && self.said.len() < 8 {
            tracing::warn!("no connection to the MQTT broker at {broker}: {trouble}. Trying again");
            self.said.push(trouble);
        }
    }

    fn over(&mut self, broker: &str) {
        match self.since.take() {
            Some(since) => {
                let seconds = since.elapsed().as_secs();
                tracing::info!("connected to the MQTT broker at {broker} again after {seconds} s");
            }
            None => tracing::info!("connected to the MQTT broker at {broker}"),
        }
        self.said.clear();
    }
}

#[derive(PartialEq)]
enum Phase {
    Connecting,
    Subscribing,
    Ready,
    Draining,
    Farewell,
    Leaving,
}

/// One connection, from CONNECT to its end.
struct Session<'a> {
    link: &'a Link,
    peer: &'a mut dyn Peer,
    outage: &'a mut Outage,
    phase: Phase,
    /// A publish waits for its acknowledgement.
    busy: bool,
    /// Subscriptions that wait for theirs, in the order of their requests.
    subscribing: VecDeque<String>,
    largest: usize,
    deadline: Option<Instant>,
}

impl<'a> Session<'a> {
    fn new(link: &'a Link, peer: &'a mut dyn Peer, outage: &'a mut Outage) -> Self {
        Self {
            link,
            peer,
            outage,
            phase: Phase::Connecting,
            busy: false,
            subscribing: VecDeque::new(),
            largest: usize::MAX,
            deadline: None,
        }
    }

    async fn run(&mut self, mut stop: Pin<&mut (impl Future<Output = ()> + Send)>) -> End {
        // Room for every request that can be under way: the subscriptions, one publish, the end.
        let room = self.link.subscriptions.len() + 2;
        let (client, event_loop) = AsyncClient::new(self.link.options.clone(), room);
        // As a stream, the client's work goes on where it was when another branch came first.
        let mut events = pin!(stream::unfold(event_loop, |mut event_loop| async {
            let event = event_loop.poll().await;
            Some((event, event_loop))
        }));
        loop {
            if let Err(trouble) = self.advance(&client) {
                return End::Lost(trouble);
            }
            let deadline = self.deadline;
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(Event::Incoming(packet))) => {
                        if let Err(trouble) = self.incoming(packet, &client) {
                            return End::Lost(trouble);
                        }
                    }
                    Some(Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect))) => return End::Stopped,
                    Some(Ok(Event::Outgoing(_))) => {}
                    Some(Err(_)) | None if self.phase == Phase::Leaving => return End::Stopped,
                    Some(Err(error)) => return End::Lost(Trouble::from(error)),
                    None => return End::Lost(Trouble::Closed),
                },
                () = self.link.wake.notified(), if self.phase == Phase::Ready && !self.busy => {}
                () = &mut stop, if deadline.is_none() => {
                    if self.phase != Phase::Ready {
                        return End::Stopped;
                    }
                    self.phase = Phase::Draining;
                    self.deadline = Some(Instant::now() + FAREWELL);
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return End::Stopped;
                }
            }
        }
    }

    /// Sends what may be sent now.
    fn advance(&mut self, client: &AsyncClient) -> Result<(), Trouble> {
        while !self.busy {
            let next = match self.phase {
                Phase::Ready | Phase::Draining => self.peer.next(Timestamp::now()),
                Phase::Farewell => self.peer.farewell(),
                Phase::Connecting | Phase::Subscribing | Phase::Leaving => return Ok(()),
            };
            match (next, &self.phase) {
                (Some(message), _) => self.publish(message, client)?,
                (None, Phase::Draining) => self.phase = Phase::Farewell,
                (None, Phase::Farewell) => {
                    self.phase = Phase::Leaving;
                    client.try_disconnect().map_err(too_many_requests)?;
                }
                (None, _) => return Ok(()),
            }
        }
        Ok(())
    }

    fn publish(&mut self, message: Outgoing, client: &AsyncClient) -> Result<(), Trouble> {
        let Outgoing { topic, payload, retain, user_properties, response_topic, .. } = message;
        let properties = PublishProperties {
            message_expiry_interval: message.expires.map(|at| seconds_until(at, Timestamp::now())),
            user_properties,
            response_topic,
            correlation_data: message.correlation.map(Into::into),
            ..PublishProperties::default()
        };
        let packet =
            Publish::new(topic.clone(), QoS::AtLeastOnce, payload, Some(properties.clone()));
        // Two bytes for the packet id, which it gets only later.
        if packet.size() + 2 > self.largest {
            let (size, limit) = (packet.size(), self.largest);
            tracing::warn!(
                "a message of {size} bytes to {topic} is dropped: the broker takes {limit}"
            );
            self.peer.acked();
            return Ok(());
        }
        self.busy = true;
        client
            .try_publish_with_properties(
                topic,
                QoS::AtLeastOnce,
                retain,
                packet.payload,
                properties,
            )
            .map_err(too_many_requests)
    }

    fn incoming(&mut self, packet: Packet, client: &AsyncClient) -> Result<(), Trouble> {
        match packet {
            Packet::ConnAck(ack) => self.connected(&ack, client)?,
            Packet::SubAck(ack) => self.subscribed(&ack),
            Packet::PubAck(ack) => {
                let taken = matches!(
                    ack.reason,
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                );
                if !taken {
                    let (broker, reason) = (&self.link.broker, ack.reason);
                    tracing::warn!(
                        "the MQTT broker at {broker} did not take a message ({reason:?}); check its access rules"
                    );
                }
                self.busy = false;
                self.peer.acked();
            }
            Packet::Publish(publish) => {
                if let Some(message) = received(publish) {
                    self.peer.received(message, Timestamp::now());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn connected(&mut self, ack: &ConnAck, client: &AsyncClient) -> Result<(), Trouble> {
        if let Some(limit) = ack.properties.as_ref().and_then(|p| p.max_packet_size) {
            self.largest = limit as usize;
        }
        self.phase = Phase::Subscribing;
        // One request each: what is kept under the first filter comes before what is under the next.
        for filter in &self.link.subscriptions {
            client.try_subscribe_many([filter.clone()]).map_err(too_many_requests)?;
            self.subscribing.push_back(filter.path.clone());
        }
        if self.subscribing.is_empty() {
            self.ready();
        }
        Ok(())
    }

    fn subscribed(&mut self, ack: &SubAck) {
        let filter = self.subscribing.pop_front().unwrap_or_default();
        for code in &ack.return_codes {
            if !matches!(code, SubscribeReasonCode::Success(_)) {
                let broker = &self.link.broker;
                tracing::warn!(
                    "the MQTT broker at {broker} refuses the subscription to {filter} ({code:?}); check its access rules"
                );
            }
        }
        if self.subscribing.is_empty() && self.phase == Phase::Subscribing {
            self.ready();
        }
    }

    fn ready(&mut self) {
        self.phase = Phase::Ready;
        self.outage.over(&self.link.broker);
        self.peer.up();
    }
}

/// The client's queue holds all that a session can ask of it at once; should it ever not, a new
/// connection puts that right.
fn too_many_requests(_: rumqttc::v5::ClientError) -> Trouble {
    Trouble::Other("the client's queue is full".to_owned())
}

fn received(publish: Publish) -> Option<Received> {
    let properties = publish.properties.unwrap_or_default();
    Some(Received {
        topic: String::from_utf8(publish.topic.into()).ok()?,
        payload: publish.payload.into(),
        retained: publish.retain,
        user_properties: properties.user_properties,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data.map(Into::into),
    })
}

/// Whole seconds from `now` to `at`, rounded up, at least one: 0 would expire before it is sent.
fn seconds_until(at: Timestamp, now: Timestamp) -> u32 {
    let milliseconds = at.as_millisecond() - now.as_millisecond();
    u32::try_from(
        milliseconds.max(1).div_euclid(1000) + i64::from(milliseconds.rem_euclid(1000) > 0),
    )
    .unwrap_or(u32::MAX)
    .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_whole_seconds_rounded_up() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        for (from, to, seconds) in
            [(0, 1000, 1), (0, 1001, 2), (0, 1, 1), (0, 0, 1), (5000, 0, 1), (0, 90_000, 90)]
        {
            assert_eq!(seconds_until(at(to), at(from)), seconds, "{from} to {to}");
        }
    }
}
