//! Tests with lost and negative acknowledgements, which a proxy between box and broker causes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use backon::ExponentialBuilder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::*;

/// Packet types of MQTT 5, in the upper four bits of the first byte.
const PUBACK: u8 = 0x40;
const SUBACK: u8 = 0x90;

/// Function that maps a packet from the broker to the packet to forward. An empty packet drops it.
type PacketFilter = Box<dyn FnMut(Vec<u8>) -> Vec<u8> + Send>;

/// Starts a proxy to the broker that filters the packets to the client. Returns its port.
async fn filtering_proxy(broker_port: u16, filter: PacketFilter) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let filter = Arc::new(Mutex::new(filter));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, broker_port)).await.unwrap();
            let filter = Arc::clone(&filter);
            tokio::spawn(async move {
                let (mut from_client, to_client) = client.into_split();
                let (from_broker, mut to_broker) = broker.into_split();
                // When one direction ends, both connections are closed.
                tokio::select! {
                    _ = tokio::io::copy(&mut from_client, &mut to_broker) => {}
                    _ = forward_packets(from_broker, to_client, &filter) => {}
                }
            });
        }
    });
    port
}

async fn forward_packets(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    filter: &Mutex<PacketFilter>,
) -> std::io::Result<()> {
    loop {
        let mut packet = vec![from.read_u8().await?];
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let byte = from.read_u8().await?;
            packet.push(byte);
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let header_length = packet.len();
        packet.resize(header_length + length, 0);
        from.read_exact(&mut packet[header_length..]).await?;
        let packet = (filter.lock().unwrap())(packet);
        to.write_all(&packet).await?;
    }
}

/// Returns a filter that drops the first packet of a type.
fn drop_first(packet_type: u8) -> PacketFilter {
    let mut is_dropped = false;
    Box::new(move |packet| {
        if packet[0] & 0xf0 == packet_type && !std::mem::replace(&mut is_dropped, true) {
            return Vec::new();
        }
        packet
    })
}

/// Returns a filter that drops every `interval`th packet of a type.
fn drop_each(packet_type: u8, interval: u32) -> PacketFilter {
    let mut count = 0;
    Box::new(move |packet| {
        count += u32::from(packet[0] & 0xf0 == packet_type);
        let is_dropped = packet[0] & 0xf0 == packet_type && count.is_multiple_of(interval);
        if is_dropped { Vec::new() } else { packet }
    })
}

/// Box with short time-outs that reaches the broker through a proxy, and a display at the broker.
struct ProxiedBox {
    publisher: Publisher,
    delivered: mpsc::UnboundedReceiver<u64>,
    display: TestDisplay,
    broker: Broker,
    task: JoinHandle<()>,
}

impl ProxiedBox {
    async fn start(acknowledgement_timeout: Duration, filter: PacketFilter) -> Self {
        let broker = Broker::start().unwrap();
        let mut display = TestDisplay::start(broker.port(), Trust::Pinned(public_key(1)));
        display.wait_for(&BoxEvent::BrokerConnection(true)).await;
        let port = filtering_proxy(broker.port(), filter).await;
        let BoxConnection { publisher, commands, delivered, mut connection } =
            connect(&settings(port), &box_id(), signer(1), 1).unwrap();
        let delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(2))
            .with_max_delay(Duration::from_millis(20))
            .without_max_times();
        let timing = connection.timing_mut();
        timing.acknowledgement_timeout = acknowledgement_timeout;
        timing.reconnect_delays = delays;
        timing.retry_delays = delays;
        let task = tokio::spawn(async move {
            let _commands = commands;
            connection.run(std::future::pending()).await;
        });
        Self { publisher, delivered, display, broker, task }
    }

    /// Waits until the statistics of the box meet `condition`.
    async fn wait_for(&self, condition: impl Fn(&Statistics) -> bool) -> Statistics {
        let reached = async {
            loop {
                let statistics = self.publisher.statistics();
                if condition(&statistics) {
                    return statistics;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let result = timeout(TIMEOUT, reached).await;
        result.unwrap_or_else(|_| panic!("not in time: {:?}", self.publisher.statistics()))
    }
}

impl Drop for ProxiedBox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_acknowledgement_ends_session_and_message_is_resent() {
    for packet_type in [PUBACK, SUBACK] {
        let proxied = ProxiedBox::start(Duration::from_millis(300), drop_first(packet_type)).await;
        proxied.publisher.publish_visit(&visit(1, 600));
        proxied
            .wait_for(|statistics| {
                statistics.queued == 0 && statistics.connections > u64::from(packet_type == PUBACK)
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_survive_loss_of_a_third_of_acknowledgements() {
    const EVENTS: u128 = 200;
    let mut random = fastrand::Rng::with_seed(7);
    let lost = Arc::new(AtomicUsize::new(0));
    let lost_count = Arc::clone(&lost);
    let filter = Box::new(move |packet: Vec<u8>| {
        if packet[0] & 0xf0 == PUBACK && random.f32() < 0.3 {
            lost_count.fetch_add(1, Ordering::Relaxed);
            return Vec::new();
        }
        packet
    });
    let mut proxied = ProxiedBox::start(Duration::from_millis(50), filter).await;
    for number in 0..EVENTS {
        proxied.publisher.publish_visit(&visit(number, 600));
    }
    let mut deliveries = HashMap::new();
    while deliveries.len() < EVENTS as usize {
        if let BoxEvent::Visit(_, event) = proxied.display.next().await {
            *deliveries.entry(event.id).or_insert(0) += 1;
        }
    }
    let statistics = proxied.wait_for(|statistics| statistics.queued == 0).await;
    while let Ok(event) = proxied.display.events.try_recv() {
        assert!(!matches!(event, BoxEvent::Visit(..)), "delivered twice: {event:?}");
    }
    assert!(deliveries.values().all(|count| *count == 1), "{deliveries:?}");
    assert_eq!(statistics.dropped, 0);
    assert!(lost.load(Ordering::Relaxed) > 50, "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_messages_are_delivered_and_reported_in_order() {
    // A session starts with three announcements, so that acknowledgements of stored messages are lost.
    let filter = drop_each(PUBACK, 7);
    let mut proxied = ProxiedBox::start(Duration::from_millis(100), filter).await;
    let events = (1..=20).map(|number| EnrolmentEvent {
        id: EventId(Uuid::from_u128(number)),
        step: EnrolmentStep::LookHere,
        issued: Timestamp::now(),
        expires: Timestamp::now() + OUTBOX_LIFETIME,
    });
    let events: Vec<_> = events.collect();
    for (number, event) in (1..).zip(&events) {
        let stored = encode_enrolment(&box_id(), event).unwrap();
        proxied.publisher.publish_stored(number, Timestamp::now(), &stored);
    }
    for event in &events {
        let BoxEvent::Enrolment(_, received) = proxied.display.next_visit_or_enrolment().await
        else {
            panic!()
        };
        assert_eq!(received.id, event.id);
    }
    for number in 1..=20 {
        assert_eq!(timeout(TIMEOUT, proxied.delivered.recv()).await.unwrap(), Some(number));
    }
    // A message that is older than the outbox lifetime is dropped.
    let yesterday = Timestamp::now() - OUTBOX_LIFETIME;
    let stored = encode_enrolment(&box_id(), &events[0]).unwrap();
    proxied.publisher.publish_stored(21, yesterday, &stored);
    proxied.publisher.publish_stored(22, Timestamp::now(), b"malformed");
    assert_eq!(proxied.wait_for(|statistics| statistics.queued == 0).await.dropped, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_event_is_retried_only_if_retry_can_help() {
    // Columns: reason code, rejections of the first event, its copies at the broker, dropped messages.
    for (reason, rejections, copies, dropped) in
        [(0x97, 3, 4, 0), (0x80, 3, 4, 0), (0x87, 1, 1, 1), (0x90, 1, 1, 1), (0x99, 1, 1, 1)]
    {
        let remaining_rejections = Arc::new(AtomicUsize::new(0));
        let filter_rejections = Arc::clone(&remaining_rejections);
        let filter = Box::new(move |packet: Vec<u8>| {
            let is_rejected = packet[0] & 0xf0 == PUBACK
                && filter_rejections
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                        count.checked_sub(1)
                    })
                    .is_ok();
            if is_rejected { vec![PUBACK, 3, packet[2], packet[3], reason] } else { packet }
        });
        let proxied = ProxiedBox::start(TIMEOUT, filter).await;
        let visits = MosquittoSub::start(proxied.broker.port(), "instored/+/visit");
        proxied.wait_for(|statistics| statistics.connections == 1 && statistics.queued == 0).await;
        remaining_rejections.store(rejections, Ordering::Relaxed);
        proxied.publisher.publish_visit(&visit(1, 600));
        let statistics = proxied.wait_for(|statistics| statistics.queued == 0).await;
        proxied.publisher.publish_visit(&visit(2, 600));
        let ids = || visits.next().json::<VisitEvent>().id;
        for _ in 0..copies {
            assert_eq!(ids(), EventId(Uuid::from_u128(1)), "{reason:#x}");
        }
        assert_eq!(ids(), EventId(Uuid::from_u128(2)), "{reason:#x}");
        assert_eq!(
            (statistics.rejected, statistics.dropped),
            (rejections as u64, dropped),
            "{reason:#x}"
        );
        assert_eq!(statistics.connections, 1, "{reason:#x}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeatedly_rejected_announcement_does_not_block_events() {
    let filter = Box::new(|packet: Vec<u8>| {
        if packet[0] & 0xf0 == PUBACK {
            vec![PUBACK, 3, packet[2], packet[3], 0x97]
        } else {
            packet
        }
    });
    let mut proxied = ProxiedBox::start(TIMEOUT, filter).await;
    proxied.publisher.publish_visit(&visit(1, 600));
    let BoxEvent::Visit(_, event) = proxied.display.next_visit_or_enrolment().await else {
        panic!()
    };
    assert_eq!(event.id, EventId(Uuid::from_u128(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oldest_message_age_grows_until_acknowledgement() {
    let publisher = connect(&settings(1), &box_id(), signer(1), 1).unwrap().publisher;
    assert_eq!(publisher.statistics().oldest_queued_seconds, 0);
    publisher.publish_visit(&visit(1, 600));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    publisher.publish_state(&state(1));
    let statistics = publisher.statistics();
    assert_eq!((statistics.queued, statistics.oldest_queued_seconds), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_renews_sessions_without_an_outage() {
    let broker = Broker::start_with("allow_anonymous true\nlog_type all", |_| {}).unwrap();
    let test_box = TestBox::start(broker.port());
    let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
    display.wait_for(&BoxEvent::Availability(box_id(), true)).await;
    let issued = Timestamp::now();
    let withdrawn = EnrolmentEvent {
        id: EventId(Uuid::from_u128(2)),
        step: EnrolmentStep::Withdrawn { customer: CustomerId(Uuid::from_u128(9)) },
        issued,
        expires: issued + SignedDuration::from_secs(60),
    };
    test_box.publisher.publish_enrolment(&withdrawn);
    test_box.publisher.renew_session();
    display.wait_for(&BoxEvent::Enrolment(box_id(), withdrawn)).await;
    // The broker logs each acknowledged subscription of the display, which has seven.
    let has_renewed = || {
        let subscribed = broker.log().matches("Sending SUBACK to instored-display-").count();
        subscribed == 2 * 7 && test_box.publisher.statistics().connections == 2
    };
    timeout(TIMEOUT, async {
        while !has_renewed() {
            assert_ne!(display.events.try_recv(), Ok(BoxEvent::BrokerConnection(false)));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("two new sessions");
    let event = visit(1, 60);
    test_box.publisher.publish_visit(&event);
    assert_eq!(display.next_visit_or_enrolment().await, BoxEvent::Visit(box_id(), event));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_during_renewal_announces_offline() {
    for delay_ms in [1_998, 2_001, 2_004, 2_010] {
        let broker = Broker::start().unwrap();
        let test_box = TestBox::start(broker.port());
        let mut display = TestDisplay::start(broker.port(), Trust::FirstUse);
        display.wait_for(&BoxEvent::Availability(box_id(), true)).await;
        test_box.publisher.renew_session();
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        test_box.stop().await;
        display.wait_for(&BoxEvent::Availability(box_id(), false)).await;
    }
}
