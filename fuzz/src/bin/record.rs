#![no_main]

use instored_vault::fuzzing::record;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(record(data)));
