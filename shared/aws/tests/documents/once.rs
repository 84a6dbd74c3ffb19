//! A nonce runs once on a host.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::host::{AL2023, Host, ended, part, script};

/// `work` of a test, run once under a nonce.
fn once(work: &str) -> String {
    format!("set -u\n{}\nwork() {{\n{work}\n}}\nonce \"$SSM_Nonce\"\n", part(&script("setup"), "run once"))
}

#[test]
fn a_nonce_that_has_run_gives_its_exit_code_again_and_runs_nothing() {
    let host = Host::new(AL2023);
    let run =
        |nonce: &str| ended(&host.command(&once("echo run >>\"$ROOT/runs\"; exit 3"), &[("Nonce", nonce)]).output().unwrap());
    assert_eq!(run("c/i/1"), (3, String::new()));
    assert_eq!(run("c/i/1"), (3, "this command has run before; its exit code was 3\n".to_owned()));
    assert_eq!(host.read("runs"), "run\n");
    assert_eq!(run("c/i/2").0, 3, "another nonce is another run");
    assert_eq!(run("c_i_1").0, 3, "however alike");
    assert_eq!(host.read("runs"), "run\n".repeat(3));
}

#[test]
fn who_comes_while_a_nonce_runs_waits_for_its_end() {
    let host = Host::new(AL2023);
    // It says that it runs, then waits for a line.
    let mut first = host.command(&once("echo began; read -r _; exit 7"), &[("Nonce", "n")]);
    let mut first = first.stdin(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(first.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "began\n");
    let second = host.command(&once("echo ran as well >>\"$ROOT/runs\"; exit 9"), &[("Nonce", "n")]).spawn().unwrap();
    first.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(7));
    assert_eq!(ended(&second.wait_with_output().unwrap()).0, 7);
    assert_eq!(host.read("runs"), "");
}

#[test]
fn a_run_that_died_is_begun_again_and_one_that_goes_on_afterwards_does_not_keep_the_lock() {
    let host = Host::new(AL2023);
    let mut first = host.command(&once("echo began; read -r _"), &[("Nonce", "n")]);
    let mut first = first.stdin(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(first.stdout.take().unwrap()).read_line(&mut line).unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    let (code, _) = ended(&host.command(&once("exit 0"), &[("Nonce", "n")]).output().unwrap());
    assert_eq!(code, 0);
}
