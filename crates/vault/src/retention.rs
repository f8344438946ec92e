//! Retention: customers who have not visited for a number of months.

use instored_domain::CustomerId;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::error::VaultError;
use crate::vault::Vault;

/// Months that stand for a longer retention than the calendar can represent (10,000 years).
const MONTHS_MAX: i64 = 120_000;

impl Vault {
    /// Returns the customers whose last visit, or else enrolment, was at least `months` calendar
    /// months ago. A customer whose record cannot be read is not included; [`Vault::verify`] reports
    /// them.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn inactive_customers(
        &self,
        now: Timestamp,
        months: u32,
    ) -> Result<Vec<CustomerId>, VaultError> {
        let span = Span::new().try_months(months).unwrap_or(Span::new().months(MONTHS_MAX));
        // Before the first representable date nobody is inactive.
        let latest = now
            .to_zoned(TimeZone::UTC)
            .checked_sub(span)
            .map_or(Timestamp::MIN, |date| date.timestamp());
        let customers = self.customers()?.records.into_iter();
        Ok(customers
            .filter(|customer| customer.last_visit.unwrap_or(customer.enrolled) <= latest)
            .map(|customer| customer.id)
            .collect())
    }
}
