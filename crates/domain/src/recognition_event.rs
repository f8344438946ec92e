//! Events of face recognition.

use super::{CustomerId, Embedding, EnrolmentFailure, TrackId};

/// An event that a frame caused.
#[derive(Debug)]
pub enum RecognitionEvent {
    /// A customer entered.
    Arrived(CustomerId),
    /// A customer who is present requested recognition again. Their visit continues.
    RecognisedAgain(CustomerId),
    /// A customer whose arrival was reported has left.
    Left(CustomerId),
    /// The person who requested recognition was not recognised.
    NotRecognised,
    /// A face may be a picture held to the camera.
    PresentationAttackSuspected,
    /// The person who enrols should look at the camera.
    LookHere,
    /// One more view of the person who enrols was captured.
    Captured {
        /// Number of views so far.
        count: u32,
        /// Number of views that the enrolment needs.
        of: u32,
    },
    /// The enrolment failed; nothing is kept.
    EnrolmentFailed(EnrolmentFailure),
    /// The enrolment is complete. The customer has to be stored, and then added to the gallery.
    Enrolled {
        /// Embeddings of the views.
        embeddings: Vec<Embedding>,
        /// Track of the person.
        track: TrackId,
        /// Other customer with a similar face. Each of the two is greeted only if the decision is
        /// unambiguous.
        resembles: Option<CustomerId>,
    },
}
