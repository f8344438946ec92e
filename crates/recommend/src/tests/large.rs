//! The limits of time and memory in a large shop. Takes a minute; `cargo test --release --lib
//! large_shop -- --ignored --nocapture` prints the figures.

use std::time::{Duration, Instant};

use super::*;

const CUSTOMERS: u64 = 2_500;
const BASKETS: u64 = 150_000;
const PRODUCTS: u64 = 68_000;
/// Of the customer who is asked for.
const REGULAR: u64 = 500;

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number below `n`, small ones by far the likeliest, as products are bought.
fn skewed(state: &mut u64, n: u64) -> u64 {
    let share = (random(state) >> 11) as f64 / (1u64 << 53) as f64;
    ((n as f64).powf(share) - 1.0) as u64
}

/// The `number`th basket of the shop, of ten products on average: half of the customer's own
/// choice of goods, half of all.
fn basket(number: u64) -> Order {
    let mut state = number;
    let customer = if number < REGULAR { 0 } else { random(&mut state) % CUSTOMERS };
    let skus: Vec<_> = (0..1 + random(&mut state) % 19)
        .map(|place| {
            let product = if place % 2 == 0 {
                (customer * 7_919 + skewed(&mut state, 400)) % PRODUCTS
            } else {
                skewed(&mut state, PRODUCTS)
            };
            format!("{product:08}")
        })
        .collect();
    let skus: Vec<_> = skus.iter().map(String::as_str).collect();
    let ago = (random(&mut state) % (365 * DAY as u64)) as i64;
    let mut order = order(u128::from(customer), ago, &skus);
    order.id = OrderId(format!("till-1-{number:010}"));
    order
}

/// Memory of this process in MB: `VmRSS`, that it has, or `VmHWM`, that it ever had.
fn memory(which: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(which))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// What this process has kept processors busy, so that others do not count.
fn worked() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The fields after the name in brackets; the twelfth is the user time in hundredths.
    let hundredths = stat.rsplit(')').next()?.split_whitespace().nth(11)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(hundredths * 10))
}

fn percentile_95(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 95 / 100]
}

#[test]
#[ignore = "measures a minute long, and is only meaningful with optimisation"]
fn a_large_shop_stays_within_its_limits() {
    let start = Instant::now();
    let mut recommender = Recommender::default();
    let adding: Vec<_> = (0..BASKETS)
        .map(|number| {
            let order = basket(number);
            let start = Instant::now();
            recommender.add_order(&order);
            start.elapsed()
        })
        .collect();
    let taken_in = worked().unwrap_or_else(|| start.elapsed());
    let held = memory("VmRSS:");
    recommender.set_ranker(recommender.clone().train());
    let built = worked().unwrap_or_else(|| start.elapsed());
    let adding = percentile_95(adding);

    let served = memory("VmRSS:");
    let asking = (0..200).map(|n| {
        let now = at(NOW + n * 60);
        let once = || {
            let start = Instant::now();
            let everything = Preferences::default();
            let all = Catalogue::default();
            let shown = recommender.recommend(id(0), &now, 10, &everything, &all);
            assert_eq!(shown.len(), 10);
            start.elapsed()
        };
        // The fastest of some: what else the machine does is not asked for.
        (0..5).map(|_| once()).min().unwrap()
    });
    let asking = percentile_95(asking.collect());
    let peak = memory("VmHWM:");
    println!(
        "taken in {taken_in:?} ({held:?} MB), with learning {built:?}; p95 of an order \
         {adding:?}, of a recommendation {asking:?}; {served:?} MB, {peak:?} MB at most"
    );
    assert!(built < Duration::from_secs(20), "{built:?}");
    assert!(adding < Duration::from_millis(1), "{adding:?}");
    assert!(asking < Duration::from_millis(5), "{asking:?}");
    assert!(peak.is_none_or(|mb| mb <= 150), "{peak:?} MB");
}
