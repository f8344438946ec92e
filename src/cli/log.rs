//! Where the log goes.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Says what is logged, such as `warn,instored::bus=debug`.
const VARIABLE: &str = "INSTORED_LOG";

/// Logs to the journal, each value a field of its own, when systemd connected standard error with
/// it; else to standard error.
pub(super) fn start() {
    let (filter, fault) = filter(&std::env::var(VARIABLE).unwrap_or_default());
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let journal = journal.map(|layer| layer.with_field_prefix(Some("INSTORED".into())));
    let lines = journal.is_none().then(|| {
        fmt::layer()
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
    });
    tracing_subscriber::registry().with(filter).with(journal).with(lines).init();
    if let Some(fault) = fault {
        tracing::warn!("{VARIABLE} is not a list such as `warn,instored=debug`: {fault}");
    }
}

/// What `wanted` lets into the log, and what is wrong with it. Nothing, or nothing that can be read,
/// wants the usual.
fn filter(wanted: &str) -> (Targets, Option<ParseError>) {
    let usual = Targets::new().with_default(Level::WARN).with_target("instored", Level::INFO);
    if wanted.is_empty() {
        return (usual, None);
    }
    match wanted.parse() {
        Ok(targets) => (targets, None),
        Err(fault) => (usual, Some(fault)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_what_is_wanted_or_the_usual() {
        for (wanted, info, trace, is_wrong) in [
            ("", true, false, false),
            ("warn,instored::bus=trace", false, true, false),
            ("instored=loud", true, false, true),
        ] {
            let (filter, fault) = filter(wanted);
            assert_eq!(filter.would_enable("instored::vault", &Level::INFO), info, "{wanted}");
            assert_eq!(filter.would_enable("instored::bus", &Level::TRACE), trace, "{wanted}");
            assert_eq!(fault.is_some(), is_wrong, "{wanted}");
            assert!(!filter.would_enable("rumqttc", &Level::INFO), "{wanted}");
        }
    }
}
