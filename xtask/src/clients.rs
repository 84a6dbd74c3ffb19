//! `cargo xtask clients`: existing clients, unchanged, against `strata sim serve`.
//!
//! The scripts of `tests/clients` each get a server of their own with an empty world, and an environment that holds nothing of the
//! machine's AWS settings. What they need of Python is put under `target/clients`, once.

mod server;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use crate::python::{self, NEWEST, PINNED};
use server::Server;

/// How much quicker the world's time goes than ours: a boot of minutes takes seconds.
const SPEED: &str = "60";

/// One script of `tests/clients`.
struct Script {
    name: &'static str,
    packages: python::Packages,
    /// What it is run on.
    subject: Subject,
}

/// What a script looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// A server that has just begun.
    Server,
    /// The service model that `strata aws-model` prints.
    Model,
    /// What is written in `docs`.
    Documents,
}

const SCRIPTS: [Script; 7] = [
    Script { name: "compare_model", packages: PINNED, subject: Subject::Model },
    Script { name: "boto", packages: PINNED, subject: Subject::Server },
    Script { name: "terraform", packages: PINNED, subject: Subject::Server },
    Script { name: "register", packages: PINNED, subject: Subject::Server },
    Script { name: "newest", packages: NEWEST, subject: Subject::Server },
    Script { name: "walk", packages: PINNED, subject: Subject::Server },
    Script { name: "documents", packages: PINNED, subject: Subject::Documents },
];

/// Command-line options of `cargo xtask clients`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    only: Option<String>,
}

impl Options {
    pub(crate) fn from_args(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--only" => options.only = Some(script_name(args.next())?),
                other => return Err(format!("unknown argument `{other}`")),
            }
        }
        Ok(options)
    }

    fn wants(&self, script: &Script) -> bool {
        self.only.as_deref().is_none_or(|only| only == script.name)
    }
}

fn script_name(name: Option<&String>) -> Result<String, String> {
    let names = SCRIPTS.map(|script| script.name).join(", ");
    match name {
        Some(name) if SCRIPTS.iter().any(|script| script.name == name) => Ok(name.clone()),
        Some(other) => Err(format!("--only {other}: there is no such script, expected one of {names}")),
        None => Err(format!("--only needs one of {names}")),
    }
}

/// Runs all scripts, or the one that is wanted, and fails if one did.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    crate::steps::cargo(&["build", "-p", "strata-cli"], &[])?;
    let home = crate::root().join("target/clients");
    let binary = strata_binary()?;
    let mut failed = Vec::new();
    for script in SCRIPTS.iter().filter(|script| options.wants(script)) {
        let python = python::environment(&home, script.packages)?;
        println!("\n==> tests/clients/{}.py with {}", script.name, script.packages.name);
        #[expect(clippy::disallowed_methods, reason = "wall time of a step, shown to a person")]
        let begun = std::time::Instant::now();
        let run = Run { python, binary: binary.clone(), folder: home.join("run").join(script.name) };
        let passed = run.script(script)?;
        println!("==> {} in {:.1} s", if passed { "passed" } else { "FAILED" }, begun.elapsed().as_secs_f64());
        if !passed {
            failed.push(script.name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}; one alone runs with `cargo xtask clients --only NAME`", failed.join(", "));
    }
    Ok(())
}

/// Where cargo put `strata`; its target folder may be another than ours.
fn strata_binary() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe().context("where is this program?")?;
    let beside = here.with_file_name(format!("strata{}", std::env::consts::EXE_SUFFIX));
    if !beside.is_file() {
        bail!("{} is not there, although `cargo build -p strata-cli` passed", beside.display());
    }
    Ok(beside)
}

/// One script's run.
struct Run {
    python: PathBuf,
    binary: PathBuf,
    /// Its own: the server's data, the home that it sees.
    folder: PathBuf,
}

impl Run {
    /// Whether the script passed.
    fn script(&self, script: &Script) -> anyhow::Result<bool> {
        python::empty_folder(&self.folder)?;
        let file = crate::root().join("tests/clients").join(script.name).with_extension("py");
        let mut command = python::clean(&self.python, &self.folder);
        command.arg(&file);
        match script.subject {
            Subject::Server => return self.with_server(command),
            Subject::Model => drop(command.arg(self.model()?)),
            Subject::Documents => {}
        }
        Ok(self.status(&mut command)?.success())
    }

    fn with_server(&self, mut command: Command) -> anyhow::Result<bool> {
        let server = Server::start(&self.binary, &self.folder, SPEED)?;
        command
            .env("AWS_ENDPOINT_URL_OPSWORKS", server.endpoint())
            .env("STRATA_WORLD", server.world()?)
            .env("STRATA_BINARY", &self.binary);
        let passed = self.status(&mut command)?.success();
        if !passed {
            server.print_complaints();
        }
        Ok(passed)
    }

    fn status(&self, command: &mut Command) -> anyhow::Result<std::process::ExitStatus> {
        command.status().with_context(|| format!("cannot start {}", self.python.display()))
    }

    /// The file that holds our service model.
    fn model(&self) -> anyhow::Result<PathBuf> {
        let printed = Command::new(&self.binary).arg("aws-model").output().context("cannot start `strata aws-model`")?;
        if !printed.status.success() {
            bail!("`strata aws-model` failed: {}", String::from_utf8_lossy(&printed.stderr).trim());
        }
        let path = self.folder.join("service-2.json");
        std::fs::write(&path, printed.stdout).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_a_wrong_one_is_refused_with_what_there_is() {
        let args = |words: &[&str]| Options::from_args(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(args(&[]), Ok(Options { only: None }));
        assert_eq!(args(&["--only", "walk"]), Ok(Options { only: Some("walk".to_owned()) }));
        let names = "compare_model, boto, terraform, register, newest, walk, documents";
        assert_eq!(args(&["--only"]), Err(format!("--only needs one of {names}")));
        assert_eq!(args(&["--only", "run"]), Err(format!("--only run: there is no such script, expected one of {names}")));
        assert_eq!(args(&["--all"]), Err("unknown argument `--all`".to_owned()));
    }

    #[test]
    fn every_script_is_there_and_every_test_script_is_run() {
        let folder = crate::root().join("tests/clients");
        let mut there: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".py").map(str::to_owned))
            .filter(|name| !["strict", "support"].contains(&name.as_str()))
            .collect();
        there.sort();
        let mut run = SCRIPTS.map(|script| script.name.to_owned());
        run.sort();
        assert_eq!(there, run);
    }
}
