//! Start number: each start of the box gets a higher number than the starts before it. The box derives the
//! sequence numbers of its signed messages from it.

use jiff::Timestamp;

use crate::audit::{Actor, AuditContext};
use crate::error::VaultError;
use crate::schema::{META, Rows, START_NUMBER_KEY};
use crate::vault::Vault;

/// Returns the lowest start number at this time: the seconds since 1970, within the range of the numbers. It
/// keeps the numbers rising if the vault was restored from a backup, as long as the clock is right.
pub fn lowest_start_number(now: Timestamp) -> u32 {
    u32::try_from(now.as_second().max(0)).unwrap_or(u32::MAX)
}

impl Vault {
    /// Returns the number of a new start and stores it. It is higher than all numbers that this vault has
    /// returned, and not below [`lowest_start_number`].
    ///
    /// # Errors
    /// If the vault cannot be written.
    pub fn next_start_number(&self, now: Timestamp) -> Result<u32, VaultError> {
        // No action of a customer or of the staff: nothing is added to the audit log.
        let context = AuditContext { at: now, actor: Actor::Operator };
        self.write(context, |transaction| {
            let row = transaction.tx().row(META, START_NUMBER_KEY)?;
            let last = row.and_then(|row| <[u8; 4]>::try_from(row).ok()).map(u32::from_be_bytes);
            let number =
                last.map_or(0, |last| last.saturating_add(1)).max(lowest_start_number(now));
            transaction.tx().put(META, START_NUMBER_KEY, &number.to_be_bytes())?;
            transaction.mark_changed();
            Ok(number)
        })
    }
}
