//! Output and filter of the log.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Environment variable with the log filter, such as `warn,instored_mqtt=debug`.
const FILTER_VARIABLE: &str = "INSTORED_LOG";

/// Starts logging. If systemd connected standard error to the journal, log entries go to the journal,
/// with each value in a separate field. Otherwise, they go to standard error.
pub(super) fn start() {
    let (filter, error) = filter(&std::env::var(FILTER_VARIABLE).unwrap_or_default());
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let journal = journal.map(|layer| layer.with_field_prefix(Some("INSTORED".into())));
    let lines = journal.is_none().then(|| {
        fmt::layer()
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
    });
    tracing_subscriber::registry().with(filter).with(journal).with(lines).init();
    if let Some(error) = error {
        tracing::warn!(
            "{FILTER_VARIABLE} is not a valid filter: {error}; use a list such as \
             `warn,instored=debug`; the default filter applies"
        );
    }
}

/// Parses a filter. An empty or invalid filter results in the default filter.
fn filter(text: &str) -> (Targets, Option<ParseError>) {
    let default = Targets::new().with_default(Level::WARN).with_target("instored", Level::INFO);
    if text.is_empty() {
        return (default, None);
    }
    match text.parse() {
        Ok(targets) => (targets, None),
        Err(error) => (default, Some(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_or_empty_filter_results_in_default_filter() {
        for (text, has_info, has_trace, is_invalid) in [
            ("", true, false, false),
            ("warn,instored_mqtt=trace", false, true, false),
            ("instored=loud", true, false, true),
        ] {
            let (filter, error) = filter(text);
            assert_eq!(filter.would_enable("instored_vault", &Level::INFO), has_info, "{text}");
            assert_eq!(filter.would_enable("instored_mqtt", &Level::TRACE), has_trace, "{text}");
            assert_eq!(error.is_some(), is_invalid, "{text}");
            assert!(!filter.would_enable("rumqttc", &Level::INFO), "{text}");
        }
    }
}
