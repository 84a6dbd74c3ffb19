//! `strata aws-model` as people use it: what it prints, what it writes where, and what it leaves alone.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Where the model lands below a folder of models.
const BELOW: &str = "opsworks/2013-02-18";

/// Runs it with `folder` as the user's, and as AWS_DATA_PATH if asked for.
fn aws_model(folder: &Path, data_path: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strata"));
    command.arg("aws-model").args(arguments).current_dir(folder).env("HOME", folder).env_remove("AWS_DATA_PATH");
    if let Some(path) = data_path {
        command.env("AWS_DATA_PATH", folder.join(path));
    }
    command.output().expect("the binary runs")
}

#[track_caller]
fn done(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Expects exit code 2 and one sentence that has all of `says`.
#[track_caller]
fn refused(output: Output, says: &[&str]) {
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty() && stderr.lines().count() == 1, "{stderr}");
    for part in says {
        assert!(stderr.contains(part), "{stderr}lacks {part}");
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

/// [CLT-6]
#[test]
fn clt_6_the_model_is_printed_with_the_signing_name_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, signing_name) in [(&[][..], Value::Null), (&["--signing-name", "lambda"], "lambda".into())] {
        let model: Value = serde_json::from_str(&done(aws_model(folder.path(), None, arguments))).unwrap();
        assert_eq!(model["metadata"]["signingName"], signing_name);
        assert_eq!(model["operations"]["StartInstance"]["http"]["requestUri"], "/");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn it_is_installed_below_the_users_folder_or_the_first_data_path_and_again_over_itself() {
    let folder = tempfile::tempdir().unwrap();
    let told = done(aws_model(folder.path(), None, &["--install"]));
    assert!(told.contains("aws opsworks describe-stacks") && told.contains(".aws/models/opsworks/2013-02-18"), "{told}");
    done(aws_model(folder.path(), None, &["--install", "--signing-name", "lambda"]));
    done(aws_model(folder.path(), Some("mine"), &["--install"]));
    for (models, signing_name) in [(".aws/models", "lambda".into()), ("mine", Value::Null)] {
        let models = folder.path().join(models).join(BELOW);
        assert_eq!(read(&models.join("service-2.json"))["metadata"]["signingName"], signing_name);
        assert_eq!(read(&models.join("waiters-2.json"))["waiters"]["InstanceOnline"]["delay"], 15);
        let pages = &read(&models.join("paginators-1.json"))["pagination"]["DescribeEcsClusters"]["result_key"];
        assert_eq!(pages, "EcsClusters");
        assert_eq!(std::fs::read_dir(&models).unwrap().count(), 3, "and nothing else is left");
    }
}

#[test]
fn anothers_model_stays_unless_forced() {
    for other in ["service-2.json", "service-2.json.gz", "waiters-2.json"] {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join(".aws/models").join(BELOW);
        std::fs::create_dir_all(&models).unwrap();
        std::fs::write(models.join(other), "{}").unwrap();
        refused(aws_model(folder.path(), None, &["--install"]), &[other, "did not write", "--force"]);
        assert_eq!(std::fs::read_to_string(models.join(other)).unwrap(), "{}");
        assert_eq!(std::fs::read_dir(&models).unwrap().count(), 1);
        done(aws_model(folder.path(), None, &["--install", "--force"]));
        assert!(read(&models.join("service-2.json"))["operations"].is_object());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    refused(aws_model(folder.path(), Some("file"), &["--install"]), &["file/opsworks/2013-02-18", "the folder cannot be made"]);
}

#[test]
fn programs_are_told_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let told: Value = serde_json::from_str(&done(aws_model(folder.path(), None, &["--install", "--output", "json"]))).unwrap();
    assert!(told["folder"].as_str().unwrap().ends_with(BELOW) && told["operations"].as_u64().unwrap() > 0, "{told}");
}
