//! Events of the recogniser.

use instored_domain::{CustomerId, Embedding, EnrolmentFailure};
use instored_vision::TrackId;

/// An event that a frame caused.
#[derive(Debug)]
pub enum RecognitionEvent {
    /// A customer entered.
    Arrived(CustomerId),
    /// A customer who had arrived is out of view.
    Left(CustomerId),
    /// The person who requested recognition is not enrolled.
    NotRecognised,
    /// A face may be a picture held to the camera.
    PresentationAttackSuspected,
    /// The person who enrols should look at the camera.
    LookHere,
    /// One more view of the person who enrols was captured.
    Captured {
        /// Views so far.
        count: u32,
        /// Views needed.
        of: u32,
    },
    /// The enrolment failed; nothing is kept.
    EnrolmentFailed(EnrolmentFailure),
    /// The enrolment is complete. Store the customer, then call
    /// [`Recogniser::add_customer`](crate::Recogniser::add_customer).
    Enrolled {
        /// Embeddings of the views.
        embeddings: Vec<Embedding>,
        /// Track of the person.
        track: TrackId,
        /// Customer who looks similar. Both are greeted only if the decision is unambiguous.
        resembles: Option<CustomerId>,
    },
}
