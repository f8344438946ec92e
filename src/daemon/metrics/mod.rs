//! What is counted while the box runs, for `/metrics`. No figure is about a person, and none bears
//! a label of one.

use std::fmt;

use instored_mqtt::Publisher;
use instored_recognition::RecognitionEvent;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

mod server;
mod vision;

use super::vision_worker::{VisionEvent, VisionWorker};
pub(super) use server::serve;
pub(super) use vision::VisionMetrics;

/// Upper bounds of the histograms of times, in seconds.
const SECONDS: [f64; 10] = [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Decision {
    decision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// All that is counted.
pub(super) struct Metrics {
    pub registry: Registry,
    pub seen: VisionMetrics,
    told: Histogram,
    decisions: Family<Decision, Counter>,
    commands: Family<Outcome, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let seen = VisionMetrics {
            looks: Histogram::new(SECONDS),
            searched: Counter::default(),
            with_faces: Counter::default(),
        };
        let told = Histogram::new(SECONDS);
        let decisions = Family::<Decision, Counter>::default();
        let commands = Family::<Outcome, Counter>::default();
        let mut registry = Registry::with_prefix("instored");
        let looks = "Looks at a frame, and the seconds they took";
        registry.register("look_seconds", looks, seen.looks.clone());
        let searched = "Frames in which faces were looked for; the others showed nothing new";
        registry.register("frames_searched", searched, seen.searched.clone());
        registry.register(
            "frames_with_faces",
            "Frames that showed a face",
            seen.with_faces.clone(),
        );
        let from = "Frames that brought an event, and the seconds from the camera to the bus";
        registry.register("frame_to_event_seconds", from, told.clone());
        registry.register("decisions", "What came of faces", decisions.clone());
        registry.register("commands", "Commands that were carried out or not", commands.clone());
        Self { registry, seen, told, decisions, commands }
    }
}

impl Metrics {
    /// Something was seen, and `act` says so to the world.
    pub fn glimpse(&self, glimpse: VisionEvent, act: impl FnOnce(VisionEvent)) {
        let taken = if let VisionEvent::RecognitionEvent(sighting, taken) = &glimpse {
            self.decide(sighting);
            Some(*taken)
        } else {
            None
        };
        act(glimpse);
        if let Some(taken) = taken {
            self.told.observe(taken.elapsed().as_secs_f64());
        }
    }

    fn decide(&self, sighting: &RecognitionEvent) {
        let decision = match sighting {
            RecognitionEvent::Arrived(_) => "recognised",
            RecognitionEvent::NotRecognised => "not_recognised",
            RecognitionEvent::PresentationAttackSuspected => "picture",
            RecognitionEvent::Enrolled { .. } => "enrolled",
            RecognitionEvent::EnrolmentFailed(_) => "not_enrolled",
            RecognitionEvent::Left(_)
            | RecognitionEvent::LookHere
            | RecognitionEvent::Captured { .. } => return,
        };
        self.decisions.get_or_create(&Decision { decision }).inc();
    }

    /// A command was answered.
    pub fn command(&self, done: bool) {
        let outcome = if done { "done" } else { "refused" };
        self.commands.get_or_create(&Outcome { outcome }).inc();
    }

    /// Adds what the other parts count by themselves.
    pub fn read_at_each_look(&mut self, publisher: Publisher, eyes: VisionWorker) {
        self.registry.register_collector(Box::new(Others { publisher, eyes }));
    }
}

struct Others {
    publisher: Publisher,
    eyes: VisionWorker,
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Others").finish_non_exhaustive()
    }
}

impl Collector for Others {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let made = self.eyes.embeddings();
        let embeddings = Family::<Purpose, Counter>::default();
        for (purpose, count) in [("enrolment", made.enrolment), ("recognition", made.recognition)] {
            embeddings.get_or_create(&Purpose { purpose }).inc_by(count);
        }
        let help = "Embeddings made, by what they were for";
        let metric =
            encoder.encode_descriptor("embeddings", help, None, embeddings.metric_type())?;
        embeddings.encode(metric)?;

        let traffic = self.publisher.statistics();
        for (name, help, count) in [
            ("bus_dropped", "Events and answers that were given up", traffic.dropped),
            ("bus_connections", "Connections made to the broker", traffic.connections),
            (
                "bus_refused_commands",
                "Commands that were none, or too many",
                traffic.refused_commands,
            ),
        ] {
            let counter = ConstCounter::new(count);
            counter.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        let waiting = ConstGauge::new(i64::try_from(traffic.queued).unwrap_or(i64::MAX));
        let help = "Messages that wait to be sent";
        waiting.encode(encoder.encode_descriptor(
            "bus_waiting",
            help,
            None,
            waiting.metric_type(),
        )?)
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Purpose {
    purpose: &'static str,
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use instored_domain::CustomerId;

    use super::*;

    #[test]
    fn what_is_counted_says_how_often_and_never_who() {
        let figures = Metrics::default();
        let customer = CustomerId(uuid::Uuid::from_u128(0x00c0_ffee));
        let taken = Instant::now();
        let mut said = 0;
        for sighting in [RecognitionEvent::Arrived(customer), RecognitionEvent::Left(customer)] {
            figures.glimpse(VisionEvent::RecognitionEvent(sighting, taken), |_| said += 1);
        }
        figures.glimpse(VisionEvent::Looking(true), |_| said += 1);
        assert_eq!(said, 3);
        figures.command(true);
        assert_eq!(figures.seen.time(|| 7), 7);
        figures.seen.frame(1, true);
        figures.seen.frame(1, true);
        figures.seen.frame(2, false);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &figures.registry).unwrap();
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
