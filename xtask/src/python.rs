//! Python environments with programs of set versions, made once and made again when their list changes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// A list of packages and what it is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packages {
    pub(crate) name: &'static str,
    /// As pip reads them, without comments.
    pub(crate) requirements: &'static str,
}

/// The last clients with an opsworks model of their own.
pub(crate) const PINNED: Packages =
    Packages { name: "pinned", requirements: include_str!("../../tests/clients/requirements-pinned.txt") };
/// The newest clients, which lack it.
pub(crate) const NEWEST: Packages =
    Packages { name: "newest", requirements: include_str!("../../tests/clients/requirements-newest.txt") };

/// Debian and Ubuntu ship Python without what a virtual environment needs.
const NO_VENV: &str = "Python cannot make virtual environments here: its modules venv and ensurepip are missing; \
     on Debian and Ubuntu `apt install python3-venv` brings them";
const NO_PYTHON: &str = "python3 cannot be started; the client and wire tests need Python 3.10 or newer with its venv module \
     (Debian, Ubuntu: `apt install python3 python3-venv`)";

/// The interpreter of an environment with these packages, which is made in `home` unless it is there already.
pub(crate) fn environment(home: &Path, packages: Packages) -> anyhow::Result<PathBuf> {
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

/// A command that sees nothing of the machine's AWS settings, nor of its Python's; `folder` holds the home that it sees.
pub(crate) fn clean(program: &Path, folder: &Path) -> Command {
    let nowhere = folder.join("nowhere");
    let mut command = Command::new(program);
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .env("HOME", folder.join("home"))
        .env("LANG", "C.UTF-8")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", &nowhere)
        .env("AWS_SHARED_CREDENTIALS_FILE", &nowhere)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1");
    command
}

/// Makes a folder anew, with a home in it.
pub(crate) fn empty_folder(folder: &Path) -> anyhow::Result<()> {
    let gone = std::fs::remove_dir_all(folder);
    if let Err(error) = gone.or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) }) {
        bail!("{}: cannot be emptied: {error}", folder.display());
    }
    std::fs::create_dir_all(folder.join("home")).with_context(|| folder.display().to_string())
}

fn has_venv() -> anyhow::Result<()> {
    let mut probe = Command::new("python3");
    probe.args(["-c", "import ensurepip, venv"]).stderr(Stdio::null());
    if probe.status().context(NO_PYTHON)?.success() { Ok(()) } else { bail!("{NO_VENV}") }
}
