//! Simulated entrance camera and simulated button, for the demo and the tests.
//!
//! | module | contents |
//! |---|---|
//! | `scene` | camera of a simulated shop entrance, and its controller |
//! | `visit_loop` | camera with one person who enters and leaves repeatedly |
//! | `background`, `sensor_noise` | picture of the empty shop, exposure and noise |
//! | `sprite`, `matte`, `movement` | people cut out of portraits, and their movements |
//! | [`panel`] | button and status LED |
//! | [`portraits`], `random` | portraits of people, pseudo-random numbers |
//!
//! Rules:
//! 1. A picture depends only on the portraits, the seed and the frame number; the same commands at the
//!    same frames give the same pictures.
//! 2. The simulated button delivers edges exactly as they were requested, without bounce.

#![forbid(unsafe_code)]

mod background;
mod matte;
mod movement;
pub mod panel;
pub mod portraits;
mod random;
mod scene;
mod sensor_noise;
mod sprite;
mod visit_loop;

pub use scene::{PersonId, SceneCamera, SceneController};
pub use visit_loop::VisitLoop;
