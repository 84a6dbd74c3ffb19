//! `cargo xtask template`: writes what runs on hosts into template.yaml, and lints it.
//!
//! The linters know AWS's schemas and good practice. What they do not notice (a wrong Runtime, a function URL without auth, a role that
//! allows too much) stands in the tests of `shared/aws/tests/template`.

mod documents;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::python::{self, Packages};

const SAM: Packages = Packages { name: "sam", requirements: include_str!("template/requirements-sam.txt") };
/// Holds the roles against the list of AWS's actions that comes with checkov.
const PERMISSIONS: &str = "xtask/src/template/permissions.py";
const CHECKOV: Packages = Packages { name: "checkov", requirements: include_str!("template/requirements-checkov.txt") };

/// Command-line options of `cargo xtask template`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Only say whether the documents' section is as it should be.
    pub(crate) check: bool,
}

impl Options {
    pub(crate) fn from_args(args: &[String]) -> Result<Self, String> {
        match args {
            [] => Ok(Self { check: false }),
            [one] if one == "--check" => Ok(Self { check: true }),
            [other, ..] => Err(format!("unknown argument `{other}`")),
        }
    }
}

/// Writes the section (or, with `--check`, compares it), then lints.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let path = crate::root().join("template.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let wanted = documents::written_into(&text, &documents::read(&crate::root())?)?;
    if wanted != text {
        if options.check {
            bail!("template.yaml does not hold what stands in {}; `cargo xtask template` writes it", documents::FOLDER);
        }
        std::fs::write(&path, wanted).with_context(|| path.display().to_string())?;
        println!("template.yaml: the documents' section was written anew");
    }
    lint()
}

/// cfn-lint, `sam validate --lint`, checkov, and our own look at the roles: none of them may say a word.
fn lint() -> anyhow::Result<()> {
    let home = crate::root().join("target/template");
    let sam = python::environment(&home, SAM)?;
    let checkov = python::environment(&home, CHECKOV)?;
    let folder = home.join("run");
    python::empty_folder(&folder)?;
    let linters: [(&Path, &str, &[&str]); 4] = [
        (&sam, "cfn-lint", &["--regions", "us-east-1", "--", "template.yaml"]),
        (&sam, "sam", &["validate", "--lint", "--template", "template.yaml"]),
        (
            &checkov,
            "checkov",
            &["--skip-download", "--compact", "--quiet", "--framework", "cloudformation", "--file", "template.yaml"],
        ),
        (&checkov, "python", &[PERMISSIONS, "template.yaml"]),
    ];
    let mut failed = Vec::new();
    for (python, program, args) in linters {
        println!("\n==> {program} {}", args.join(" "));
        let mut command = python::clean(&beside(python, program), &folder);
        command.args(args).current_dir(crate::root()).env("SAM_CLI_TELEMETRY", "0").env("AWS_REGION", "us-east-1");
        if !runs_clean(&mut command, program)? {
            failed.push(program);
        }
    }
    if !failed.is_empty() {
        bail!("{} found fault with template.yaml; what is meant so is explained beside it in the template", failed.join(" and "));
    }
    Ok(())
}

fn runs_clean(command: &mut Command, program: &str) -> anyhow::Result<bool> {
    Ok(command.status().with_context(|| format!("cannot start {program}"))?.success())
}

/// A program of the environment that an interpreter belongs to.
fn beside(python: &Path, program: &str) -> PathBuf {
    python.with_file_name(format!("{program}{}", std::env::consts::EXE_SUFFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_a_wrong_one_is_refused() {
        let args = |words: &[&str]| Options::from_args(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(args(&[]), Ok(Options { check: false }));
        assert_eq!(args(&["--check"]), Ok(Options { check: true }));
        assert_eq!(args(&["--fix"]), Err("unknown argument `--fix`".to_owned()));
    }

    #[test]
    fn the_template_holds_the_documents_as_they_stand_in_their_folder() {
        let text = std::fs::read_to_string(crate::root().join("template.yaml")).unwrap();
        let wanted = documents::written_into(&text, &documents::read(&crate::root()).unwrap()).unwrap();
        assert!(wanted == text, "`cargo xtask template` writes the section anew");
    }
}
