//! Execution of the controller's effects.

use std::time::Duration;

use instored_controller::{Effect, Event, Message};
use instored_recommend::Recommender;
use jiff::Timestamp;

use super::admin_requests::admin_response;
use super::store_worker::StoreJob;
use super::{Daemon, TaskResult, clock};

impl Daemon {
    /// Performs effects in their sequence.
    pub(super) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.perform_one(effect);
        }
    }

    fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::Store(request) => {
                self.pending_operations += 1;
                self.store.send(StoreJob::Controller(request));
            }
            Effect::Publish(message) => self.publish(&message),
            Effect::Respond { address, response } => {
                self.is_command_in_progress = false;
                self.metrics.count_command(response.is_ok());
                if let Some(address) = address {
                    self.publisher.respond(address, &response, Timestamp::now());
                }
            }
            Effect::RespondToClient { client, response } => {
                if let Some(responder) = self.clients.remove(&client) {
                    // Fails if the client has disconnected.
                    let _ = responder.send(response.map(admin_response));
                }
            }
            Effect::Show(signal) => self.led.show(signal),
            Effect::Vision(command) => self.vision.send(command),
            Effect::TickAfter(duration) => self.tick_after(duration),
            Effect::CheckClock => self.check_clock(),
            Effect::Train(recommender) => self.train(recommender),
            Effect::EraseTraces => {
                self.compaction.request(&self.vault);
                self.publisher.renew_session();
            }
            Effect::RecordLatency(delivered) => {
                let latency = self.started.elapsed().saturating_sub(delivered);
                self.metrics.observe_event_latency(latency);
            }
        }
    }

    fn publish(&self, message: &Message) {
        match message {
            Message::State(state) => self.publisher.publish_state(state),
            Message::Visit(event) => self.publisher.publish_visit(event),
            Message::Presence(event) => self.publisher.publish_presence(event),
            Message::Enrolment(event) => self.publisher.publish_enrolment(event),
            Message::List(event) => self.publisher.publish_list(event),
            Message::Stored(stored) => {
                self.publisher.publish_stored(stored.number, stored.stored, &stored.message);
            }
        }
    }

    fn tick_after(&self, duration: Duration) {
        let results = self.results.clone();
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            // Fails if the daemon has stopped.
            let _ = results.send(TaskResult::Event(Event::Tick));
        });
    }

    fn check_clock(&self) {
        let results = self.results.clone();
        tokio::task::spawn_blocking(move || {
            let event = Event::ClockChecked(clock::is_synchronised());
            // Fails if the daemon has stopped.
            let _ = results.send(TaskResult::Event(event));
        });
    }

    /// Trains a ranker on a separate thread.
    fn train(&self, recommender: Recommender) {
        let results = self.results.clone();
        let results_if_not_started = self.results.clone();
        let train = move || {
            let ranker = std::panic::catch_unwind(|| recommender.train());
            if ranker.is_err() {
                tracing::error!("training of the recommendation model panicked");
            }
            // Fails if the daemon has stopped.
            let _ = results.send(TaskResult::Event(Event::Trained(ranker.ok())));
        };
        if let Err(error) = std::thread::Builder::new().name("training".into()).spawn(train) {
            tracing::error!("cannot start the training thread: {error}");
            let _ = results_if_not_started.send(TaskResult::Event(Event::Trained(None)));
        }
    }
}
