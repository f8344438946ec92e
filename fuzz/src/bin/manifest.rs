#![no_main]

use instored_vision::fuzzing::manifest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(manifest(data)));
