#![no_main]

use instored_vault::fuzzing::cbor;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(cbor(data)));
