//! The chores that run cargo, step by step, and stop at the first that fails.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Formatting, clippy without a warning, all tests, doc tests, existing clients, the AWS adapters on the wire. `args` go to the test runner.
pub(crate) fn test(args: &[String]) -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    // The commands that call AWS are in no default build.
    cargo(&["clippy", "-p", "strata-cli", "--all-targets", "--features", "aws", "--", "-D", "warnings"], &[])?;
    if has_nextest() {
        cargo(&["nextest", "run", "--workspace"], args)?;
    } else {
        println!("cargo-nextest is not installed: `cargo test` runs the same tests, only slower");
        cargo(&["test", "--workspace", "--lib", "--bins", "--tests"], args)?;
    }
    cargo(&["test", "--workspace", "--doc"], &[])?;
    crate::clients::run(&crate::clients::Options::default())?;
    crate::wire::run(&[])?;
    println!("\nxtask test: all steps passed");
    Ok(())
}

/// The ignored tests too, in release: many seeds, crash sweeps; then the template's linters and one function's zip. `args` go to the test
/// runner.
pub(crate) fn sweep(args: &[String]) -> anyhow::Result<()> {
    if has_nextest() {
        cargo(&["nextest", "run", "--release", "-p", "strata-tests", "--run-ignored", "all"], args)?;
    } else {
        cargo(&["test", "--release", "-p", "strata-tests", "--", "--include-ignored"], args)?;
    }
    crate::template::run(&crate::template::Options { check: true })?;
    // One of the six: all of them, and the walk over them, take `cargo xtask package` and `cargo xtask e2e` longer than a check may last.
    let one = ["--only", "load-scaling"].map(str::to_owned);
    crate::packaging::run(&crate::packaging::Options::from_args(&one).map_err(anyhow::Error::msg)?)?;
    println!("\nxtask sweep: all steps passed");
    Ok(())
}

/// How fast the API answers, in release. `args` go to the bench.
pub(crate) fn bench_api(args: &[String]) -> anyhow::Result<()> {
    cargo(&["build", "--release", "-p", "strata-cli", "-p", "strata-tests"], &[])?;
    let strata = format!("target/release/strata{}", std::env::consts::EXE_SUFFIX);
    cargo(&["run", "--release", "-p", "strata-tests", "--bin", "bench-api", "--", "--strata", &strata], args)
}

/// What whole fleets cost in calls and time, in release. `args` go to the bench.
pub(crate) fn bench_calls(args: &[String]) -> anyhow::Result<()> {
    cargo(&["run", "--release", "-p", "strata-tests", "--bin", "bench-calls", "--"], args)
}

/// How long campaigns and teardowns of whole fleets take, in release. `args` go to the bench.
pub(crate) fn bench_rolling(args: &[String]) -> anyhow::Result<()> {
    cargo(&["run", "--release", "-p", "strata-tests", "--bin", "bench-rolling", "--"], args)
}

/// What the scalers' decisions cost, in release. `args` go to the bench.
pub(crate) fn bench_scaling(args: &[String]) -> anyhow::Result<()> {
    cargo(&["run", "--release", "-p", "strata-tests", "--bin", "bench-scaling", "--"], args)
}

/// Fuzzes the API with libFuzzer; its crate is a workspace of its own. `args` go to libFuzzer.
pub(crate) fn fuzz(args: &[String]) -> anyhow::Result<()> {
    let mut line = vec!["fuzz", "run", "--sanitizer", "none", "api", "--"];
    line.extend(args.iter().map(String::as_str));
    cargo(&line, &[])
}

pub(crate) fn has_nextest() -> bool {
    let found = Command::new("cargo").args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

pub(crate) fn cargo(args: &[&str], more: &[String]) -> anyhow::Result<()> {
    cargo_with(&[], args, more)
}

/// As [`cargo`], with environment variables set.
pub(crate) fn cargo_with(variables: &[(&str, &str)], args: &[&str], more: &[String]) -> anyhow::Result<()> {
    let shown: Vec<&str> = args.iter().copied().chain(more.iter().map(String::as_str)).collect();
    let line = format!("cargo {}", shown.join(" "));
    println!("\n==> {line}");
    #[expect(clippy::disallowed_methods, reason = "wall time of a step, shown to a person")]
    let begun = std::time::Instant::now();
    let status = Command::new("cargo")
        .args(&shown)
        .envs(variables.iter().copied())
        .current_dir(crate::root())
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    println!("==> passed in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}
