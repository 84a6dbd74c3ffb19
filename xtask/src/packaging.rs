//! `cargo xtask package`: the functions' zips, as `sam deploy` and `cargo lambda deploy` take them.
//!
//! Built with cargo-lambda, whose linker is told the C library of Lambda's own Linux, so that a binary from a newer machine starts there;
//! then packed again more tightly, since Lambda fetches a zip at each cold start.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::python::{self, Packages};
use crate::steps;

/// The build tool with the linker that it brings along, and the packer.
const CARGO_LAMBDA: Packages =
    Packages { name: "cargo-lambda", requirements: include_str!("../../tests/packaging/requirements.txt") };
const COMPRESS: &str = "tests/packaging/compress.py";
/// What the linker leaves out; the script says why.
const NO_UNWINDING: &str = "tests/packaging/no-unwinding.ld";
/// What is packaged: package and binary.
pub(crate) const FUNCTIONS: [(&str, &str); 6] = [
    ("strata-api", "api"),
    ("strata-instance-lifecycle", "instance-lifecycle"),
    ("strata-load-scaling", "load-scaling"),
    ("strata-security-updates", "security-updates"),
    ("strata-teardown", "teardown"),
    ("strata-time-scaling", "time-scaling"),
];
/// What the benches measure ours beside.
const HELLO: (&str, &str) = ("strata-hello", "strata-hello");
/// Lambda takes no zip over 50 MB directly; ours are to stay far below, since they are fetched at a cold start. The API and instance-lifecycle
/// are larger than a controller.
const LARGEST_ZIP: u64 = 6_000_000;

/// Command-line options of `cargo xtask package`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// For Graviton. The Rust target must be installed; the binaries cannot be started on another machine.
    arm64: bool,
    only: Vec<String>,
    with_hello: bool,
}

impl Options {
    pub(crate) fn from_args(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match (arg.as_str(), args.clone().next()) {
                ("--arm64", _) => options.arm64 = true,
                ("--only", Some(name)) if FUNCTIONS.iter().any(|(_, binary)| binary == name) => {
                    options.only.push(name.clone());
                    args.next();
                }
                ("--only", _) => return Err(format!("--only needs one of {}", FUNCTIONS.map(|(_, binary)| binary).join(", "))),
                (other, _) => return Err(format!("unknown argument `{other}`")),
            }
        }
        Ok(options)
    }

    /// The bare function too, for the bench; only these of ours, or all.
    pub(crate) fn for_bench(only: &[String]) -> Self {
        Self { only: only.to_vec(), with_hello: true, ..Self::default() }
    }

    fn packages(&self) -> Vec<(&'static str, &'static str)> {
        let wanted = |(_, binary): &(&str, &str)| self.only.is_empty() || self.only.iter().any(|only| only == binary);
        FUNCTIONS.into_iter().filter(wanted).chain(self.with_hello.then_some(HELLO)).collect()
    }
}

/// Where each function has a folder with `bootstrap` and `bootstrap.zip`.
pub(crate) fn folder() -> PathBuf {
    crate::root().join("target/lambda")
}

/// Builds, prints sizes and checksums, and starts each zip's bootstrap once.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let packages = options.packages();
    build(options, &packages)?;
    let mut starts = Vec::new();
    println!();
    for (_, binary) in &packages {
        let folder = folder().join(binary);
        let zip = folder.join("bootstrap.zip");
        let size = std::fs::metadata(&zip).with_context(|| zip.display().to_string())?.len();
        println!("{binary:<20} {:>6.2} MB  sha256 {}", size as f64 / 1e6, checksum(&zip)?);
        if size > LARGEST_ZIP {
            bail!("{} has {size} bytes, which is more than {LARGEST_ZIP}; what has it begun to link?", zip.display());
        }
        unpack(&zip, &folder)?;
        starts.push(format!("{binary}={}", folder.join("bootstrap").display()));
    }
    if options.arm64 {
        println!("\nbuilt for arm64: not started here");
        return Ok(());
    }
    let binaries: Vec<&str> = starts.iter().map(String::as_str).filter(|s| !s.starts_with(HELLO.1)).collect();
    let mut line = vec!["run", "--quiet", "-p", "strata-tests", "--bin", "start-bootstraps", "--"];
    line.extend(binaries);
    steps::cargo(&line, &[])
}

fn build(options: &Options, packages: &[(&str, &str)]) -> anyhow::Result<()> {
    let python = python::environment(&crate::root().join("target/clients"), CARGO_LAMBDA)?;
    let tools = python.parent().context("the environment has a folder of programs")?;
    let mut line = vec!["lambda", "build", "--profile", "deployed", "--disable-optimizations", "--output-format", "zip"];
    line.push(if options.arm64 { "--arm64" } else { "--x86-64" });
    for (package, binary) in packages {
        line.extend(["--package", package, "--bin", binary]);
    }
    let path = path_with(tools);
    // Absolute, since cargo links each package in its own folder; encoded, since there may be blanks in it.
    let script = crate::root().join(NO_UNWINDING).canonicalize().context(NO_UNWINDING)?;
    let flags = format!("-C\u{1f}link-arg=-Wl,-T,{}", script.display());
    steps::cargo_with(&[("PATH", &path), ("CARGO_ENCODED_RUSTFLAGS", &flags)], &line, &[])?;
    compress(&python, packages)
}

fn compress(python: &Path, packages: &[(&str, &str)]) -> anyhow::Result<()> {
    println!("\n==> packing the zips again, half a minute each");
    let zips = packages.iter().map(|(_, binary)| folder().join(binary).join("bootstrap.zip"));
    let done = Command::new(python).arg(crate::root().join(COMPRESS)).args(zips).status().context("cannot start python")?;
    if !done.success() {
        bail!("{COMPRESS} failed; its words stand above");
    }
    Ok(())
}

/// cargo finds `cargo-lambda`, and that its linker, by the path.
fn path_with(tools: &Path) -> String {
    #[expect(clippy::disallowed_methods, reason = "the path of whoever runs the chore, with one folder more")]
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", tools.display())
}

/// By the machine's own tool: nothing in this workspace's build wants a hash.
fn checksum(file: &Path) -> anyhow::Result<String> {
    let done = Command::new("sha256sum").arg(file).output().context("cannot start sha256sum")?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.split_whitespace().next().map(str::to_owned).with_context(|| format!("sha256sum said nothing of {}", file.display()))
}

fn unpack(zip: &Path, folder: &Path) -> anyhow::Result<()> {
    let bootstrap = folder.join("bootstrap");
    let script = "import sys, zipfile, os\nz = zipfile.ZipFile(sys.argv[1])\nassert z.namelist() == ['bootstrap'], z.namelist()\n\
                  assert z.infolist()[0].external_attr >> 16 & 0o111 == 0o111, 'bootstrap is not executable'\n\
                  z.extractall(sys.argv[2])\nos.chmod(sys.argv[2] + '/bootstrap', 0o755)";
    let done = Command::new("python3").args(["-c", script]).arg(zip).arg(folder).status().context("cannot start python3")?;
    if !done.success() || !bootstrap.is_file() {
        bail!("{} cannot be unpacked, or holds something else than one executable `bootstrap`", zip.display());
    }
    Ok(())
}

/// `cargo xtask bench cold-start`; `args` go to the bench.
pub(crate) fn bench_cold_start(args: &[String]) -> anyhow::Result<()> {
    let only: Vec<String> = args.windows(2).filter(|pair| pair[0] == "--only").map(|pair| pair[1].clone()).collect();
    run(&Options::for_bench(&only))?;
    let python = python::environment(&crate::root().join("target/clients"), python::PINNED)?;
    let (python, lambda) = (python.display().to_string(), folder().display().to_string());
    let line =
        ["run", "--quiet", "-p", "strata-tests", "--bin", "bench-cold-start", "--", "--lambda", &lambda, "--python", &python];
    steps::cargo(&line, args)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        Options::from_args(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn all_functions_are_packaged_unless_some_are_named() {
        assert_eq!(options("").unwrap().packages(), FUNCTIONS);
        let some = options("--only api --arm64 --only teardown").unwrap();
        assert_eq!(some.packages().iter().map(|(_, binary)| *binary).collect::<Vec<_>>(), ["api", "teardown"]);
        assert!(some.arm64);
        assert!(options("--only").unwrap_err().starts_with("--only needs one of api, "));
        assert!(options("--only nothing").is_err() && options("--x").is_err());
    }
}
