#![no_main]

use instored_mqtt::fuzzing::command;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(command(data)));
