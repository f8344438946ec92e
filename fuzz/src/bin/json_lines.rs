#![no_main]

use instored_orders::fuzzing::json_lines;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(json_lines(data)));
