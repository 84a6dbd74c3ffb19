//! `cargo xtask wire`: the AWS adapters' contract tests against moto, with a recorder before it that holds every request against the
//! service's own model, so that nothing malformed is ever sent; and the commands of `strata` that call AWS, in the same way.

mod books;
mod recorder;

use std::path::Path;

use anyhow::{Context, bail};

use crate::python::{self, Packages};
use crate::steps;
use books::Books;
use recorder::Recorder;

/// Where the tests look for their server.
const VARIABLE: &str = "STRATA_WIRE_ENDPOINT";

/// moto, ministack, and the botocore whose service models judge.
pub(crate) const PACKAGES: Packages = Packages { name: "wire", requirements: include_str!("../../tests/wire/requirements.txt") };

/// Runs the recorder's own tests and the adapters' contract tests. `args` go to the test runner.
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let home = crate::root().join("target/wire");
    let python = python::environment(&home, PACKAGES)?;
    let folder = home.join("run");
    python::empty_folder(&folder)?;
    own_tests(&python, &folder)?;
    let recorder = Recorder::start(&python, &folder)?;
    let tests = contract_tests(recorder.endpoint(), args);
    recorder.stop()?;
    let books = Books::read(&folder)?;
    print!("{books}");
    // What the recorder says comes first in time: a refused request is why a test failed.
    books.verdict().map_err(|problem| match &tests {
        Ok(()) => problem,
        Err(failed) => problem.context(failed.to_string()),
    })?;
    tests
}

/// The recorder must be able to fail.
fn own_tests(python: &Path, folder: &Path) -> anyhow::Result<()> {
    println!("\n==> tests/wire/test_recorder.py");
    let mut command = python::clean(python, folder);
    command.args(["-m", "unittest", "-q", "test_recorder"]).current_dir(crate::root().join("tests/wire"));
    if !command.status().with_context(|| format!("cannot start {}", python.display()))?.success() {
        bail!("the recorder's own tests failed");
    }
    Ok(())
}

/// The whole workspace is named, so that nothing is compiled again with fewer features.
fn contract_tests(endpoint: &str, args: &[String]) -> anyhow::Result<()> {
    // The commands of `strata` that call AWS are in no default build.
    let of = "package(strata-aws) | (package(strata-cli) & (binary(modes) | binary(doctor)))";
    let features = ["--features", "strata-cli/aws"];
    let nextest = [&["nextest", "run", "--workspace"][..], &features, &["--run-ignored", "only", "--no-fail-fast", "-E", of]];
    let packages = ["-p", "strata-aws", "-p", "strata-cli", "--test", "*"];
    let plain = [&["test"][..], &features, &packages, &["--no-fail-fast", "--", "--ignored"]];
    let line = if steps::has_nextest() { nextest.concat() } else { plain.concat() };
    steps::cargo_with(&[(VARIABLE, endpoint)], &line, args)
}
