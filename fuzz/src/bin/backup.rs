#![no_main]

use instored_vault::fuzzing::backup;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(backup(data)));
