//! The built binary: exit codes, one sentence on stderr, nothing on stdout, nothing half-written.

use std::path::Path;
use std::process::{Command, Output};

fn strata(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strata")).args(arguments).current_dir(folder).output().expect("the binary runs")
}

/// Expects exit code 2, one line on stderr that has all of `says`, an empty stdout and no new file.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], says: &[&str]) {
    let before = std::fs::read_dir(folder).expect("a folder").count();
    let output = strata(folder, arguments);
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
    assert!(stderr.starts_with("strata: "), "{stderr}");
    for part in says {
        assert!(stderr.contains(part), "{arguments:?}: {stderr}lacks {part}");
    }
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), before, "{arguments:?}: nothing is left behind");
}

#[test]
fn files_that_cannot_be_used_end_with_2_and_one_sentence_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, text) in [
        ("empty.toml", ""),
        ("bad.toml", "name = \"x\"\n[[layer]]\nstack = \"a\"\ncluster = \"a\"\nalways_on = \"three\"\n"),
        ("empty.csv", ""),
        ("text.csv", "timestamp,value\n2014-02-14 12:00:00,1\n2014-02-14 12:05:00,lots\n"),
        ("back.csv", "timestamp,value\n2014-02-14 12:00:00,1\n2014-02-14 11:55:00,1\n"),
        ("big.json", &" ".repeat(10 * 1024 * 1024)),
        ("blank.json", "\n"),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let run = |more: &[&'static str]| [&["sim", "run", "--events", "e.jsonl", "--report", "r.html"][..], more].concat();
    let trace = |more: &[&'static str]| run(&[&["--unit", "cpu", "--trace"][..], more].concat());
    refused(folder, &run(&["--scenario", "absent.toml"]), &["absent.toml", "cannot be read"]);
    refused(folder, &run(&["--scenario", "empty.toml"]), &["empty.toml", "is empty", "expected"]);
    refused(folder, &run(&["--scenario", "bad.toml"]), &["bad.toml: line 5: layer[0].always_on", "\"three\"", "expected u32"]);
    refused(folder, &trace(&["absent.csv"]), &["absent.csv", "cannot be read"]);
    refused(folder, &trace(&["empty.csv"]), &["empty.csv", "is empty", "expected"]);
    refused(folder, &trace(&["text.csv"]), &["text.csv: line 3: column `value`: \"lots\"", "expected"]);
    refused(folder, &trace(&["text.csv", "--value-column", "cpu"]), &["no column `cpu`", "`timestamp`, `value`"]);
    refused(folder, &trace(&["back.csv"]), &["back.csv: line 3: column `timestamp`", "expected times that never go back"]);
    refused(folder, &["sim", "run", "--events", "no/where.jsonl"], &["no/where.jsonl", "cannot be written"]);
    refused(folder, &["sim", "run", "--events", "e.jsonl", "--report", "no/where.html"], &["no/where.html"]);
    refused(folder, &["sim", "invoke", "api", "absent.json"], &["absent.json", "cannot be read"]);
    refused(
        folder,
        &["sim", "invoke", "api", "big.json"],
        &["big.json", "10485760 bytes", "expected an event of at most 6291456"],
    );
    refused(folder, &["sim", "invoke", "api", "blank.json"], &["blank.json", "is empty", "expected"]);
    refused(folder, &["sim", "scenario", "bad.toml"], &["bad.toml: line 5"]);
}

#[test]
fn unknown_functions_and_flags_end_with_2_and_name_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, says) in [
        (&["sim", "invoke", "scaler", "e.json"][..], "load-scaling"),
        (&["sim", "run", "--unit", "cpu"], "--trace"),
        (&["sim", "run", "--fast"], "--fast"),
    ] {
        let output = strata(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(says), "{arguments:?}");
    }
}

#[test]
fn help_completions_and_the_built_in_scenario_end_with_0() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, says) in [
        (&["--help"][..], "Exit codes"),
        (&["sim", "run", "--help"], "--trace-from"),
        (&["completions", "bash"], "complete -F"),
        (&["sim", "scenario"], "best-practices-day"),
        (&["sim", "scenario", "--output", "json"], "\"layer\""),
    ] {
        let output = strata(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains(says), "{arguments:?}");
    }
}

#[test]
fn the_printed_scenario_is_itself_a_good_file() {
    let folder = tempfile::tempdir().unwrap();
    let printed = strata(folder.path(), &["sim", "scenario"]).stdout;
    std::fs::write(folder.path().join("mine.toml"), printed).unwrap();
    let output = strata(folder.path(), &["sim", "scenario", "mine.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().contains("23 instances"));
}
