//! Check of the access to broker and page by programs without an account or a token.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::ensure;
use instored_setup::{Layout, Record, Role};
use jiff::{ToSpan as _, Zoned};

use super::Assessment;
use crate::cli::broker_probe;
use crate::config::Config;

const PAGE_TIMEOUT: Duration = Duration::from_secs(2);
/// Remaining lifetime of the broker's certificate below which a warning is due, in days.
const CERTIFICATE_DAYS_MIN: i64 = 180;

/// Returns the settings for the connection to the broker: those of the configuration, or an account of the
/// set-up. The account of a running box is in use, and the broker would end the connection of the box.
pub(super) fn broker_settings(
    config: &Config,
    layout: &Layout,
    is_running: bool,
) -> anyhow::Result<instored_mqtt::Settings> {
    let mut settings = config.mqtt.clone();
    if settings.username.is_some() || settings.client_cert.is_some() || !layout.record().exists() {
        return Ok(settings);
    }
    let role = if is_running { Role::Doctor } else { Role::Box };
    let account = role.account(&config.box_name, 1).name;
    let password = layout.password(&account);
    ensure!(
        std::fs::File::open(&password).is_ok(),
        "the broker needs an account, and {} cannot be read: run `sudo instored doctor`",
        password.display()
    );
    settings.username = Some(account);
    settings.password_file = Some(password);
    Ok(settings)
}

/// Checks that broker and page are closed to programs without an account or a token, and the lifetime of the
/// broker's certificate.
pub(super) fn check(
    config: &Config,
    layout: &Layout,
    is_broker_reachable: bool,
) -> anyhow::Result<Assessment> {
    let mut warnings = Vec::new();
    let mut facts = Vec::new();
    if !is_broker_reachable {
        facts.push("the broker could not be checked".to_owned());
    } else if broker_probe::accepts_anonymous(&config.mqtt, &config.box_name)? {
        warnings.push("the broker accepts every program without an account".to_owned());
    } else {
        facts.push("the broker needs an account".to_owned());
    }
    match page_status(config.display.listen) {
        None => facts.push("no page is served here".to_owned()),
        Some(403) => facts.push("the page needs a token".to_owned()),
        Some(_) => warnings.push("the page is open to every program on this machine".to_owned()),
    }
    if let Ok(Some(record)) = Record::load(&layout.record())
        && let Some(expires) = record.certificate_expires
    {
        let today = Zoned::now().date();
        let limit = today.checked_add(CERTIFICATE_DAYS_MIN.days()).unwrap_or(today);
        if expires < limit {
            warnings.push(format!("the certificate of the broker ends on {expires}"));
        }
    }
    Ok(if warnings.is_empty() {
        Assessment::Good(facts.join("; "))
    } else {
        Assessment::Warning(format!("{}: run `sudo instored setup`", warnings.join("; ")))
    })
}

/// Returns the HTTP status of the page for a request without a token, or `None` if there is no page.
fn page_status(listen: SocketAddr) -> Option<u16> {
    let host =
        if listen.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen.ip() };
    let address = SocketAddr::new(host, listen.port());
    let mut stream = TcpStream::connect_timeout(&address, PAGE_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(PAGE_TIMEOUT)).ok()?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    // "HTTP/1.1 403"
    let mut start = [0; 12];
    stream.read_exact(&mut start).ok()?;
    std::str::from_utf8(&start).ok()?.strip_prefix("HTTP/1.1 ")?.parse().ok()
}
