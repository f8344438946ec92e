//! Configuration section `[shop]`.

use instored_domain::Currency;
use serde::{Deserialize, Serialize};

/// Data that a recognised face alone opens on a display.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaceOpens {
    /// Name, recommendations and past orders.
    History,
    /// Name and recommendations.
    Greeting,
}

/// Content of greetings, consent and storage periods.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Settings {
    /// Version of the consent text beside the button; stored with each consent.
    #[config(default = "1", env = "INSTORED_SHOP_CONSENT_TEXT_VERSION")]
    pub consent_text_version: String,

    /// Language of the consent text, a BCP 47 tag such as en or de-AT.
    #[config(default = "en", env = "INSTORED_SHOP_LANGUAGE")]
    pub language: String,

    /// Number of past orders in a greeting.
    #[config(default = 3, env = "INSTORED_SHOP_ORDERS_SHOWN")]
    pub orders_shown: usize,

    /// Data that a recognised face alone opens on a display: "history" (name, recommendations and past
    /// orders, unless the customer hides them) or "greeting" (name and recommendations).
    #[config(default = "history", env = "INSTORED_SHOP_FACE_OPENS")]
    pub face_opens: FaceOpens,

    /// Number of recommendations in a greeting.
    #[config(default = 5, env = "INSTORED_SHOP_RECOMMENDATIONS_SHOWN")]
    pub recommendations_shown: usize,

    /// Time in seconds, above 0, after which a display removes a greeting if no message about the
    /// departure of the customer arrives.
    #[config(default = 300, env = "INSTORED_SHOP_GREETING_SECONDS")]
    pub greeting_seconds: u32,

    /// Currency of the shop, an ISO 4217 code such as EUR. Orders in other currencies are rejected.
    /// Without this key, orders in all currencies are accepted.
    #[config(env = "INSTORED_SHOP_CURRENCY")]
    pub currency: Option<Currency>,

    /// Time in minutes for which the assignment of a customer to a till is valid.
    #[config(default = 10, env = "INSTORED_SHOP_AT_TILL_MINUTES")]
    pub at_till_minutes: u32,

    /// Time in hours for which the shopping list of a customer is kept after its last change.
    #[config(default = 4, env = "INSTORED_SHOP_LIST_HOURS")]
    pub list_hours: u32,

    /// Time in months after which customers who have not visited are deleted; 0 disables the
    /// deletion.
    #[config(default = 12, env = "INSTORED_SHOP_RETENTION_MONTHS")]
    pub retention_months: u32,

    /// Time in months after which an order is deleted; 0 keeps orders as long as the customer.
    #[config(default = 24, env = "INSTORED_SHOP_ORDER_MONTHS")]
    pub order_months: u32,

    /// Time in days between the mark of a customer who has not visited and the deletion. A visit in
    /// this time removes the mark.
    #[config(default = 7, env = "INSTORED_SHOP_RETENTION_GRACE_DAYS")]
    pub retention_grace_days: u32,

    /// Regards the clock as right although no time server has set it, on a box without network and
    /// with a hardware clock. Without a confirmed clock no customer is deleted for inactivity.
    #[config(default = false, env = "INSTORED_SHOP_TRUST_CLOCK")]
    pub trust_clock: bool,

    /// Time in days for which the claim code of an enrolment links orders to the customer.
    #[config(default = 30, env = "INSTORED_SHOP_CLAIM_DAYS")]
    pub claim_days: u32,
}

impl Settings {
    /// Returns the number of past orders in a greeting, 0 if a face alone does not open them.
    pub fn greeting_orders(&self) -> usize {
        match self.face_opens {
            FaceOpens::History => self.orders_shown,
            FaceOpens::Greeting => 0,
        }
    }
}
