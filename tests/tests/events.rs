//! Every file in `events/` goes through the real handler of each function that gets it, and is refused, typed, by the others.

use std::path::{Path, PathBuf};

use strata_cli::CliError;
use strata_cli::sim::world::invoke;
use strata_domain::decision::Function::{self, *};

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

/// The functions that a file is for: the table of `events/README.md`, as a test.
fn functions_of(file: &str) -> Vec<Function> {
    match file {
        name if name.starts_with("alarm-") => vec![LoadScaling],
        "schedule-tick.json" => vec![InstanceLifecycle, LoadScaling, TimeScaling, SecurityUpdates, Teardown],
        "ec2-instance-state-change.json" => vec![InstanceLifecycle, Teardown],
        "ecs-container-instance-state-change.json" => vec![InstanceLifecycle, SecurityUpdates, Teardown],
        "ec2-spot-interruption-warning.json" | "ec2-rebalance-recommendation.json" | "aws-health-event.json" => {
            vec![InstanceLifecycle]
        }
        "ssm-command-status.json" | "ssm-command-invocation-status.json" => vec![SecurityUpdates],
        "sqs-hints.json" => vec![InstanceLifecycle],
        "dynamodb-stream-keys.json" => vec![InstanceLifecycle, SecurityUpdates],
        "function-url-request.json" => vec![Api],
        "teardown-request.json" | "teardown-asked.json" => vec![Teardown],
        "campaign-request.json" | "campaign-asked.json" => vec![SecurityUpdates],
        other => panic!("{other} is not in the table"),
    }
}

#[test]
fn every_event_file_is_taken_by_its_functions() {
    let mut files = 0;
    for entry in std::fs::read_dir(events()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        files += 1;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let event = std::fs::read(&path).unwrap();
        for function in functions_of(&name) {
            if let Err(error) = invoke(function, &event, None) {
                panic!("{function} on {name}: {error}");
            }
        }
    }
    assert_eq!(files, 21);
}

#[test]
fn an_event_of_another_function_is_refused_with_a_sentence_that_says_what_was_expected() {
    let event = std::fs::read(events().join("alarm-metric-sns.json")).unwrap();
    for function in [Api, InstanceLifecycle, TimeScaling, SecurityUpdates, Teardown] {
        let error = invoke(function, &event, None).unwrap_err();
        assert!(matches!(error, CliError::BadInput(_)), "{function}: {error}");
        assert!(error.to_string().contains("expected"), "{function}: {error}");
    }
    for bad in [&b"{"[..], b"[]", b"{}", b"\"x\"", br#"{"source":"aws.ec2"}"#] {
        for function in Function::ALL {
            let error = invoke(function, bad, None).unwrap_err();
            assert!(matches!(error, CliError::BadInput(_)), "{function}: {error}");
        }
    }
    let large = vec![b' '; 10 * 1024 * 1024];
    assert!(invoke(LoadScaling, &large, None).unwrap_err().to_string().contains("at most 6291456"));
}
