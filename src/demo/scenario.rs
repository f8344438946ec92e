//! Scenario of the demonstration: its steps and the checks of their results.

use std::time::{Duration, Instant};

use instored_domain::{
    Command, CustomerId, EnrolmentFailure, EnrolmentStep, VisitEvent, VisitKind,
};
use instored_mqtt::BoxEvent;
use instored_orders::{Entry, Format, OrderRules};
use instored_simulation::{PersonId, SceneController};
use jiff::{Timestamp, Zoned};
use tokio::task::block_in_place;

use super::fixtures::{ALEX, BEA, Person, STRANGERS, catalogue};
use super::harness::Harness;
use super::output::Output;
use crate::daemon::admin_api::Request;

/// Unexpected result of a step.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message describes it")]
pub enum ScenarioError {
    #[error("{person} stood in view for {seconds} s without {missing}")]
    Missing { person: &'static str, missing: &'static str, seconds: u64 },
    #[error("the enrolment of {person} failed: {reason:?}")]
    NotEnrolled { person: &'static str, reason: EnrolmentFailure },
    #[error("{person}, who has not opted in, was greeted as a customer")]
    StrangerGreeted { person: &'static str },
    #[error("{person} was greeted {fault}")]
    WrongGreeting { person: &'static str, fault: &'static str },
    #[error("{action}: {reason}")]
    ActionFailed { action: &'static str, reason: String },
    #[error("the daemon has stopped processing frames")]
    Stalled,
}

type Result<T> = std::result::Result<T, ScenarioError>;

/// Maximum time in the scene for an expected event.
const EVENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Time in the scene for which a stranger stays in view.
const STRANGER_DURATION: Duration = Duration::from_secs(6);
/// Time in the scene after which the box has detected a departure.
const DEPARTURE_DURATION: Duration = Duration::from_secs(6);
/// Maximum real time of one wait for the scene, long enough for a busy machine.
const STALL_TIMEOUT: Duration = Duration::from_secs(300);
/// Real time between two checks of the scene.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Duration of a hold, above the default of `panel.hold_seconds`.
const HOLD_DURATION: Duration = Duration::from_secs(6);
const PRESS_DURATION: Duration = Duration::from_millis(250);
/// Time in the scene for which a person reads the notice, below the time in which a press agrees.
const READING_DURATION: Duration = Duration::from_secs(2);
/// Real time without an event after which all pending events have been received.
const QUIET_DURATION: Duration = Duration::from_millis(300);

/// Scenario on a running box.
pub(super) struct Scenario<'a> {
    pub harness: &'a mut Harness,
    pub output: Output,
    /// Time in the scene for which a greeted person stays in view.
    pub greeting_duration: Duration,
}

impl Scenario<'_> {
    /// Runs all steps. At the end, nobody is in view.
    pub async fn run(&mut self) -> Result<()> {
        let products = Command::Catalogue { products: catalogue(), remove: Vec::new() };
        self.send("filling the catalogue", &products).await?;
        let alex = self.enrol(&ALEX).await?;
        let bea = self.enrol(&BEA).await?;
        self.expect_greeting(&ALEX, alex).await?;
        self.expect_greeting(&BEA, bea).await?;
        for stranger in &STRANGERS {
            self.output.print_scene(format_args!(
                "Now {} comes in, who has not pressed the button.",
                stranger.name
            ));
            self.expect_no_greeting(stranger, 0).await?;
        }
        self.withdraw(&ALEX, alex).await?;
        self.output.print_scene(format_args!("Alex comes back once more."));
        self.expect_no_greeting(&ALEX, 1).await
    }

    /// Brings a customer into view, who stays until the end of the demonstration.
    pub async fn show_last_visitor(&mut self) -> Result<()> {
        self.output
            .print_scene(format_args!("Bea comes in, and stays until you stop the demonstration."));
        self.enter(&BEA, 1).await?;
        let arrived = |event: &BoxEvent| visit_event(event, VisitKind::Arrived).map(|_| ());
        self.wait_for(&BEA, "a greeting", arrived).await
    }

    /// Enrols a person with a press of the button, and imports their past orders.
    async fn enrol(&mut self, person: &Person) -> Result<CustomerId> {
        self.output.print_scene(format_args!("{} comes in and presses the button.", person.name));
        let id = self.enter(person, 0).await?;
        self.harness.button.hold(PRESS_DURATION);
        let offered = |event: &BoxEvent| match event {
            BoxEvent::Enrolment(_, event) => (event.step == EnrolmentStep::Offered).then_some(()),
            _ => None,
        };
        self.wait_for(person, "the consent text", offered).await?;
        self.wait_in_scene(READING_DURATION).await?;
        let name = person.name;
        self.output
            .print_scene(format_args!("{name} reads the notice, and agrees with a second press."));
        self.harness.button.hold(PRESS_DURATION);
        let outcome = |event: &BoxEvent| match event {
            BoxEvent::Enrolment(_, event) => match &event.step {
                EnrolmentStep::Done { customer, .. } => Some(Ok(customer.id)),
                EnrolmentStep::Failed { reason } => Some(Err(*reason)),
                _ => None,
            },
            _ => None,
        };
        let outcome = self.wait_for(person, "the end of the enrolment", outcome).await?;
        let customer =
            outcome.map_err(|reason| ScenarioError::NotEnrolled { person: person.name, reason })?;
        let name = person.name.parse().ok();
        self.send("naming the customer", &Command::Rename { customer, name }).await?;
        self.import_orders(person, customer)?;
        self.leave(id).await?;
        Ok(customer)
    }

    /// Imports a person's past orders as the command line does.
    fn import_orders(&self, person: &Person, customer: CustomerId) -> Result<()> {
        let action = "importing the customer's orders";
        let action_error = |reason: String| ScenarioError::ActionFailed { action, reason };
        let csv = person.orders_csv(customer, &Zoned::now());
        let rules = OrderRules { now: Timestamp::now(), currency: None };
        let orders = instored_orders::read_orders(csv.as_bytes(), Format::Csv, rules)
            .map_err(|error| action_error(error.to_string()))?
            .map(|entry| match entry.map_err(|error| action_error(error.to_string()))? {
                Entry::Accepted(order, _) => Ok(order),
                Entry::Rejected(rejected) => Err(action_error(rejected.reason)),
            })
            .collect::<Result<Vec<_>>>()?;
        self.output.print_scene(format_args!(
            "The till has {} past orders of {}.",
            orders.len(),
            person.name
        ));
        block_in_place(|| self.harness.send_admin_request(&Request::AddOrders { orders }))
            .map_err(action_error)?;
        Ok(())
    }

    /// Checks that a customer is greeted with orders and recommendations, and that the visit ends.
    async fn expect_greeting(&mut self, person: &Person, customer: CustomerId) -> Result<()> {
        self.output.print_scene(format_args!("{} comes back, years later.", person.name));
        let id = self.enter(person, 1).await?;
        let arrived = |event: &BoxEvent| visit_event(event, VisitKind::Arrived).cloned();
        let greeting = self.wait_for(person, "a greeting", arrived).await?;
        let faults = [
            (greeting.customer.id != customer, "as another customer"),
            (greeting.orders.is_empty(), "without past orders"),
            (greeting.recommendations.is_empty(), "without recommendations"),
        ];
        if let Some((_, fault)) = faults.iter().find(|(is_fault, _)| *is_fault) {
            return Err(ScenarioError::WrongGreeting { person: person.name, fault });
        }
        self.wait_in_scene(self.greeting_duration).await?;
        self.leave(id).await?;
        let left = |event: &BoxEvent| visit_event(event, VisitKind::Left).map(|_| ());
        self.wait_for(person, "the end of the visit", left).await
    }

    /// Withdraws a customer with a hold of the button.
    async fn withdraw(&mut self, person: &Person, customer: CustomerId) -> Result<()> {
        let name = person.name;
        self.output.print_scene(format_args!("{name} comes in and holds the button."));
        let id = self.enter(person, 1).await?;
        let arrived = |event: &BoxEvent| visit_event(event, VisitKind::Arrived).map(|_| ());
        self.wait_for(person, "a greeting", arrived).await?;
        self.harness.button.hold(HOLD_DURATION);
        let withdrawn = |event: &BoxEvent| match event {
            BoxEvent::Enrolment(_, event) => {
                (event.step == EnrolmentStep::Withdrawn { customer }).then_some(())
            }
            _ => None,
        };
        self.wait_for(person, "the withdrawal", withdrawn).await?;
        self.leave(id).await
    }

    /// Checks that a person who enters and leaves causes no visit.
    async fn expect_no_greeting(&mut self, person: &Person, portrait: usize) -> Result<()> {
        let id = self.enter(person, portrait).await?;
        self.wait_in_scene(STRANGER_DURATION).await?;
        self.leave(id).await?;
        // Events that the visit caused are published before the response.
        self.send(
            "listing the present customers",
            &Command::Present { republishes_greetings: false },
        )
        .await?;
        while let Some(event) = self.harness.next_event(QUIET_DURATION).await {
            self.output.print_event(&event);
            if matches!(event, BoxEvent::Visit(..)) {
                return Err(ScenarioError::StrangerGreeted { person: person.name });
            }
        }
        self.output.print_scene(format_args!("Nothing happens, and nothing is stored."));
        Ok(())
    }

    /// Brings a person into view.
    async fn enter(&self, person: &Person, portrait: usize) -> Result<PersonId> {
        let file = person.portrait(portrait).bytes;
        let picture = instored_imaging::decode_picture(file).map_err(|reason| {
            ScenarioError::ActionFailed { action: "reading a portrait", reason }
        })?;
        let id = self.harness.scene.enter(&picture);
        self.wait_until(|scene| scene.wait_until_standing(id, Duration::ZERO)).await?;
        Ok(id)
    }

    /// Moves a person out of view, and waits until the box has detected the departure.
    async fn leave(&self, id: PersonId) -> Result<()> {
        self.harness.scene.leave(id);
        self.wait_until(|scene| scene.wait_until_empty(Duration::ZERO)).await?;
        self.wait_in_scene(DEPARTURE_DURATION).await
    }

    /// Waits for a duration in the scene.
    async fn wait_in_scene(&self, duration: Duration) -> Result<()> {
        let end = self.harness.scene.now() + duration;
        self.wait_until(|scene| scene.now() >= end).await
    }

    /// Waits until the scene meets a condition.
    async fn wait_until(&self, is_met: impl Fn(&SceneController) -> bool) -> Result<()> {
        let deadline = Instant::now() + STALL_TIMEOUT;
        while !is_met(&self.harness.scene) {
            if Instant::now() > deadline {
                return Err(ScenarioError::Stalled);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Sends a command. A failure of the command ends the scenario.
    async fn send(&self, action: &'static str, command: &Command) -> Result<()> {
        let response = self.harness.send_command(command).await;
        let action_error = |reason: String| ScenarioError::ActionFailed { action, reason };
        response.map(|_| ()).map_err(|error| action_error(error.to_string()))
    }

    /// Waits for an event for which `find` returns a value, and returns this value. `person` is in
    /// view.
    async fn wait_for<T>(
        &mut self,
        person: &Person,
        missing: &'static str,
        find: impl Fn(&BoxEvent) -> Option<T>,
    ) -> Result<T> {
        let deadline = self.harness.scene.now() + EVENT_TIMEOUT;
        loop {
            let Some(event) = self.harness.next_event(Duration::from_millis(50)).await else {
                if self.harness.scene.now() > deadline {
                    let seconds = EVENT_TIMEOUT.as_secs();
                    return Err(ScenarioError::Missing { person: person.name, missing, seconds });
                }
                continue;
            };
            self.output.print_event(&event);
            if let Some(found) = find(&event) {
                return Ok(found);
            }
        }
    }
}

/// Returns the visit event if `event` is a visit event of this kind.
fn visit_event(event: &BoxEvent, kind: VisitKind) -> Option<&VisitEvent> {
    match event {
        BoxEvent::Visit(_, event) if event.event == kind => Some(event),
        _ => None,
    }
}
