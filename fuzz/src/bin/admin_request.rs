#![no_main]

use instored_admin::fuzzing::admin_request;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(admin_request(data)));
