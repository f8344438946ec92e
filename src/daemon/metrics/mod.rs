//! Metrics of the running box, for `/metrics`.
//!
//! No metric describes a person, and no label contains an id.

mod server;
mod vision;

use std::fmt;
use std::time::Duration;

use instored_domain::RecognitionEvent;
use instored_mqtt::Publisher;
use instored_panel::Monitor;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::vision_worker::VisionWorker;
pub(super) use server::serve;
pub(super) use vision::VisionMetrics;

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS_SECONDS: [f64; 10] = [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DecisionLabel {
    decision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PurposeLabel {
    purpose: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FaceLabel {
    processing: &'static str,
}

/// Metrics of the daemon and their registry.
pub(super) struct Metrics {
    pub registry: Registry,
    pub vision: VisionMetrics,
    event_seconds: Histogram,
    decisions: Family<DecisionLabel, Counter>,
    commands: Family<OutcomeLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let vision = VisionMetrics {
            frame_seconds: Histogram::new(BUCKETS_SECONDS),
            searched_frames: Counter::default(),
            frames_with_faces: Counter::default(),
        };
        let event_seconds = Histogram::new(BUCKETS_SECONDS);
        let decisions = Family::<DecisionLabel, Counter>::default();
        let commands = Family::<OutcomeLabel, Counter>::default();
        let mut registry = Registry::with_prefix("instored");
        registry.register(
            "look_seconds",
            "Processing time of a frame, in seconds",
            vision.frame_seconds.clone(),
        );
        registry.register(
            "frames_searched",
            "Frames on which the face detector ran; it skips frames without motion",
            vision.searched_frames.clone(),
        );
        registry.register(
            "frames_with_faces",
            "Frames with a face in view",
            vision.frames_with_faces.clone(),
        );
        registry.register(
            "frame_to_event_seconds",
            "Time from a frame to its event in the MQTT queue, in seconds",
            event_seconds.clone(),
        );
        registry.register("decisions", "Recognition and enrolment results", decisions.clone());
        registry.register("commands", "Commands from MQTT, by outcome", commands.clone());
        Self { registry, vision, event_seconds, decisions, commands }
    }
}

impl Metrics {
    /// Counts the result of a recognition event, if it has one.
    pub fn count_decision(&self, event: &RecognitionEvent) {
        let decision = match event {
            RecognitionEvent::Arrived(_) | RecognitionEvent::RecognisedAgain(_) => "recognised",
            RecognitionEvent::NotRecognised => "not_recognised",
            RecognitionEvent::PresentationAttackSuspected => "picture",
            RecognitionEvent::Enrolled { .. } => "enrolled",
            RecognitionEvent::EnrolmentFailed(_) => "not_enrolled",
            RecognitionEvent::Left(_)
            | RecognitionEvent::LookHere
            | RecognitionEvent::Captured { .. } => return,
        };
        self.decisions.get_or_create(&DecisionLabel { decision }).inc();
    }

    /// Records the time from the delivery of a frame until its event was published.
    pub fn observe_event_latency(&self, latency: Duration) {
        self.event_seconds.observe(latency.as_secs_f64());
    }

    /// Counts a command by its outcome.
    pub fn count_command(&self, is_done: bool) {
        let outcome = if is_done { "done" } else { "refused" };
        self.commands.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Registers the metrics of the MQTT connection, the vision thread and the panel.
    pub fn register_collectors(
        &mut self,
        publisher: Publisher,
        vision: VisionWorker,
        panel: Monitor,
    ) {
        self.registry.register_collector(Box::new(DaemonCollector { publisher, vision, panel }));
    }
}

/// Collector that reads the current values at each request.
struct DaemonCollector {
    publisher: Publisher,
    vision: VisionWorker,
    panel: Monitor,
}

impl fmt::Debug for DaemonCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DaemonCollector").finish_non_exhaustive()
    }
}

impl Collector for DaemonCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let count = self.vision.embedding_count();
        let embeddings = Family::<PurposeLabel, Counter>::default();
        for (purpose, count) in [("enrolment", count.enrolment), ("recognition", count.recognition)]
        {
            embeddings.get_or_create(&PurposeLabel { purpose }).inc_by(count);
        }
        let count = self.vision.face_count();
        let faces = Family::<FaceLabel, Counter>::default();
        for (processing, count) in
            [("seen", count.seen), ("attended", count.attended), ("embedded", count.embedded)]
        {
            faces.get_or_create(&FaceLabel { processing }).inc_by(count);
        }
        let statistics = self.publisher.statistics();
        let dropped = ConstCounter::new(statistics.dropped);
        let connections = ConstCounter::new(statistics.connections);
        let refused = ConstCounter::new(statistics.rejected_commands);
        let rejected = ConstCounter::new(statistics.rejected);
        let oldest = i64::try_from(statistics.oldest_queued_seconds).unwrap_or(i64::MAX);
        let oldest = ConstGauge::new(oldest);
        let queued = ConstGauge::new(i64::try_from(statistics.queued).unwrap_or(i64::MAX));
        let panel = ConstGauge::new(i64::from(self.panel.state().is_ready()));
        let metrics: [(&str, &str, &dyn EncodeMetric); 9] = [
            ("embeddings", "Computed embeddings, by purpose", &embeddings),
            ("faces", "Faces, by what was computed of them", &faces),
            ("bus_dropped", "Messages that expired, exceeded the queue or were rejected", &dropped),
            ("bus_rejected", "Messages that the broker rejected", &rejected),
            ("bus_connections", "Connections to the broker since the start", &connections),
            ("bus_refused_commands", "Commands that were malformed or too frequent", &refused),
            ("bus_waiting", "Messages in the send queue", &queued),
            ("bus_oldest_seconds", "Age of the oldest unacknowledged message", &oldest),
            (
                "panel_ready",
                "1 if button and status LED are open, 0 while they are missing",
                &panel,
            ),
        ];
        for (name, help, metric) in metrics {
            let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(encoder)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use instored_domain::CustomerId;

    use super::*;

    #[test]
    fn metrics_count_events_without_customer_ids() {
        let metrics = Metrics::default();
        let customer = CustomerId(uuid::Uuid::from_u128(0x00c0_ffee));
        for event in [RecognitionEvent::Arrived(customer), RecognitionEvent::Left(customer)] {
            metrics.count_decision(&event);
            metrics.observe_event_latency(Duration::from_millis(7));
        }
        metrics.count_command(true);
        assert_eq!(metrics.vision.time(|| 7), 7);
        metrics.vision.count_frame(1, true);
        metrics.vision.count_frame(1, true);
        metrics.vision.count_frame(2, false);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry).unwrap();
        for line in [
            "instored_decisions_total{decision=\"recognised\"} 1",
            "instored_commands_total{outcome=\"done\"} 1",
            "instored_look_seconds_count 1",
            "instored_frame_to_event_seconds_count 2",
            "instored_frames_searched_total 2",
            "instored_frames_with_faces_total 2",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("c0ffee") && !text.contains("customer="), "{text}");
    }
}
