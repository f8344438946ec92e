#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::vault::fuzzing::backup(data));
