//! Who is it? A gallery of those who opted in, a decision over a track, an enrolment, and who is
//! here now.
//!
//! No device, no socket, no clock: frames bring their own time. A stranger's embeddings live in the
//! evidence of their track, are zeroed when it ends, and leave this room by no path.

#![forbid(unsafe_code)]

mod enrolment;
mod gallery;
mod pad_score;
mod presence;
mod recogniser;
mod recognition_window;
mod settings;
mod track_decision;

pub use gallery::{Gallery, Ranking, mean};
pub use recogniser::{Recogniser, RecognitionEvent};
pub use settings::{Mode, PadMode, Settings};
