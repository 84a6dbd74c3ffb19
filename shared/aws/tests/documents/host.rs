//! The documents as they stand, and a machine made of a directory to run them on.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const DOCUMENTS: [(&str, &str); 7] = [
    ("configure", include_str!("../../documents/configure.yaml")),
    ("reconnect", include_str!("../../documents/reconnect.yaml")),
    ("recipes", include_str!("../../documents/recipes.yaml")),
    ("setup", include_str!("../../documents/setup.yaml")),
    ("shutdown", include_str!("../../documents/shutdown.yaml")),
    ("update", include_str!("../../documents/update.yaml")),
    ("users", include_str!("../../documents/users.yaml")),
];

pub(crate) fn document(name: &str) -> &'static str {
    DOCUMENTS.iter().find(|(n, _)| *n == name).unwrap().1
}

/// The script of a document: the one block scalar of its `runCommand`.
pub(crate) fn script(name: &str) -> String {
    let block = document(name).split_once("    runCommand:\n    - |\n").unwrap().1;
    block.lines().map(|line| format!("{}\n", line.strip_prefix("      ").unwrap_or(line))).collect()
}

/// The parameters with their settings, as they stand in the document.
pub(crate) fn parameters(name: &str) -> Vec<(String, String)> {
    let block = document(name).split_once("parameters:\n").unwrap().1.split_once("mainSteps:").unwrap().0;
    let mut found: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) {
            Some(head) => found.push((head.trim_end_matches(':').to_owned(), String::new())),
            None => found.last_mut().unwrap().1.push_str(&format!("{}\n", line.trim())),
        }
    }
    found
}

/// The part of a script between `# -- <name>` and `# -- end of <name>`.
pub(crate) fn part<'a>(script: &'a str, name: &str) -> &'a str {
    script.split_once(&format!("# -- {name}\n")).unwrap().1.split_once(&format!("# -- end of {name}\n")).unwrap().0
}

/// A machine made of a directory: what changes a machine is replaced by programs that write down how they were called.
pub(crate) struct Host {
    dir: TempDir,
}

impl Host {
    pub(crate) fn new(os_release: &str) -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["bin", "etc", "run", "proc/sys/kernel/random", "var"] {
            fs::create_dir_all(host.path(dir)).unwrap();
        }
        fs::write(host.path("etc/os-release"), os_release).unwrap();
        for name in [
            "apt-get",
            "yum",
            "dnf",
            "rpm",
            "amazon-linux-extras",
            "systemctl",
            "hostnamectl",
            "hostname",
            "groupadd",
            "getent",
            "sleep",
            "curl",
            "dpkg",
            "uname",
            "pkill",
            "runuser",
            "useradd",
            "userdel",
            "usermod",
            "visudo",
            "blkid",
            "findmnt",
            "mkfs.xfs",
            "mount",
        ] {
            host.program(name, "");
        }
        host
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// A stand-in for a program; it writes its call down and then does `body`.
    pub(crate) fn program(&self, name: &str, body: &str) {
        let path = self.path("bin").join(name);
        let text = format!("#!/bin/bash\nprintf '%s\\n' \"$(basename \"$0\") $*\" >>\"$STRATA_ROOT/calls\"\n{body}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn hook(&self, event: &str, body: &str) {
        let dir = self.path(&format!("etc/strata/hooks/{event}.d"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("10-test"), format!("#!/bin/bash\n{body}\n")).unwrap();
        fs::set_permissions(dir.join("10-test"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A run of a script in here, with these parameters as the SSM agent gives them.
    pub(crate) fn command(&self, script: &str, parameters: &[(&str, &str)]) -> Command {
        let file = self.path(&format!("script-{:x}", script.len()));
        fs::write(&file, script).unwrap();
        let mut command = Command::new("bash");
        command.arg(file).env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display())).env("STRATA_ROOT", self.dir.path());
        command.envs(parameters.iter().map(|(name, value)| (format!("SSM_{name}"), *value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Exit code and what was said, of a document's run with the parameters' defaults.
    pub(crate) fn run(&self, name: &str, given: &[(&str, &str)]) -> (i32, String) {
        let default = |settings: &str| {
            let line = settings.lines().find_map(|line| line.strip_prefix("default: '"));
            line.map(|line| line.trim_end_matches('\'').to_owned())
        };
        let declared = parameters(name);
        let defaults = declared.iter().filter_map(|(name, settings)| Some((name.as_str(), default(settings)?)));
        let defaults: Vec<(&str, String)> = defaults.collect();
        let mut all: Vec<(&str, &str)> = defaults.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(given);
        ended(&self.command(&script(name), &all).output().unwrap())
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// The calls of stand-ins since the last look that begin so.
    pub(crate) fn calls(&self, beginning: &str) -> Vec<String> {
        self.read("calls").lines().filter(|call| call.starts_with(beginning)).map(str::to_owned).collect()
    }
}

pub(crate) fn ended(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

pub(crate) const AL2023: &str = "ID=\"amzn\"\nVERSION_ID=\"2023\"\nPRETTY_NAME=\"Amazon Linux 2023\"\n";
pub(crate) const UBUNTU: &str = "ID=ubuntu\nVERSION_ID=\"24.04\"\n";
pub(crate) const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/shop";

pub(crate) fn base64(text: &str) -> String {
    let mut encode = Command::new("base64").arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    encode.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(encode.wait_with_output().unwrap().stdout).unwrap()
}
