#![no_main]

use instored_display::fuzzing::translation;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(translation(data)));
