//! Face recognition over frames: arrivals and departures of customers, and enrolment.
//!
//! | module | contents |
//! |---|---|
//! | `recogniser` | processing of a frame |
//! | `gallery` | enrolled customers, and search for the most similar ones |
//! | `attention` | time for which a face is near and turned to the camera |
//! | `track_decision` | sequential decision over the views of a track |
//! | `pad_score` | presentation-attack detection over a track |
//! | `enrolment` | collection of the views of a new customer |
//! | `presence` | visits in progress, one for each customer in view |
//! | `recognition_window` | time in which faces may be recognised |
//!
//! Rules:
//! 1. The crate uses no device, no network and no clock. Time is the capture time of the frames.
//! 2. Only an enrolment or a recognition window permits an embedding.
//! 3. Embeddings of strangers exist only in the decision of their track, are zeroed when the track
//!    ends, and never leave this crate.
//! 4. No embedding is computed for recognition while the gallery is empty, and in mode `entrance` only of
//!    faces that attend.

#![forbid(unsafe_code)]

mod attention;
mod enrolment;
mod gallery;
mod pad_score;
mod presence;
mod recogniser;
mod recognition_window;
mod settings;
mod track_decision;

pub use gallery::{Gallery, Ranking, mean};
pub use recogniser::Recogniser;
pub use settings::{Mode, PadMode, Settings};
