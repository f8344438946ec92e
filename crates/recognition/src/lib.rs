//! Who is it? A gallery of those who opted in, a decision over a track, an enrolment, and who is
//! here now.
//!
//! No device, no socket, no clock: frames bring their own time. A stranger's embeddings live in the
//! evidence of their track, are zeroed when it ends, and leave this room by no path.

#![forbid(unsafe_code)]

mod enrolment;
mod evidence;
mod gallery;
mod liveness;
mod presence;
mod recogniser;
mod settings;
mod window;

pub use gallery::{Gallery, Ranking, mean};
pub use recogniser::{Recogniser, Sighting};
pub use settings::{LivenessGate, Mode, Settings};
