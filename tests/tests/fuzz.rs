//! A short, deterministic part of what the fuzzer does: the same inputs in each run.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// [WIRE-4] [WIRE-10]: no request makes the API panic or answer 500, and every answer is JSON or nothing.
#[test]
fn wire_4_no_request_makes_the_api_panic_or_answer_500() {
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let inputs = proptest::collection::vec(any::<u8>(), 0..2_000);
    runner
        .run(&inputs, |input| {
            strata_tests::fuzz::live(&input);
            Ok(())
        })
        .unwrap();
}
