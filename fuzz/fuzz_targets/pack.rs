#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ketch_store::fuzzing::pack(bytes));
