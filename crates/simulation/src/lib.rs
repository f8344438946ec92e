//! Simulated entrance camera and simulated button, for the demo and the tests.
//!
//! Rules:
//! 1. A picture depends only on the portraits, the seed and the frame number; the same directions at
//!    the same frames give the same pictures.
//! 2. The simulated button delivers edges exactly as they were requested, without bounce.

#![forbid(unsafe_code)]

mod background;
mod matte;
mod movement;
pub mod panel;
pub mod portraits;
mod scene;
mod sensor_noise;
mod sprite;
mod visit_loop;

pub use scene::{PersonId, SceneCamera, SceneController};
pub use visit_loop::VisitLoop;
