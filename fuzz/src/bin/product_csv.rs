#![no_main]

use instored_orders::fuzzing::product_csv;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(product_csv(data)));
