#![no_main]

use instored_mqtt::fuzzing::box_message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(box_message(data)));
