//! Where the log goes.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Says what is logged, such as `warn,instored::bus=debug`.
const VARIABLE: &str = "INSTORED_LOG";

/// Logs to the journal, each value a field of its own, when systemd connected standard error with
/// it; else to standard error.
pub(super) fn start() {
    let wanted = std::env::var(VARIABLE).ok().map(|wanted| wanted.parse::<Targets>());
    let (filter, fault) = match wanted {
        Some(Ok(filter)) => (filter, None),
        other => (usual(), other.and_then(Result::err)),
    };
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

fn usual() -> Targets {
    Targets::new().with_default(LevelFilter::WARN).with_target("instored", LevelFilter::INFO)
}
