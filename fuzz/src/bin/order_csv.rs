#![no_main]

use instored_orders::fuzzing::order_csv;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(order_csv(data)));
