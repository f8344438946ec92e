//! Texts that inform a person before they consent, and the act by which they consent.
//!
//! | module | contents |
//! |---|---|
//! | `settings` | configuration section `[enrolment]` |
//! | `texts` | shipped texts, texts of the shop, and their placeholders |
//!
//! Rules:
//! 1. There is a text for each shipped language. A text of the shop replaces the shipped one of its
//!    language.
//! 2. A text is a function of its template, the settings and the storage periods: the same values result
//!    in the same hash.

#![forbid(unsafe_code)]

mod settings;
mod texts;

pub use settings::{Confirmation, Settings};
pub use texts::{ConsentTextError, ConsentTexts, StoragePeriods};
