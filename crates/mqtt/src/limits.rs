//! How many commands a box takes: so many a second of each verb, and a burst now and then. Whoever
//! floods one verb shuts out neither the others nor the rest of the box's work.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use instored_domain::Command;

/// A burst is as much as is taken in so many seconds otherwise.
const BURST_SECONDS: f64 = 5.0;
/// Refusals that are answered, a second; beyond, a flood is met with silence.
const REFUSALS: f64 = 10.0;
/// Between two lines of the log about refused commands.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// What is still taken.
pub(super) struct Limits {
    rate: f64,
    /// By verb; all that is no verb shares the bucket of the empty one.
    buckets: HashMap<&'static str, Bucket>,
    refusals: Bucket,
    unlogged: u64,
    logged: Option<Instant>,
}

struct Bucket {
    left: f64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, rate: f64, now: Instant) -> bool {
        let flowed = now.saturating_duration_since(self.filled).as_secs_f64() * rate;
        self.left = (self.left + flowed).min(rate * BURST_SECONDS);
        self.filled = now;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

impl Limits {
    /// Takes `rate` commands of each verb a second.
    pub fn new(rate: u32, now: Instant) -> Self {
        let full = |rate: f64| Bucket { left: rate * BURST_SECONDS, filled: now };
        let rate = f64::from(rate);
        let buckets = Command::VERBS.into_iter().chain([""]).map(|verb| (verb, full(rate)));
        Self {
            rate,
            buckets: buckets.collect(),
            refusals: full(REFUSALS),
            unlogged: 0,
            logged: None,
        }
    }

    /// Whether one more command of this verb is taken.
    pub fn take(&mut self, verb: &str, now: Instant) -> bool {
        let known = if self.buckets.contains_key(verb) { verb } else { "" };
        self.buckets.get_mut(known).is_some_and(|bucket| bucket.take(self.rate, now))
    }

    /// Whether one more refusal is answered.
    pub fn answers(&mut self, now: Instant) -> bool {
        self.refusals.take(REFUSALS, now)
    }

    /// A command was refused: how many the log has to be told of now, if any.
    pub fn due_for_log(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        let due = self.logged.is_none_or(|last| now.duration_since(last) >= LOG_PAUSE);
        due.then(|| {
            self.logged = Some(now);
            std::mem::take(&mut self.unlogged)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(limits: &mut Limits, verb: &str, now: Instant) -> usize {
        (0..1000).filter(|_| limits.take(verb, now)).count()
    }

    #[test]
    fn a_flood_of_one_verb_leaves_room_for_the_others_and_ends_by_itself() {
        let begun = Instant::now();
        let mut limits = Limits::new(20, begun);
        assert_eq!(taken(&mut limits, "present", begun), 100);
        assert_eq!(taken(&mut limits, "order", begun), 100);
        let later = begun + Duration::from_secs(1);
        assert_eq!(taken(&mut limits, "present", later), 20);
        let much_later = begun + Duration::from_secs(3600);
        assert_eq!(taken(&mut limits, "present", much_later), 100);
    }

    #[test]
    fn words_that_are_no_verbs_share_one_limit() {
        let now = Instant::now();
        let mut limits = Limits::new(20, now);
        let invented = (0..1000).filter(|n| limits.take(&format!("verb-{n}"), now)).count();
        assert_eq!(invented, 100);
        assert_eq!(limits.buckets.len(), Command::VERBS.len() + 1);
    }

    #[test]
    fn refusals_are_answered_and_logged_sparingly() {
        let now = Instant::now();
        let mut limits = Limits::new(20, now);
        assert_eq!((0..1000).filter(|_| limits.answers(now)).count(), 50);
        assert_eq!(limits.due_for_log(now), Some(1));
        assert_eq!((0..500).filter_map(|_| limits.due_for_log(now)).count(), 0);
        assert_eq!(limits.due_for_log(now + LOG_PAUSE), Some(501));
    }
}
