//! How somebody moves: pure functions of time.

use std::f32::consts::TAU;
use std::time::Duration;

use super::sensor_noise::hash;

/// How long coming in or going out takes.
const WALK: Duration = Duration::from_secs(2);
/// How long turning aside and back takes.
const TURN: Duration = Duration::from_millis(2_000);
/// Size of somebody at the far end of their way.
const FAR: f32 = 0.36;
/// Width of somebody who is turned aside.
const ASIDE: f32 = 0.7;

/// Where somebody stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Middle,
    Left,
    Right,
}

impl Place {
    /// In the order in which they are taken.
    pub(super) const ALL: [Self; 3] = [Self::Middle, Self::Left, Self::Right];

    /// Standing place and size there: across in widths, size in that of the middle.
    fn standing(self) -> (f32, f32) {
        match self {
            Self::Middle => (0.5, 1.0),
            Self::Left => (0.2, 0.82),
            Self::Right => (0.8, 0.82),
        }
    }

    /// From which side somebody comes, outside the frame.
    fn door(self) -> f32 {
        match self {
            Self::Middle | Self::Right => 1.12,
            Self::Left => -0.12,
        }
    }
}

/// How somebody looks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    /// Where the head is: across in widths, down in heights.
    pub x: f32,
    pub y: f32,
    /// Size; 1 is a portrait as tall as five sixths of the frame.
    pub scale: f32,
    /// Width against height: below 1 while turned aside.
    pub aspect: f32,
    /// Tilt of the head, in radians.
    pub tilt: f32,
    /// StatusLed on them; 1 is that of the portrait.
    pub light: f32,
    /// Whether they move fast enough to blur.
    pub blurred: bool,
}

/// What somebody is doing.
#[derive(Debug)]
pub(super) struct Act {
    /// 0 outside, 1 at the standing place.
    way: f32,
    leaving: bool,
    /// Time since the first step.
    age: Duration,
    turned: Option<Duration>,
    /// From where they changed their place, and when.
    moved: Option<(Place, Duration)>,
}

impl Act {
    /// Somebody who is about to come in.
    pub(super) fn new() -> Self {
        Self { way: 0.0, leaving: false, age: Duration::ZERO, turned: None, moved: None }
    }

    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    pub(super) fn turn(&mut self) {
        self.turned = Some(self.age);
    }

    /// They walk over from `place` to another.
    pub(super) fn move_from(&mut self, place: Place) {
        self.moved = Some((place, self.age));
    }

    pub(super) fn advance(&mut self, step: Duration) {
        self.age += step;
        let walked = step.as_secs_f32() / WALK.as_secs_f32();
        self.way = (self.way + if self.leaving { -walked } else { walked }).clamp(0.0, 1.0);
    }

    /// Whether they have left.
    pub(super) fn is_over(&self) -> bool {
        self.leaving && self.way <= 0.0
    }

    pub(super) fn is_standing(&self) -> bool {
        !self.leaving && self.way >= 1.0
    }

    /// How they look; `seed` gives everyone their own way of standing.
    pub(super) fn pose(&self, place: Place, seed: u64) -> Pose {
        let way = smooth(self.way);
        let walking = 4.0 * self.way * (1.0 - self.way);
        let age = self.age.as_secs_f32();
        let sway = |hertz: f32, nth: u64| (TAU * (age * hertz + phase(seed, nth))).sin();
        let (x, scale) = self.standing(place);
        let scale = FAR + (scale - FAR) * way;
        let step = sway(1.9, 0).abs() * walking;
        Pose {
            x: place.door() + (x - place.door()) * way + 0.008 * sway(0.23, 1) * way,
            y: 0.52 - 0.02 * step + 0.004 * sway(0.31, 2),
            scale: scale * (1.0 + 0.02 * sway(0.17, 3)),
            aspect: 1.0 - (1.0 - ASIDE) * self.aside(),
            tilt: 0.045 * sway(0.21, 4) + 0.03 * walking * sway(0.95, 0),
            light: 0.86 + 0.14 * way + 0.03 * sway(0.13, 5),
            blurred: walking > 0.3,
        }
    }

    fn standing(&self, place: Place) -> (f32, f32) {
        let (x, scale) = place.standing();
        let Some((from, when)) = self.moved else { return (x, scale) };
        let part = (self.age - when).as_secs_f32() / WALK.as_secs_f32();
        let left = 1.0 - smooth(part.clamp(0.0, 1.0));
        let (from_x, from_scale) = from.standing();
        (x + (from_x - x) * left, scale + (from_scale - scale) * left)
    }

    /// How far they are turned aside, 0 to 1.
    fn aside(&self) -> f32 {
        let Some(turned) = self.turned else { return 0.0 };
        let part = (self.age - turned).as_secs_f32() / TURN.as_secs_f32();
        // Turning takes a quarter of the time, staying so a half.
        smooth((4.0 * part.min(1.0 - part)).clamp(0.0, 1.0))
    }
}

fn smooth(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// A phase of 0 to 1.
fn phase(seed: u64, nth: u64) -> f32 {
    (hash(seed.wrapping_mul(31).wrapping_add(nth)) >> 40) as f32 / (1u32 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(act: &mut Act, seconds: f32) -> Pose {
        act.advance(Duration::from_secs_f32(seconds));
        act.pose(Place::Middle, 1)
    }

    #[test]
    fn somebody_comes_from_outside_stands_and_goes_outside_again() {
        let mut act = Act::new();
        assert!(after(&mut act, 0.0).x > 1.1 && !act.is_standing());
        let (small, half, tall) =
            (after(&mut act, 0.1), after(&mut act, 0.9), after(&mut act, 1.0));
        assert!(small.scale < half.scale && half.scale < tall.scale);
        assert!((tall.x - 0.5).abs() < 0.02 && act.is_standing());
        act.leave();
        assert!(!act.is_over() && !act.is_standing());
        assert!(after(&mut act, 2.0).x > 1.1 && act.is_over());
    }

    #[test]
    fn somebody_who_turns_turns_back() {
        let mut act = Act::new();
        assert!(after(&mut act, 3.0).aspect > 0.999);
        act.turn();
        assert!((after(&mut act, 1.0).aspect - ASIDE).abs() < 1e-3);
        assert!(after(&mut act, 1.5).aspect > 0.999);
        assert!(after(&mut act, 60.0).aspect > 0.999);
    }

    #[test]
    fn somebody_who_changes_places_walks_over() {
        let mut act = Act::new();
        let x = |act: &mut Act, seconds| {
            act.advance(Duration::from_secs_f32(seconds));
            act.pose(Place::Right, 1).x
        };
        assert!((x(&mut act, 3.0) - 0.8).abs() < 0.02);
        act.move_from(Place::Left);
        assert!((x(&mut act, 0.0) - 0.2).abs() < 0.02);
        assert!((x(&mut act, 1.0) - 0.5).abs() < 0.03);
        assert!((x(&mut act, 1.0) - 0.8).abs() < 0.02);
    }

    #[test]
    fn standing_is_never_still_and_never_far_off() {
        let mut act = Act::new();
        after(&mut act, 2.0);
        let poses: Vec<_> = (0..200).map(|_| after(&mut act, 0.1)).collect();
        assert!(poses.windows(2).all(|two| two[0].x != two[1].x));
        for pose in poses {
            assert!((pose.x - 0.5).abs() < 0.01 && (pose.scale - 1.0).abs() < 0.03);
            assert!(pose.tilt.abs() < 0.08 && (pose.light - 1.0).abs() < 0.05 && !pose.blurred);
        }
    }
}
