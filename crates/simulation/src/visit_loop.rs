//! Camera with one person who enters and leaves repeatedly (`scene:/portrait.jpg`).

use std::time::Duration;

use instored_camera::{Camera, CameraError, Pacing, Settings};
use instored_imaging::{Frame, Picture};

use crate::{PersonId, SceneCamera, SceneController};

/// Seed of the scene.
const SEED: u64 = 1;
/// Time from the start of a visit to the start of the next visit: two seconds to enter, six seconds in
/// the shop, two seconds to leave, and four seconds without a visitor.
const VISIT_PERIOD: Duration = Duration::from_secs(14);

/// Actions of a visit, each with the time since the start of the visit.
const ACTIONS: [(Duration, Action); 3] = [
    (Duration::ZERO, Action::Enter),
    (Duration::from_secs(5), Action::TurnAside),
    (Duration::from_secs(8), Action::Leave),
];

/// An action of the visitor.
#[derive(Clone, Copy, Debug)]
enum Action {
    Enter,
    TurnAside,
    Leave,
}

/// Camera of a scene with one visitor.
pub struct VisitLoop {
    camera: SceneCamera,
    controller: SceneController,
    portrait: Picture,
    visitor: Option<PersonId>,
    /// Index of the next action.
    next_action: usize,
    /// Number of the visit, from 0.
    visit: u32,
    /// Time of the next frame.
    now: Duration,
}

impl VisitLoop {
    /// Creates a camera for the visits of the person in `portrait`, with the configured picture size
    /// and frame rate.
    pub fn new(settings: &Settings, portrait: Picture, pacing: Pacing) -> Self {
        let (camera, controller) =
            SceneCamera::new(settings.width, settings.height, settings.fps, pacing, SEED);
        let now = Duration::ZERO;
        Self { camera, controller, portrait, visitor: None, next_action: 0, visit: 0, now }
    }

    /// Starts the actions that are due.
    fn start_due_actions(&mut self) {
        while self.now >= VISIT_PERIOD * self.visit + ACTIONS[self.next_action].0 {
            match (ACTIONS[self.next_action].1, self.visitor) {
                (Action::Enter, _) => self.visitor = Some(self.controller.enter(&self.portrait)),
                (Action::TurnAside, Some(visitor)) => self.controller.turn_aside(visitor),
                (Action::Leave, Some(visitor)) => self.controller.leave(visitor),
                (Action::TurnAside | Action::Leave, None) => {}
            }
            self.next_action += 1;
            if self.next_action == ACTIONS.len() {
                (self.next_action, self.visit) = (0, self.visit + 1);
            }
        }
    }
}

impl Camera for VisitLoop {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        self.start_due_actions();
        let frame = self.camera.next_frame()?;
        self.now = frame.captured_at + self.camera.period();
        Ok(frame)
    }

    fn describe(&self) -> String {
        format!("{} with one visitor, who enters and leaves repeatedly", self.camera.describe())
    }
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    #[test]
    fn visitor_enters_and_leaves_repeatedly() {
        let settings = Settings { fps: 5, ..Settings::builder().load().unwrap() };
        let portrait = Picture::filled(60, 80, [200, 150, 120]);
        let mut visits = VisitLoop::new(&settings, portrait, Pacing::Unlimited);
        let mut counts = Vec::new();
        for _ in 0..28 * 5 {
            visits.next_frame().unwrap();
            counts.push(visits.controller.person_count());
        }
        for visit in counts.chunks(14 * 5) {
            let frames = visit.iter().filter(|count| **count == 1).count();
            assert!((9 * 5..=11 * 5).contains(&frames), "{frames}");
            assert_eq!(visit[14 * 5 - 1], 0);
        }
    }
}
