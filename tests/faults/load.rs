//! Start, memory and latency of the program with a small and with a large vault.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::resources::Resources;
use crate::walk::Walk;
use crate::{box_permit, film};

/// Number of visits that are measured.
const VISITS: u64 = 20;
/// Orders of the customer who visits.
const ORDERS: u32 = 5000;
/// Maximum time of an enrolment, and of the visits.
const ENROLMENT_TIMEOUT: Duration = Duration::from_secs(240);
const VISITS_TIMEOUT: Duration = Duration::from_secs(600);
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const HISTOGRAM: &str = "instored_frame_to_event_seconds";
const PORTRAIT: &str = "person_a_1.jpg";

/// Counts of a histogram: upper bounds in seconds, and the number of values up to each.
#[derive(Default)]
struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    /// Reads the histogram from the metrics on a port.
    fn read(port: u16) -> Result<Self> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        connection
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        connection.read_to_string(&mut text)?;
        let buckets = text.lines().filter_map(|line| {
            let bucket = line.strip_prefix(HISTOGRAM)?.strip_prefix("_bucket{le=\"")?;
            let (bound, count) = bucket.split_once("\"} ")?;
            Some((bound.parse().ok()?, count.parse().ok()?))
        });
        let buckets: Vec<_> = buckets.collect();
        ensure!(!buckets.is_empty(), "the metrics have no {HISTOGRAM}");
        Ok(Self(buckets))
    }

    /// Returns the values since an earlier reading.
    fn since(&self, earlier: &Self) -> Self {
        let pairs = self.0.iter().zip(&earlier.0);
        Self(pairs.map(|((bound, count), (_, before))| (*bound, count - before)).collect())
    }

    /// Returns the number of values.
    fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// Returns a quantile in milliseconds, interpolated within its bucket.
    fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = share * self.count();
        let (mut low, mut before) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            if *count >= wanted && *count > before {
                return 1e3 * (low + (bound - low) * (wanted - before) / (count - before));
            }
            (low, before) = (*bound, *count);
        }
        1e3 * low
    }
}

/// Uses the vault that `write_large_vault` of `instored-vault` writes into `INSTORED_LARGE_VAULT`.
#[test]
#[ignore = "needs a large vault; docs/reliability.md names the commands"]
fn measure_box_with_large_vault() {
    let _permit = box_permit::acquire();
    let folder = std::env::var("INSTORED_LARGE_VAULT").expect("INSTORED_LARGE_VAULT is set");
    measure("small vault", None).unwrap_or_else(|error| panic!("{error:#}"));
    measure("large vault", Some(&folder)).unwrap_or_else(|error| panic!("{error:#}"));
}

/// Measures a box with a new vault, or with the vault in a folder.
fn measure(name: &str, state_dir: Option<&str>) -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pictures = folder.join("load-film");
    film::render(&pictures, &[PORTRAIT])?;
    let mut walk = Walk::start(0, &folder.join("walk-load.log"))?;
    walk.test_box.stop()?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    walk.test_box.set("INSTORED_METRICS_LISTEN", format!("127.0.0.1:{port}"));
    walk.test_box.set("INSTORED_CAMERA_DEVICE", format!("replay:{}?loop", pictures.display()));
    walk.test_box.set("INSTORED_RECOGNITION_LEAVE_SECONDS", "0.5");
    if let Some(folder) = state_dir {
        walk.test_box.set("INSTORED_STATE_DIR", folder);
    }
    let start = Instant::now();
    walk.start_daemon()?;
    let started = start.elapsed();
    let vault = Path::new(state_dir.unwrap_or_default()).join("vault.redb");
    let vault =
        if state_dir.is_some() { vault } else { walk.test_box.state_dir().join("vault.redb") };
    let mut resources = Resources::new(walk.test_box.daemon_id()?, vault);
    resources.sample(0)?;

    let customer = enrol(&mut walk)?;
    import_orders(&walk, &customer)?;
    let (before, arrived) = (Histogram::read(port)?, walk.subscriber.received().arrivals);
    let start = Instant::now();
    while walk.subscriber.received().arrivals < arrived + VISITS {
        ensure!(start.elapsed() < VISITS_TIMEOUT, "too few visits");
        thread::sleep(POLL_INTERVAL);
    }
    let events = Histogram::read(port)?.since(&before);
    resources.sample(VISITS)?;
    let customers = walk.listed()?.len();
    println!(
        "{name}: {customers} customers, ready after {:.1} s; {:.0} events of {VISITS} visits, frame to event p50 \
         {:.0} ms, p95 {:.0} ms; first and last sample {:?}",
        started.as_secs_f64(),
        events.count(),
        events.quantile_ms(0.5),
        events.quantile_ms(0.95),
        resources.samples,
    );
    walk.test_box.stop()?;
    Ok(fs::remove_dir_all(pictures)?)
}

/// Enrols the person in view, and returns their id.
fn enrol(walk: &mut Walk) -> Result<String> {
    let start = Instant::now();
    while walk.subscriber.received().done.is_empty() {
        ensure!(start.elapsed() < ENROLMENT_TIMEOUT, "nobody enrolled");
        // Presses have no effect during an enrolment.
        walk.press_twice()?;
        thread::sleep(POLL_INTERVAL * 4);
    }
    let received = walk.subscriber.received();
    received.done.keys().next().cloned().context("a customer")
}

/// Imports orders of a customer.
fn import_orders(walk: &Walk, customer: &str) -> Result<()> {
    let file = walk.test_box.path("orders.jsonl");
    let mut text = String::new();
    for number in 0..ORDERS {
        let (hour, minute) = (number / 60 % 24, number % 60);
        let placed = format!("2026-{:02}-01T{hour:02}:{minute:02}:00+01:00", 1 + number / 1440);
        let line = json!({
            "id": format!("L-{number}"), "customer": customer, "placed": placed, "currency": "EUR",
            "lines": [{ "sku": "4002", "name": "Oat milk", "quantity": 2, "unit_price": 199 }],
            "total": 398,
        });
        writeln!(text, "{line}")?;
    }
    fs::write(&file, text)?;
    let file = file.to_string_lossy();
    let imported = walk.test_box.run(["orders", "import", &file])?;
    ensure!(imported.code == Some(0), "{imported:?}");
    Ok(())
}
