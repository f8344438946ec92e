//! Where the log goes.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// What is logged where `INSTORED_LOG` does not say, such as `instored=debug`.
const FILTER: &str = "warn,instored=info";

/// Logs to the journal, each value a field of its own, when systemd connected standard error with
/// it; else to standard error.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env("INSTORED_LOG").unwrap_or_else(|_| FILTER.into());
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let journal = journal.map(|layer| layer.with_field_prefix(Some("INSTORED".into())));
    let lines = journal.is_none().then(|| {
        fmt::layer()
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
    });
    tracing_subscriber::registry().with(filter).with(journal).with(lines).init();
}
