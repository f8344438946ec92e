//! Times of visits.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Seconds per day.
pub(super) const DAY_SECONDS: i64 = 86_400;

/// Hour and weekday in the time zone of the shop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct LocalTime {
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Day of the week, 0 (Monday) to 6.
    pub weekday: u8,
}

/// Date in the time zone of the shop.
pub(super) struct Today {
    date: Date,
    zone: TimeZone,
}

impl Today {
    /// Returns the date of `now`.
    pub fn of(now: &Zoned) -> Self {
        Self { date: now.date(), zone: now.time_zone().clone() }
    }

    /// Returns the calendar days since a time in seconds since 1970: 1 if it was yesterday, also if it
    /// was a few hours ago.
    pub fn days_since(&self, second: i64) -> u32 {
        let date = Timestamp::from_second(second).map(|time| self.zone.to_datetime(time).date());
        let days = date.map_or(0, |date| (self.date - date).get_days());
        u32::try_from(days).unwrap_or_default()
    }
}

/// Time of a visit or a purchase.
#[derive(Clone, Copy)]
pub(super) struct VisitTime {
    /// Seconds since 1970, UTC.
    pub second: i64,
    pub local: LocalTime,
}

impl From<&Zoned> for VisitTime {
    fn from(time: &Zoned) -> Self {
        // Both values are at least 0.
        let hour = time.hour().unsigned_abs();
        let weekday = time.weekday().to_monday_zero_offset().unsigned_abs();
        Self { second: time.timestamp().as_second(), local: LocalTime { hour, weekday } }
    }
}

impl VisitTime {
    /// Returns the day since 1970, UTC.
    pub fn day(self) -> i64 {
        self.second.div_euclid(DAY_SECONDS)
    }

    /// Returns the minute since 1970, UTC.
    pub fn minute(self) -> u32 {
        minute(self.second)
    }
}

/// Converts seconds since 1970 to minutes since 1970. Times before 1970 are minute 0.
pub(super) fn minute(second: i64) -> u32 {
    u32::try_from(second.div_euclid(60).max(0)).unwrap_or(u32::MAX)
}

/// Returns the days between two times in seconds since 1970, or 0 if `later` is before `earlier`.
pub(super) fn days_between(earlier: i64, later: i64) -> f32 {
    (later.saturating_sub(earlier).max(0) as f64 / DAY_SECONDS as f64) as f32
}
