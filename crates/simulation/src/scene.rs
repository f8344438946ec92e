//! Simulated shop entrance: people enter, turn aside, change places and leave.
//!
//! A [`SceneCamera`] delivers the frames; its [`SceneController`] controls the people from any thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use instored_camera::{Camera, CameraError, FrameClock, Pacing};
use instored_imaging::{Frame, Picture};

use crate::background;
use crate::movement::{Movement, Place, Pose};
use crate::sensor_noise::SensorNoise;
use crate::sprite::Sprite;

/// Identifier of a person in a scene; no identifier is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct PersonId(u64);

/// Camera of a simulated entrance.
pub struct SceneCamera {
    scene: Arc<Scene>,
    clock: FrameClock,
    background: Picture,
    noise: SensorNoise,
    seed: u64,
}

/// Controller of a scene, usable from any thread. Commands take effect with the next frame.
#[derive(Clone)]
pub struct SceneController(Arc<Scene>);

/// State of a scene with a signal for its changes.
#[derive(Default)]
struct Scene {
    state: Mutex<SceneState>,
    changed: Condvar,
}

/// The people in the scene.
#[derive(Default)]
struct SceneState {
    /// People in the frame, on the way in or out, or waiting for a place.
    people: Vec<Person>,
    /// Number of people who have entered so far.
    entered_count: u64,
    /// Time of the latest frame.
    now: Duration,
}

/// A person in the scene.
struct Person {
    id: PersonId,
    sprite: Arc<Sprite>,
    movement: Movement,
    /// Place to stand; `None` while all places are taken.
    place: Option<Place>,
}

impl Scene {
    /// Locks the state.
    fn lock(&self) -> MutexGuard<'_, SceneState> {
        // No change of the state can panic half-way, so the state is valid even if a thread panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SceneCamera {
    /// Creates the camera and the controller of an empty scene, with `width` x `height` pixels and
    /// `fps` frames per second.
    pub fn new(
        width: u32,
        height: u32,
        fps: u32,
        pacing: Pacing,
        seed: u64,
    ) -> (Self, SceneController) {
        let scene = Arc::new(Scene::default());
        let camera = Self {
            scene: Arc::clone(&scene),
            clock: FrameClock::new(fps, pacing),
            background: background::paint(width, height, seed),
            noise: SensorNoise::new(seed),
            seed,
        };
        (camera, SceneController(scene))
    }

    /// Returns the time between two frames.
    pub(super) fn period(&self) -> Duration {
        self.clock.period()
    }

    /// Advances all people by `step`, to the time `now`. Returns their sprites and poses, the farthest
    /// person first.
    fn advance(&self, now: Duration, step: Duration) -> Vec<(Arc<Sprite>, Pose)> {
        let mut state = self.scene.lock();
        for i in 0..state.people.len() {
            if state.people[i].place.is_none() {
                let taken: Vec<_> = state.people.iter().filter_map(|person| person.place).collect();
                state.people[i].place = Place::ALL.into_iter().find(|p| !taken.contains(p));
            } else {
                state.people[i].movement.advance(step);
            }
        }
        state.people.retain(|person| !person.movement.has_left());
        state.now = now;
        let mut poses: Vec<_> = state
            .people
            .iter()
            .filter_map(|person| {
                let pose = person.movement.pose(person.place?, self.seed ^ person.id.0);
                Some((Arc::clone(&person.sprite), pose))
            })
            .collect();
        drop(state);
        self.scene.changed.notify_all();
        poses.sort_by(|(_, a), (_, b)| a.scale.total_cmp(&b.scale));
        poses
    }
}

impl Camera for SceneCamera {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let captured_at = self.clock.next_frame_time();
        let frame = self.clock.frames() - 1;
        let mut picture = self.background.clone();
        for (sprite, pose) in &self.advance(captured_at, self.clock.period()) {
            sprite.draw(&mut picture, pose);
        }
        // The daylight changes slowly, as if clouds passed.
        let gain = 1.0 + 0.03 * (captured_at.as_secs_f32() * 0.21 + (self.seed % 7) as f32).sin();
        self.noise.expose(&mut picture, gain, frame);
        Ok(Frame { picture, captured_at })
    }

    fn describe(&self) -> String {
        let (width, height) = (self.background.width(), self.background.height());
        format!("a simulated entrance of {width}x{height} at {} frames/s", self.clock.fps())
    }
}

impl SceneController {
    /// Lets the person of a portrait enter. The portrait shows head and shoulders, facing the camera.
    /// The person walks for two seconds and then stands. A fourth person waits until one of three
    /// places is free.
    pub fn enter(&self, portrait: &Picture) -> PersonId {
        let sprite = Arc::new(Sprite::cut(portrait));
        let mut state = self.0.lock();
        let id = PersonId(state.entered_count);
        state.entered_count += 1;
        state.people.push(Person { id, sprite, movement: Movement::new(), place: None });
        id
    }

    /// Lets a person leave, which takes two seconds. Has no effect on a person who has left.
    pub fn leave(&self, id: PersonId) {
        let mut state = self.0.lock();
        state.people.retain(|person| person.id != id || person.place.is_some());
        if let Some(person) = state.people.iter_mut().find(|person| person.id == id) {
            person.movement.leave();
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// Lets a person turn aside and back, which takes two seconds.
    pub fn turn_aside(&self, id: PersonId) {
        if let Some(person) = self.0.lock().people.iter_mut().find(|person| person.id == id) {
            person.movement.turn_aside();
        }
    }

    /// Lets two standing people change places. On the way, one person hides the other.
    pub fn swap_places(&self, first: PersonId, second: PersonId) {
        let mut state = self.0.lock();
        let find = |id| state.people.iter().position(|person| person.id == id);
        let (Some(first), Some(second)) = (find(first), find(second)) else { return };
        let places = [first, second].map(|i| state.people[i].place);
        let [Some(first_place), Some(second_place)] = places else { return };
        for (i, from, to) in
            [(first, first_place, second_place), (second, second_place, first_place)]
        {
            let person = &mut state.people[i];
            person.place = Some(to);
            person.movement.move_from(from);
        }
    }

    /// Returns the number of people in the scene, including those who wait for a place.
    pub fn person_count(&self) -> usize {
        self.0.lock().people.len()
    }

    /// Returns the time of the latest frame.
    pub fn now(&self) -> Duration {
        self.0.lock().now
    }

    /// Waits until nobody is in the scene; returns false after `timeout`.
    pub fn wait_until_empty(&self, timeout: Duration) -> bool {
        self.wait_until(timeout, |state| state.people.is_empty())
    }

    /// Waits until a person stands at their place; returns false after `timeout`.
    pub fn wait_until_standing(&self, id: PersonId, timeout: Duration) -> bool {
        let is_standing = |person: &Person| person.id == id && person.movement.is_standing();
        self.wait_until(timeout, |state| state.people.iter().any(is_standing))
    }

    /// Waits until the condition is true; returns false after `timeout`.
    fn wait_until(&self, timeout: Duration, is_met: impl Fn(&SceneState) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.0.lock();
        while !is_met(&state) {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return false;
            }
            let changed = self.0.changed.wait_timeout(state, remaining);
            state = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[cfg(test)]
mod tests;
