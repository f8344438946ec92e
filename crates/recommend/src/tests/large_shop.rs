//! Limits of time and memory in a large shop. The test takes a minute. The command `cargo test
//! --release -p instored-recommend large_shop -- --ignored --nocapture` prints the measurements.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::*;

const CUSTOMERS: u64 = 2_500;
const BASKETS: u64 = 150_000;
const PRODUCTS: u64 = 68_000;
/// Number of baskets of the customer for whom recommendations are measured.
const REGULAR_BASKETS: u64 = 500;

/// Returns a random number below `limit`. The density is inversely proportional to the number, as
/// it is for the popularity of products.
fn skewed(rng: &mut Rng, limit: u64) -> u64 {
    ((limit as f64).powf(rng.f64()) - 1.0) as u64
}

/// Returns the order `number` of the shop. It has ten products on average: half from the customer's
/// own assortment, half from all products.
fn numbered_order(number: u64) -> Order {
    let mut rng = Rng::with_seed(number);
    let customer = if number < REGULAR_BASKETS { 0 } else { rng.u64(..CUSTOMERS) };
    let skus: Vec<_> = (0..rng.u64(1..20))
        .map(|position| {
            let product = if position % 2 == 0 {
                (customer * 7_919 + skewed(&mut rng, 400)) % PRODUCTS
            } else {
                skewed(&mut rng, PRODUCTS)
            };
            format!("{product:08}")
        })
        .collect();
    let skus: Vec<_> = skus.iter().map(String::as_str).collect();
    let ago = rng.i64(0..365 * DAY);
    let mut order = order(u128::from(customer), ago, &skus);
    order.id = OrderId(format!("till-1-{number:010}"));
    order
}

/// Returns the memory of this process in MB: `VmRSS` (current) or `VmHWM` (maximum).
fn memory(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// Returns the user CPU time of this process, which other processes do not affect.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The twelfth field after the process name in brackets is the user time, in 1/100 s.
    let hundredths = stat.rsplit(')').next()?.split_whitespace().nth(11)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(hundredths * 10))
}

fn percentile_95(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 95 / 100]
}

#[test]
#[ignore = "takes a minute and needs an optimised build"]
fn large_shop_is_within_limits_of_time_and_memory() {
    let start = Instant::now();
    let mut recommender = Recommender::default();
    let adding: Vec<_> = (0..BASKETS)
        .map(|number| {
            let order = numbered_order(number);
            let start = Instant::now();
            recommender.add_order(&order);
            start.elapsed()
        })
        .collect();
    let adding_total = cpu_time().unwrap_or_else(|| start.elapsed());
    let memory_after_adding = memory("VmRSS:");
    recommender.set_ranker(recommender.clone().train());
    let total = cpu_time().unwrap_or_else(|| start.elapsed());
    let adding = percentile_95(adding);

    let memory_after_training = memory("VmRSS:");
    let recommending = (0..200).map(|n| {
        let now = at(NOW + n * 60);
        let measure = || {
            let start = Instant::now();
            let preferences = Preferences::default();
            let catalogue = Catalogue::default();
            let recommended = recommender.recommend(id(0), &now, 10, &preferences, &catalogue);
            assert_eq!(recommended.len(), 10);
            start.elapsed()
        };
        // The minimum excludes interruptions by other processes.
        (0..5).map(|_| measure()).min().unwrap()
    });
    let recommending = percentile_95(recommending.collect());
    let peak = memory("VmHWM:");
    println!(
        "orders added in {adding_total:?} ({memory_after_adding:?} MB), trained after {total:?} \
         ({memory_after_training:?} MB, maximum {peak:?} MB); 95th percentile: {adding:?} for \
         adding an order, {recommending:?} for a recommendation"
    );
    assert!(total < Duration::from_secs(20), "{total:?}");
    assert!(adding < Duration::from_millis(1), "{adding:?}");
    assert!(recommending < Duration::from_millis(5), "{recommending:?}");
    assert!(peak.is_none_or(|mb| mb <= 150), "{peak:?} MB");
}
