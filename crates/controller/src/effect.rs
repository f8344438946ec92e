//! Outputs of the controller.

use std::time::Duration;

use instored_domain::{
    BoxState, CommandFailure, CommandResponse, CustomerId, Embedding, EnrolmentEvent, ListEvent,
    PresenceEvent, ResponseAddress, TrackId, VisitEvent,
};
use instored_panel::LedSignal;
use instored_recommend::Recommender;

use crate::operator::{ClientId, OperatorResponse};
use crate::store::{StoreRequest, StoredMessage};

/// Effect that the daemon performs.
pub enum Effect {
    /// Executes an operation on the vault. [`Event::Stored`](crate::Event::Stored) follows.
    Store(StoreRequest),
    /// Publishes a message.
    Publish(Message),
    /// Responds to a command. Without an address, the response is only counted.
    Respond {
        /// Address of the client.
        address: Option<ResponseAddress>,
        /// Response, or the reason of the failure.
        response: Result<CommandResponse, CommandFailure>,
    },
    /// Responds to a request of the command line.
    RespondToClient {
        /// The client.
        client: ClientId,
        /// Response, or the reason of the failure.
        response: Result<OperatorResponse, CommandFailure>,
    },
    /// Shows a signal on the status LED.
    Show(LedSignal),
    /// Passes a command to recognition.
    Vision(VisionCommand),
    /// Requests [`Event::Tick`](crate::Event::Tick) after this time.
    TickAfter(Duration),
    /// Finds out whether a time server has set the clock.
    /// [`Event::ClockChecked`](crate::Event::ClockChecked) follows.
    CheckClock,
    /// Trains a ranker. [`Event::Trained`](crate::Event::Trained) follows.
    Train(Recommender),
    /// Rewrites the vault's file without deleted data, in the background, and frees the buffers of the MQTT
    /// connection.
    EraseTraces,
    /// Records the latency since this uptime, at which the frame was delivered.
    RecordLatency(Duration),
}

/// Message for the broker.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "each variant is a topic")]
pub enum Message {
    State(BoxState),
    Visit(VisitEvent),
    Presence(PresenceEvent),
    Enrolment(EnrolmentEvent),
    List(ListEvent),
    /// Message of the outbox. [`Event::Delivered`](crate::Event::Delivered) follows when the broker
    /// acknowledges it.
    Stored(StoredMessage),
}

/// Command to recognition.
#[derive(Debug)]
pub enum VisionCommand {
    /// Opens the recognition window. An open window stays open.
    OpenRecognitionWindow,
    /// Starts an enrolment.
    BeginEnrolment {
        /// True if the person resembles a customer, but is another person.
        is_another_person: bool,
    },
    /// Cancels the enrolment in progress.
    CancelEnrolment,
    /// Adds a customer's templates to the gallery.
    AddCustomer {
        /// The customer.
        customer: CustomerId,
        /// Templates of the customer.
        templates: Vec<Embedding>,
        /// Track that shows the customer, if they are in view.
        track: Option<TrackId>,
    },
    /// Removes a customer from the gallery.
    RemoveCustomer(CustomerId),
    /// Ends the visit of a customer who was recognised wrongly.
    DismissCustomer(CustomerId),
}
