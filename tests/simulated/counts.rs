//! Counters of a walk, and the faults since the last check.

use std::fmt;

/// Counters of a walk.
#[derive(Clone, Copy, Default)]
#[allow(missing_docs, reason = "the names are complete")]
pub struct Counts {
    pub operations: usize,
    pub faults: usize,
    pub enrolments: usize,
    pub deletions: usize,
    pub visits: usize,
    pub orders: usize,
    pub checks: usize,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.faults += other.faults;
        self.enrolments += other.enrolments;
        self.deletions += other.deletions;
        self.visits += other.visits;
        self.orders += other.orders;
        self.checks += other.checks;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operations, faults, enrolments, deletions, visits, orders, checks } = self;
        write!(
            f,
            "{operations} operations, {faults} faults, {enrolments} enrolments, {deletions} \
             deletions, {visits} visits, {orders} confirmed orders, {checks} checks"
        )
    }
}

/// Faults since the last full check whose effects last longer than the fault.
#[derive(Default)]
#[allow(missing_docs, reason = "the names are complete")]
pub struct Faults {
    pub has_wrong_clock: bool,
    /// True if the broker has rejected a message for good.
    pub has_rejected: bool,
}
