//! `cargo xtask e2e`: the six functions' zips, run as Lambda runs them, on servers that speak AWS's protocols; see `tests/wire/e2e.py`.

use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::python::{self, PINNED};
use crate::{packaging, steps, wire};

/// Command-line options of `cargo xtask e2e`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The functions as a debug build makes them, in zips of our own: quicker to build than the packages.
    debug: bool,
    /// The last step to take.
    until: Option<String>,
}

impl Options {
    pub(crate) fn from_args(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--debug" => options.debug = true,
                "--until" => options.until = Some(args.next().ok_or("--until needs a step such as start")?.clone()),
                other => return Err(format!("unknown argument `{other}`")),
            }
        }
        Ok(options)
    }
}

/// Packages the functions, builds the rest, and walks through it.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if !options.debug {
        packaging::run(&packaging::Options::default())?;
    }
    let programs = build(options)?;
    let root = crate::root();
    let python = python::environment(&root.join("target/wire"), wire::PACKAGES)?;
    let clients = python::environment(&root.join("target/clients"), PINNED)?;
    let folder = root.join("target/wire/e2e");
    python::empty_folder(&folder)?;
    println!("\n==> tests/wire/e2e.py");
    let mut command = python::clean(&python, &folder);
    command.arg(root.join("tests/wire/e2e.py")).arg(folder.canonicalize()?);
    command.arg("--programs").arg(&programs).arg("--clients").arg(&clients);
    if !options.debug {
        command.arg("--zips").arg(packaging::folder());
    }
    if let Some(step) = &options.until {
        command.args(["--until", step]);
    }
    if !command.status().with_context(|| format!("cannot start {}", python.display()))?.success() {
        bail!("the end-to-end test failed; what each server said stands in {}", folder.display());
    }
    Ok(())
}

/// The folder with the programs: `strata`, the endpoint of ECS and SSM, and the functions, if they are not packaged.
fn build(options: &Options) -> anyhow::Result<PathBuf> {
    let mut args = vec!["build", "-p", "strata-cli", "-p", "strata-tests"];
    if options.debug {
        args.extend(packaging::FUNCTIONS.iter().flat_map(|(package, _)| ["-p", package]));
    }
    steps::cargo(&args, &[])?;
    let here = std::env::current_exe().context("where is this program?")?;
    Ok(here.parent().context("this program's folder")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_a_wrong_one_is_refused() {
        let args = |words: &[&str]| Options::from_args(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(args(&[]), Ok(Options::default()));
        assert_eq!(args(&["--debug", "--until", "start"]), Ok(Options { debug: true, until: Some("start".to_owned()) }));
        assert_eq!(args(&["--until"]), Err("--until needs a step such as start".to_owned()));
        assert_eq!(args(&["--all"]), Err("unknown argument `--all`".to_owned()));
    }
}
