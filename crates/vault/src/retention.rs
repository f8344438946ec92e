//! Who has not come for so long that they are to be forgotten.

use instored_domain::CustomerId;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::Vault;
use super::error::VaultError;

impl Vault {
    /// The customers whose last visit, or else whose enrolment, is `months` calendar months and
    /// more ago. A customer whose record cannot be read is not among them: [`Vault::verify`] names
    /// them.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn due_for_forgetting(
        &self,
        now: Timestamp,
        months: u32,
    ) -> Result<Vec<CustomerId>, VaultError> {
        // A date before all time: nobody is due.
        let before = now
            .to_zoned(TimeZone::UTC)
            .checked_sub(Span::new().try_months(months).unwrap_or(Span::new().months(120_000)))
            .map_or(Timestamp::MIN, |then| then.timestamp());
        let customers = self.customers()?.good.into_iter();
        Ok(customers
            .filter(|customer| customer.last_visit.unwrap_or(customer.enrolled) <= before)
            .map(|customer| customer.id)
            .collect())
    }
}
