//! Python environments with AWS clients of set versions, made once and made again when their list changes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// A list of packages and what it is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Packages {
    pub(super) name: &'static str,
    requirements: &'static str,
}

/// The last clients with an opsworks model of their own.
pub(super) const PINNED: Packages =
    Packages { name: "pinned", requirements: include_str!("../../../tests/clients/requirements-pinned.txt") };
/// The newest clients, which lack it.
pub(super) const NEWEST: Packages =
    Packages { name: "newest", requirements: include_str!("../../../tests/clients/requirements-newest.txt") };

/// Debian and Ubuntu ship Python without what a virtual environment needs.
const NO_VENV: &str = "Python cannot make virtual environments here: its modules venv and ensurepip are missing; \
     on Debian and Ubuntu `apt install python3-venv` brings them";
const NO_PYTHON: &str = "python3 cannot be started; the client tests need Python 3.10 or newer with its venv module \
     (Debian, Ubuntu: `apt install python3 python3-venv`)";

/// The interpreter of an environment with these packages, which is made in `home` unless it is there already.
pub(super) fn environment(home: &Path, packages: Packages) -> anyhow::Result<PathBuf> {
    let folder = home.join(packages.name);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // Written last, so that a half-made environment is made again; so is one that was moved, since its programs name their folder.
    let stamp = folder.join("made-of.txt");
    let made_of = format!("{}{}\n", packages.requirements, folder.display());
    if python.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|there| there == made_of) {
        return Ok(python);
    }
    let listed = packages.requirements.split_whitespace().collect::<Vec<_>>();
    println!("\n==> {} with {}", folder.display(), listed.join(" and "));
    has_venv()?;
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    if !venv.status().context(NO_PYTHON)?.success() {
        bail!("{NO_VENV}");
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(&listed);
    if !pip.status().with_context(|| format!("cannot start {}", python.display()))?.success() {
        bail!(
            "pip could not install {}: it needs Python 3.10 or newer, and the Python package registry (where pip's own \
             settings point); its words stand above",
            listed.join(" and ")
        );
    }
    std::fs::write(&stamp, made_of).with_context(|| stamp.display().to_string())?;
    Ok(python)
}

fn has_venv() -> anyhow::Result<()> {
    let mut probe = Command::new("python3");
    probe.args(["-c", "import ensurepip, venv"]).stderr(Stdio::null());
    if probe.status().context(NO_PYTHON)?.success() { Ok(()) } else { bail!("{NO_VENV}") }
}
