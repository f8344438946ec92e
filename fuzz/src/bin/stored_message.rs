#![no_main]

use instored_mqtt::fuzzing::stored_message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(stored_message(data)));
