//! What happens in the demonstration, and what has to come of it.

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

/// What should have happened and did not, or the other way round.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Something that had to happen did not.
    #[error("{who} stood there for {waited} s and {missing} did not come")]
    Missing {
        /// In front of the camera.
        who: &'static str,
        /// The event that was waited for.
        missing: &'static str,
        /// Seconds on the stage.
        waited: u64,
    },
    /// An enrolment kept nothing.
    #[error("the enrolment of {who} failed: {reason:?}")]
    NotEnrolled {
        /// In front of the camera.
        who: &'static str,
        /// Why.
        reason: EnrolmentFailure,
    },
    /// Somebody was greeted who must not be.
    #[error("{who} was greeted as a customer")]
    Greeted {
        /// In front of the camera.
        who: &'static str,
    },
    /// A greeting came that lacks what it has to bring.
    #[error("{who} was greeted {fault}")]
    Greeting {
        /// In front of the camera.
        who: &'static str,
        /// What is wrong.
        fault: &'static str,
    },
    /// The box refused, or did not answer.
    #[error("{doing}: {reason}")]
    Refused {
        /// What was asked.
        doing: &'static str,
        /// What it said.
        reason: String,
    },
    /// The stage does not move: the daemon has stopped looking.
    #[error("the camera's pictures are no longer looked at")]
    Stalled,
}

type Told<T> = Result<T, ScenarioError>;

/// How long somebody stands there before what did not happen counts as not happening.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long somebody stands there to whom nothing should happen.
const LINGER: Duration = Duration::from_secs(6);
/// Longer than the box takes to see that somebody has left.
const GONE: Duration = Duration::from_secs(6);
/// Real time in which the stage has to get there, even on a machine that is busy otherwise.
const STALL: Duration = Duration::from_secs(300);
/// How often the stage is looked at.
const GLIMPSE: Duration = Duration::from_millis(5);
/// Longer than a press that withdraws.
const LONG_PRESS: Duration = Duration::from_secs(6);
const SHORT_PRESS: Duration = Duration::from_millis(250);

/// Tells the story in a theatre.
pub(super) struct Scenario<'a> {
    pub theatre: &'a mut Harness,
    pub narrator: Output,
    /// How long a greeting is left to be read, on the stage.
    pub reading: Duration,
}

impl Scenario<'_> {
    /// The whole story. At its end the stage is empty.
    pub async fn tell(&mut self) -> Told<()> {
        let shelves = Command::Catalogue { products: catalogue(), remove: Vec::new() };
        self.ask("filling the catalogue", &shelves).await?;
        let alex = self.enrols(&ALEX).await?;
        let bea = self.enrols(&BEA).await?;
        self.is_greeted(&ALEX, alex, "years later").await?;
        self.is_greeted(&BEA, bea, "years later").await?;
        for stranger in &STRANGERS {
            self.narrator.say(format_args!("In comes {}, who never pressed.", stranger.name));
            self.passes_unknown(stranger, 0).await?;
        }
        self.withdraws(&ALEX, alex).await?;
        self.narrator.say(format_args!("Alex comes back once more."));
        self.passes_unknown(&ALEX, 1).await
    }

    /// Bea comes in again, and stays.
    pub async fn encore(&mut self) -> Told<()> {
        self.narrator.say(format_args!("Bea comes in, and stays for as long as you watch."));
        self.enter(&BEA, 1).await?;
        let arrived = |h: &BoxEvent| visit(h, VisitKind::Arrived).map(|_| ());
        self.until(&BEA, "the greeting", arrived).await
    }

    async fn enrols(&mut self, person: &Person) -> Told<CustomerId> {
        self.narrator.say(format_args!("{} comes in and presses the button.", person.name));
        let actor = self.enter(person, 0).await?;
        self.theatre.hand.hold(SHORT_PRESS);
        let outcome = |h: &BoxEvent| match h {
            BoxEvent::Enrolment(_, event) => match &event.step {
                EnrolmentStep::Done { customer, .. } => Some(Ok(customer.id)),
                EnrolmentStep::Failed { reason } => Some(Err(*reason)),
                _ => None,
            },
            _ => None,
        };
        let outcome = self.until(person, "the end of the enrolment", outcome).await?;
        let customer =
            outcome.map_err(|reason| ScenarioError::NotEnrolled { who: person.name, reason })?;
        let name = person.name.parse().ok();
        self.ask("giving the customer a name", &Command::Rename { customer, name }).await?;
        self.import(person, customer)?;
        self.leave(actor).await?;
        Ok(customer)
    }

    fn import(&self, person: &Person, customer: CustomerId) -> Told<()> {
        let doing = "importing the customer's orders";
        let refused = |reason: String| ScenarioError::Refused { doing, reason };
        let csv = person.history(customer, &Zoned::now());
        let rules = OrderRules { now: Timestamp::now(), currency: None };
        let orders = instored_orders::read_orders(csv.as_bytes(), Format::Csv, rules)
            .map_err(|e| refused(e.to_string()))?
            .map(|entry| match entry.map_err(|e| refused(e.to_string()))? {
                Entry::Accepted(order, _) => Ok(order),
                Entry::Rejected(rejected) => Err(refused(rejected.reason)),
            })
            .collect::<Told<Vec<_>>>()?;
        self.narrator.say(format_args!(
            "The till knows {} orders of {}.",
            orders.len(),
            person.name
        ));
        block_in_place(|| self.theatre.operator(&Request::AddOrders { orders }))
            .map_err(refused)?;
        Ok(())
    }

    async fn is_greeted(
        &mut self,
        person: &Person,
        customer: CustomerId,
        when: &str,
    ) -> Told<PersonId> {
        self.narrator.say(format_args!("{} comes back, {when}.", person.name));
        let actor = self.enter(person, 1).await?;
        let arrived = |h: &BoxEvent| visit(h, VisitKind::Arrived).cloned();
        let greeting = self.until(person, "the greeting", arrived).await?;
        let faults = [
            (greeting.customer.id != customer, "as somebody else"),
            (greeting.orders.is_empty(), "without past orders"),
            (greeting.recommendations.is_empty(), "without recommendations"),
        ];
        if let Some((_, fault)) = faults.iter().find(|(wrong, _)| *wrong) {
            return Err(ScenarioError::Greeting { who: person.name, fault });
        }
        self.pass(self.reading).await?;
        self.leave(actor).await?;
        let left = |h: &BoxEvent| visit(h, VisitKind::Left).map(|_| ());
        self.until(person, "the farewell", left).await?;
        Ok(actor)
    }

    async fn withdraws(&mut self, person: &Person, customer: CustomerId) -> Told<()> {
        let name = person.name;
        self.narrator.say(format_args!("{name} comes in and holds the button."));
        let actor = self.enter(person, 1).await?;
        let arrived = |h: &BoxEvent| visit(h, VisitKind::Arrived).map(|_| ());
        self.until(person, "the greeting", arrived).await?;
        self.theatre.hand.hold(LONG_PRESS);
        let withdrawn = |h: &BoxEvent| match h {
            BoxEvent::Enrolment(_, event)
                if event.step == EnrolmentStep::Withdrawn { customer } =>
            {
                Some(())
            }
            _ => None,
        };
        self.until(person, "the withdrawal", withdrawn).await?;
        self.leave(actor).await
    }

    /// Somebody comes in, stands there, leaves, and nothing may happen.
    async fn passes_unknown(&mut self, person: &Person, portrait: usize) -> Told<()> {
        let actor = self.enter(person, portrait).await?;
        self.pass(LINGER).await?;
        self.leave(actor).await?;
        // Whatever the box says of it was said before it answers.
        self.ask("asking who is here", &Command::Present {}).await?;
        while let Some(heard) = self.theatre.heard_within(Duration::from_millis(300)).await {
            self.narrator.heard(&heard);
            if matches!(heard, BoxEvent::Visit(..)) {
                return Err(ScenarioError::Greeted { who: person.name });
            }
        }
        self.narrator.say(format_args!("Nothing happens, and nothing is kept."));
        Ok(())
    }

    async fn enter(&self, person: &Person, portrait: usize) -> Told<PersonId> {
        let file = person.portrait(portrait).bytes;
        let picture = instored_imaging::decode_picture(file)
            .map_err(|reason| ScenarioError::Refused { doing: "reading a portrait", reason })?;
        let actor = self.theatre.director.enter(&picture);
        self.stage_shows(|stage| stage.wait_until_standing(actor, Duration::ZERO)).await?;
        Ok(actor)
    }

    /// Sends somebody out, and waits until the box has seen that they are gone.
    async fn leave(&self, actor: PersonId) -> Told<()> {
        self.theatre.director.leave(actor);
        self.stage_shows(|stage| stage.wait_until_empty(Duration::ZERO)).await?;
        self.pass(GONE).await
    }

    /// Lets time pass on the stage.
    async fn pass(&self, time: Duration) -> Told<()> {
        let until = self.theatre.director.now() + time;
        self.stage_shows(|stage| stage.now() >= until).await
    }

    async fn stage_shows(&self, met: impl Fn(&SceneController) -> bool) -> Told<()> {
        let deadline = Instant::now() + STALL;
        while !met(&self.theatre.director) {
            if Instant::now() > deadline {
                return Err(ScenarioError::Stalled);
            }
            tokio::time::sleep(GLIMPSE).await;
        }
        Ok(())
    }

    async fn ask(&self, doing: &'static str, command: &Command) -> Told<()> {
        let answer = self.theatre.ask(command).await;
        answer.map(|_| ()).map_err(|e| ScenarioError::Refused { doing, reason: e.to_string() })
    }

    /// Listens until something was said for which `wanted` has an answer, as long as the person
    /// can be expected to stand there.
    async fn until<T>(
        &mut self,
        person: &Person,
        missing: &'static str,
        wanted: impl Fn(&BoxEvent) -> Option<T>,
    ) -> Told<T> {
        let deadline = self.theatre.director.now() + PATIENCE;
        loop {
            let Some(heard) = self.theatre.heard_within(Duration::from_millis(50)).await else {
                if self.theatre.director.now() > deadline {
                    let waited = PATIENCE.as_secs();
                    return Err(ScenarioError::Missing { who: person.name, missing, waited });
                }
                continue;
            };
            self.narrator.heard(&heard);
            if let Some(found) = wanted(&heard) {
                return Ok(found);
            }
        }
    }
}

fn visit(heard: &BoxEvent, kind: VisitKind) -> Option<&VisitEvent> {
    match heard {
        BoxEvent::Visit(_, event) if event.event == kind => Some(event),
        _ => None,
    }
}
