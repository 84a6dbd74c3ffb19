//! Chores: `cargo xtask test`, `clients`, `wire`, `sweep`, `package`, `e2e`, `bench`, `fuzz`, `rules`, `template`.
#![expect(clippy::print_stdout, reason = "a chore tells the person who runs it what it does")]

mod clients;
mod e2e;
mod packaging;
mod python;
mod rules;
mod steps;
mod template;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND [ARGS]

  test [ARGS]               formatting, clippy, all tests, doc tests, clients, wire; ARGS go to the test runner
  clients [--only NAME]     boto3, the AWS CLI and Terraform's calls against `strata sim serve`; needs python3 with venv
  wire [ARGS]               the AWS adapters' contract tests against moto, each request held against the service's own model; ARGS go to
                            the test runner; needs python3 with venv
  sweep [ARGS]              the long seeds and crash sweeps, in release, the template's linters, and one function's zip; ARGS go to the test runner
  package [--arm64] [--only NAME]
                            the six functions' zips, with sizes and checksums, each started once; needs python3 with venv
  e2e [--debug] [--until STEP]
                            the six functions' zips on servers that speak AWS's protocols, from the API to the teardown; needs python3
                            with venv
  bench api [ARGS]          DescribeInstances over loopback beside a server with the same bytes ready, StartInstance, and memory over
                            a million requests; in release; ARGS go to the bench, see --help
  bench calls [ARGS]        the calls that starts, stops and first launches of 1 to 1,000 instances cost on the simulated cloud, and their
                            simulated time beside the floor that EC2's buckets allow; in release
  bench cold-start [ARGS]   the packaged functions from exec to first response, beside a bare Rust function and a Python one; ARGS go to
                            the bench, for example --only load-scaling
  bench rolling [ARGS]      a rolling update of 1,000 instances in waves beside one host at a time, and the teardown of 500, on the simulated
                            cloud: time beside what the hosts themselves need, tasks cut off, calls; in release
  bench scaling [ARGS]      one pass of time-scaling over 1,000 to 100,000 instances, and one decision of load-scaling about 100 to 10,000,
                            without the world around them; in release; ARGS go to the bench, see --help
  fuzz [ARGS]               fuzzes the API until it is stopped; needs cargo-fuzz; ARGS go to libFuzzer, for example -max_total_time=600
  rules [--missing] [--area AREA]
                            which rules of docs/spec a test names; fails if SEMANTICS.md or a test names a rule that does not exist
  template [--check]        writes shared/aws/documents into template.yaml (or only compares), then cfn-lint, `sam validate --lint` and
                            checkov; needs python3 with venv";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = args.split_first() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let done = match command.as_str() {
        "test" => steps::test(rest),
        "sweep" => steps::sweep(rest),
        "e2e" => match e2e::Options::from_args(rest) {
            Ok(options) => e2e::run(&options),
            Err(problem) => return misused(&problem),
        },
        "wire" => wire::run(rest),
        "bench" if rest.first().is_some_and(|what| what == "api") => steps::bench_api(&rest[1..]),
        "bench" if rest.first().is_some_and(|what| what == "calls") => steps::bench_calls(&rest[1..]),
        "bench" if rest.first().is_some_and(|what| what == "cold-start") => packaging::bench_cold_start(&rest[1..]),
        "bench" if rest.first().is_some_and(|what| what == "rolling") => steps::bench_rolling(&rest[1..]),
        "bench" if rest.first().is_some_and(|what| what == "scaling") => steps::bench_scaling(&rest[1..]),
        "bench" => {
            return misused("bench: expected `bench api`, `bench calls`, `bench cold-start`, `bench rolling` or `bench scaling`");
        }
        "package" => match packaging::Options::from_args(rest) {
            Ok(options) => packaging::run(&options),
            Err(problem) => return misused(&problem),
        },
        "fuzz" => steps::fuzz(rest),
        "clients" => match clients::Options::from_args(rest) {
            Ok(options) => clients::run(&options),
            Err(problem) => return misused(&problem),
        },
        "rules" => match rules::Options::from_args(rest) {
            Ok(options) => rules::report(&root(), &options),
            Err(problem) => return misused(&problem),
        },
        "template" => match template::Options::from_args(rest) {
            Ok(options) => template::run(&options),
            Err(problem) => return misused(&problem),
        },
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => return misused(&format!("unknown command `{other}`")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask {command}: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

fn misused(problem: &str) -> ExitCode {
    eprintln!("{problem}\n\n{USAGE}");
    ExitCode::from(2)
}

/// The repository's top folder, wherever the command was called.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
