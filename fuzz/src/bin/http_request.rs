#![no_main]

use instored_display::fuzzing::http_request;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(http_request(data)));
