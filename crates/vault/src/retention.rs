//! Retention: customers who have not visited for a number of months.

use instored_domain::CustomerId;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::error::VaultError;
use crate::vault::Vault;

/// Retention in months (10,000 years) that replaces one too long for the calendar.
const MONTHS_MAX: i64 = 120_000;

impl Vault {
    /// Returns the customers whose last visit was at least `months` calendar months ago. For a
    /// customer without a visit, the enrolment counts. Customers whose record cannot be read are
    /// not included; [`Vault::verify`] reports them.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn inactive_customers(
        &self,
        now: Timestamp,
        months: u32,
    ) -> Result<Vec<CustomerId>, VaultError> {
        let span = Span::new().try_months(months).unwrap_or(Span::new().months(MONTHS_MAX));
        // If the calendar cannot represent the date, no customer is inactive.
        let last_active_limit = now
            .to_zoned(TimeZone::UTC)
            .checked_sub(span)
            .map_or(Timestamp::MIN, |date| date.timestamp());
        let customers = self.customers()?.records.into_iter();
        Ok(customers
            .filter(|customer| {
                customer.last_visit.unwrap_or(customer.enrolled) <= last_active_limit
            })
            .map(|customer| customer.id)
            .collect())
    }
}
