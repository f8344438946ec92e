//! A shop entrance that never was: people walk in, look around and leave.
//!
//! `instored demo` and the tests are made of this. A [`SceneCamera`] is a camera; its [`SceneController`] sends
//! portraits in and out from another thread. Everything is drawn from the portrait, the seed and
//! the frame's number, so the same directions at the same frames give the same pictures.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use instored_camera::{Camera, CameraError, FrameClock, Pacing};
use instored_imaging::{Frame, Picture};

use super::background;
use super::movement::{self, Act, Place};
use super::sensor_noise::Noise;
use super::sprite::Sprite;

/// Who is on the stage; never given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct PersonId(u64);

/// A camera that looks at the played entrance.
pub struct SceneCamera {
    cast: Arc<Cast>,
    ticker: FrameClock,
    shop: Picture,
    noise: Noise,
    seed: u64,
}

/// Directs a [`SceneCamera`] from any thread. Directions hold from the stage's next frame on.
#[derive(Clone)]
pub struct SceneController(Arc<Cast>);

#[derive(Default)]
struct Cast {
    troupe: Mutex<Troupe>,
    changed: Condvar,
}

/// Everyone on the stage or at its door.
#[derive(Default)]
struct Troupe {
    actors: Vec<Actor>,
    /// How many ever came.
    entered: u64,
    /// The time of the latest frame.
    now: Duration,
}

struct Actor {
    id: PersonId,
    sprite: Arc<Sprite>,
    act: Act,
    /// Where this actor stands; `None` while waiting at the door for a free place.
    place: Option<Place>,
}

impl Cast {
    fn lock(&self) -> MutexGuard<'_, Troupe> {
        // A troupe is whole between any two of its changes, so a panic elsewhere is no harm.
        self.troupe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SceneCamera {
    /// An empty stage of `width` x `height` pixels, seen `fps` times a second.
    pub fn new(
        width: u32,
        height: u32,
        fps: u32,
        pace: Pacing,
        seed: u64,
    ) -> (Self, SceneController) {
        let cast = Arc::new(Cast::default());
        let stage = Self {
            cast: cast.clone(),
            ticker: FrameClock::new(fps, pace),
            shop: background::paint(width, height, seed),
            noise: Noise::new(seed),
            seed,
        };
        (stage, SceneController(cast))
    }

    /// Moves everybody on by a `step` to `now`, and returns how they look, those behind first.
    fn play(&self, now: Duration, step: Duration) -> Vec<(Arc<Sprite>, movement::Pose)> {
        let mut troupe = self.cast.lock();
        for i in 0..troupe.actors.len() {
            if troupe.actors[i].place.is_none() {
                let taken: Vec<_> = troupe.actors.iter().filter_map(|a| a.place).collect();
                troupe.actors[i].place = Place::ALL.into_iter().find(|p| !taken.contains(p));
            } else {
                troupe.actors[i].act.advance(step);
            }
        }
        troupe.actors.retain(|actor| !actor.act.is_over());
        troupe.now = now;
        let mut seen: Vec<_> = troupe
            .actors
            .iter()
            .filter_map(|actor| {
                let pose = actor.act.pose(actor.place?, self.seed ^ actor.id.0);
                Some((actor.sprite.clone(), pose))
            })
            .collect();
        drop(troupe);
        self.cast.changed.notify_all();
        seen.sort_by(|(_, a), (_, b)| a.scale.total_cmp(&b.scale));
        seen
    }
}

impl SceneCamera {
    /// The time between two frames.
    pub(super) fn period(&self) -> Duration {
        self.ticker.period()
    }
}

impl Camera for SceneCamera {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let taken = self.ticker.tick();
        let frame = self.ticker.ticked() - 1;
        let actors = self.play(taken, self.ticker.period());
        let mut picture = self.shop.clone();
        for (sprite, pose) in &actors {
            sprite.draw(&mut picture, pose);
        }
        // The light outside changes slowly, as behind clouds.
        let light = 1.0 + 0.03 * (taken.as_secs_f32() * 0.21 + (self.seed % 7) as f32).sin();
        self.noise.expose(&mut picture, light, frame);
        Ok(Frame { picture, captured_at: taken })
    }

    fn describe(&self) -> String {
        let (width, height) = (self.shop.width(), self.shop.height());
        format!("a played scene of {width}x{height} at {}/s", self.ticker.fps())
    }
}

impl SceneController {
    /// Sends in the person of a portrait: head and shoulders, facing the camera. They walk in for
    /// two seconds and then stand. A fourth person waits until one of three places is free.
    pub fn enter(&self, portrait: &Picture) -> PersonId {
        let sprite = Arc::new(Sprite::cut(portrait));
        let mut troupe = self.0.lock();
        let id = PersonId(troupe.entered);
        troupe.entered += 1;
        troupe.actors.push(Actor { id, sprite, act: Act::new(), place: None });
        id
    }

    /// Sends somebody out; they are gone after two seconds. Whoever is not there is not missed.
    pub fn leave(&self, id: PersonId) {
        let mut troupe = self.0.lock();
        troupe.actors.retain(|actor| actor.id != id || actor.place.is_some());
        if let Some(actor) = troupe.actors.iter_mut().find(|actor| actor.id == id) {
            actor.act.leave();
        }
        drop(troupe);
        self.0.changed.notify_all();
    }

    /// Has somebody turn aside for two seconds, and back.
    pub fn turn_aside(&self, id: PersonId) {
        if let Some(actor) = self.0.lock().actors.iter_mut().find(|actor| actor.id == id) {
            actor.act.turn();
        }
    }

    /// Has two people who stand there change their places, so that one hides the other on the way.
    pub fn swap_places(&self, first: PersonId, second: PersonId) {
        let mut troupe = self.0.lock();
        let find = |id| troupe.actors.iter().position(|actor| actor.id == id);
        let (Some(first), Some(second)) = (find(first), find(second)) else { return };
        let places = [first, second].map(|i| troupe.actors[i].place);
        let [Some(of_first), Some(of_second)] = places else { return };
        for (actor, from, to) in [(first, of_first, of_second), (second, of_second, of_first)] {
            let actor = &mut troupe.actors[actor];
            actor.place = Some(to);
            actor.act.move_from(from);
        }
    }

    /// How many are on the stage or on their way.
    pub fn person_count(&self) -> usize {
        self.0.lock().actors.len()
    }

    /// The stage's own time: that of its latest frame.
    pub fn now(&self) -> Duration {
        self.0.lock().now
    }

    /// Waits until nobody is on the stage or on their way; `false` when it took longer
    /// than `timeout`.
    pub fn wait_until_empty(&self, timeout: Duration) -> bool {
        self.wait_until(timeout, |troupe| troupe.actors.is_empty())
    }

    /// Waits until somebody stands at their place; `false` when it took longer than `timeout` or
    /// they are not there.
    pub fn wait_until_standing(&self, id: PersonId, timeout: Duration) -> bool {
        let standing = |actor: &Actor| actor.id == id && actor.act.is_standing();
        self.wait_until(timeout, |troupe| troupe.actors.iter().any(standing))
    }

    fn wait_until(&self, timeout: Duration, met: impl Fn(&Troupe) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut troupe = self.0.lock();
        while !met(&troupe) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let changed = self.0.changed.wait_timeout(troupe, left);
            troupe = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[cfg(test)]
mod tests;
