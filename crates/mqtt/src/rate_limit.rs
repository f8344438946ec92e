//! Rate limiter for commands: a token bucket for each verb.
//!
//! A client that sends too many commands of one verb does not block the other verbs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use instored_domain::Command;

/// Capacity of a bucket, in seconds of its rate.
const BURST_SECONDS: f64 = 5.0;
/// Maximum rate of responses to rejected commands, per second. Further rejected commands have no
/// response, so that a flood of commands does not cause a flood of responses.
const REJECTION_RESPONSES_PER_SECOND: f64 = 10.0;
/// Minimum time between two log lines about rejected commands.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Rate limiter for commands, and for the responses and log lines about rejected commands.
pub(super) struct RateLimiter {
    commands_per_second: f64,
    /// Buckets by verb. All unknown verbs share the bucket of the empty verb.
    buckets: HashMap<&'static str, TokenBucket>,
    rejection_responses: TokenBucket,
    unlogged_rejections: u64,
    last_logged: Option<Instant>,
}

struct TokenBucket {
    tokens: f64,
    refilled_at: Instant,
}

impl TokenBucket {
    fn full(tokens_per_second: f64, now: Instant) -> Self {
        Self { tokens: tokens_per_second * BURST_SECONDS, refilled_at: now }
    }

    /// Refills the bucket and takes a token. Returns false if no token is left.
    fn try_take(&mut self, tokens_per_second: f64, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.refilled_at).as_secs_f64();
        let capacity = tokens_per_second * BURST_SECONDS;
        self.tokens = (self.tokens + seconds * tokens_per_second).min(capacity);
        self.refilled_at = now;
        let is_available = self.tokens >= 1.0;
        if is_available {
            self.tokens -= 1.0;
        }
        is_available
    }
}

impl RateLimiter {
    /// Creates a limiter with full buckets.
    pub fn new(commands_per_second: u32, now: Instant) -> Self {
        let commands_per_second = f64::from(commands_per_second);
        let verbs = Command::VERBS.into_iter().chain([""]);
        Self {
            commands_per_second,
            buckets: verbs.map(|v| (v, TokenBucket::full(commands_per_second, now))).collect(),
            rejection_responses: TokenBucket::full(REJECTION_RESPONSES_PER_SECOND, now),
            unlogged_rejections: 0,
            last_logged: None,
        }
    }

    /// Counts a command with this verb. Returns false if the rate is exceeded.
    pub fn accept(&mut self, verb: &str, now: Instant) -> bool {
        let known_verb = if self.buckets.contains_key(verb) { verb } else { "" };
        let bucket = self.buckets.get_mut(known_verb);
        bucket.is_some_and(|bucket| bucket.try_take(self.commands_per_second, now))
    }

    /// Counts a response to a rejected command. Returns false if the rate is exceeded.
    pub fn accept_rejection_response(&mut self, now: Instant) -> bool {
        self.rejection_responses.try_take(REJECTION_RESPONSES_PER_SECOND, now)
    }

    /// Counts a rejected command. If a log line is due, returns the number of rejections since the last
    /// log line.
    pub fn count_rejection(&mut self, now: Instant) -> Option<u64> {
        self.unlogged_rejections += 1;
        let is_due = self.last_logged.is_none_or(|last| now.duration_since(last) >= LOG_INTERVAL);
        is_due.then(|| {
            self.last_logged = Some(now);
            std::mem::take(&mut self.unlogged_rejections)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(limiter: &mut RateLimiter, verb: &str, now: Instant) -> usize {
        (0..1000).filter(|_| limiter.accept(verb, now)).count()
    }

    #[test]
    fn exceeded_rate_of_a_verb_affects_no_other_and_recovers() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(20, start);
        assert_eq!(accepted(&mut limiter, "present", start), 100);
        assert_eq!(accepted(&mut limiter, "order", start), 100);
        let after_a_second = start + Duration::from_secs(1);
        assert_eq!(accepted(&mut limiter, "present", after_a_second), 20);
        let after_an_hour = start + Duration::from_secs(3600);
        assert_eq!(accepted(&mut limiter, "present", after_an_hour), 100);
    }

    #[test]
    fn unknown_verbs_share_one_limit() {
        let now = Instant::now();
        let mut limiter = RateLimiter::new(20, now);
        let accepted = (0..1000).filter(|n| limiter.accept(&format!("verb-{n}"), now)).count();
        assert_eq!(accepted, 100);
        assert_eq!(limiter.buckets.len(), Command::VERBS.len() + 1);
    }

    #[test]
    fn responses_and_log_lines_of_rejections_are_limited() {
        let now = Instant::now();
        let mut limiter = RateLimiter::new(20, now);
        assert_eq!((0..1000).filter(|_| limiter.accept_rejection_response(now)).count(), 50);
        assert_eq!(limiter.count_rejection(now), Some(1));
        assert_eq!((0..500).filter_map(|_| limiter.count_rejection(now)).count(), 0);
        assert_eq!(limiter.count_rejection(now + LOG_INTERVAL), Some(501));
    }
}
