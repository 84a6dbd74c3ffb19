//! Fuzzes the OpsWorks API: see `strata_tests::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| strata_tests::fuzz::live(input));
