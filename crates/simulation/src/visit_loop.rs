//! One person who comes in and leaves again and again: the camera behind `scene:/portrait.jpg`.

use std::time::Duration;

use instored_camera::{Camera, CameraError, Pacing, Settings};
use instored_imaging::{Frame, Picture};

use super::{PersonId, SceneCamera, SceneController};

const SEED: u64 = 1;
/// From one visit to the next: two seconds in, six there, two out, four empty.
const VISIT: Duration = Duration::from_secs(14);

/// What happens in a visit, and when.
const CUES: [(Duration, Cue); 3] = [
    (Duration::ZERO, Cue::Enter),
    (Duration::from_secs(5), Cue::Turn),
    (Duration::from_secs(8), Cue::Leave),
];

#[derive(Clone, Copy, Debug)]
enum Cue {
    Enter,
    Turn,
    Leave,
}

/// A stage with one visitor.
pub struct VisitLoop {
    stage: SceneCamera,
    director: SceneController,
    portrait: Picture,
    actor: Option<PersonId>,
    cue: usize,
    visit: u32,
    /// When the next frame will be taken.
    now: Duration,
}

impl VisitLoop {
    /// VisitLoop of the person on `portrait`, in frames as configured.
    pub fn new(settings: &Settings, portrait: Picture, pace: Pacing) -> Self {
        let (stage, director) =
            SceneCamera::new(settings.width, settings.height, settings.fps, pace, SEED);
        Self { stage, director, portrait, actor: None, cue: 0, visit: 0, now: Duration::ZERO }
    }

    fn direct(&mut self) {
        while self.now >= VISIT * self.visit + CUES[self.cue].0 {
            match (CUES[self.cue].1, self.actor) {
                (Cue::Enter, _) => self.actor = Some(self.director.enter(&self.portrait)),
                (Cue::Turn, Some(actor)) => self.director.turn_aside(actor),
                (Cue::Leave, Some(actor)) => self.director.leave(actor),
                (Cue::Turn | Cue::Leave, None) => {}
            }
            self.cue += 1;
            if self.cue == CUES.len() {
                (self.cue, self.visit) = (0, self.visit + 1);
            }
        }
    }
}

impl Camera for VisitLoop {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        self.direct();
        let frame = self.stage.next_frame()?;
        self.now = frame.captured_at + self.stage.period();
        Ok(frame)
    }

    fn describe(&self) -> String {
        format!("{}: one visitor, again and again", self.stage.describe())
    }
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    #[test]
    fn the_visitor_comes_goes_and_comes_again() {
        let settings = Settings { fps: 5, ..Settings::builder().load().unwrap() };
        let portrait = Picture::filled(60, 80, [200, 150, 120]);
        let mut visits = VisitLoop::new(&settings, portrait, Pacing::Unlimited);
        let mut there = Vec::new();
        for _ in 0..28 * 5 {
            visits.next_frame().unwrap();
            there.push(visits.director.person_count());
        }
        let (first, second) = there.split_at(14 * 5);
        for visit in [first, second] {
            let stays = visit.iter().filter(|there| **there == 1).count();
            assert!((9 * 5..=11 * 5).contains(&stays), "{stays}");
            assert_eq!(visit[14 * 5 - 1], 0);
        }
    }
}
