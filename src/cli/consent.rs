//! `instored consent`: the consent text, and offers of an enrolment.

use std::process::ExitCode;

use anyhow::bail;
use instored_consent::{ConsentTexts, StoragePeriods};

use super::vault_client::UNEXPECTED_RESPONSE;
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};
use crate::daemon::send_admin_request;
use crate::output::print_line;

/// Actions on consents.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Print the text that a person can read before they consent, for a notice beside the button
    Text {
        /// Language such as de or fr-CA; by default shop.language
        language: Option<String>,
    },
    /// Offer an enrolment to the person at the entrance, like a first press of the button
    ///
    /// The person agrees with a press of the button or on the display.
    Offer {
        /// The person is not enrolled, although they resemble a customer, such as a twin
        #[arg(long)]
        another_person: bool,
    },
}

/// Runs `instored consent`.
pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Text { language } => {
            let texts = ConsentTexts::load(&config.enrolment)?;
            let languages: Vec<_> =
                language.as_deref().into_iter().chain([&*config.shop.language]).collect();
            let periods = StoragePeriods {
                customer_months: config.shop.retention_months,
                order_months: config.shop.order_months,
            };
            let text = texts.text(&languages, periods);
            print_line(&text.text)?;
            print_line(format_args!("\n({}, {})", text.language, text.hash()))?;
        }
        Action::Offer { another_person } => {
            let request = Request::OfferEnrolment { is_another_person: another_person };
            let socket = config.socket_path();
            match send_admin_request(&socket, &request)? {
                Some(Ok(Response::Offered)) => {
                    print_line(
                        "offered; the person agrees with a press of the button within 15 s",
                    )?;
                }
                Some(Ok(_)) => bail!(UNEXPECTED_RESPONSE),
                Some(Err(failure)) => return Err(failure.into()),
                None => bail!(
                    "no daemon runs at {}: start `instored run`, or check runtime_dir",
                    socket.display()
                ),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
