//! `strata sim serve`, for as long as a script runs.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};

/// What stands before the endpoint in the line that a user is to type.
const EXPORT: &str = "AWS_ENDPOINT_URL_OPSWORKS=";

/// A server on a free port. It is stopped when this is dropped, whatever happens.
pub(super) struct Server {
    process: Child,
    /// Kept open to the end: who closes it would have the server fail when it prints.
    stdout: BufReader<ChildStdout>,
    endpoint: String,
    binary: PathBuf,
    data: PathBuf,
    complaints: PathBuf,
}

impl Server {
    /// Starts it with an empty world in `folder` and waits until it has said where it listens.
    pub(super) fn start(binary: &Path, folder: &Path, speed: &str) -> anyhow::Result<Self> {
        let (data, complaints) = (folder.join("data"), folder.join("serve.stderr"));
        let stderr = File::create(&complaints).with_context(|| complaints.display().to_string())?;
        let mut process = Command::new(binary)
            .args(["sim", "serve", "--listen", "127.0.0.1:0", "--speed", speed, "--data"])
            .arg(&data)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let stdout = BufReader::new(process.stdout.take().context("the server's output is piped")?);
        let mut server = Self { process, stdout, endpoint: String::new(), binary: binary.to_owned(), data, complaints };
        server.endpoint = server.read_endpoint()?;
        Ok(server)
    }

    /// Reads the lines that it prints for people up to the one that names the endpoint.
    fn read_endpoint(&mut self) -> anyhow::Result<String> {
        let mut told = String::new();
        while self.stdout.read_line(&mut told).context("the output of `strata sim serve`")? > 0 {
            let last = told.lines().last().unwrap_or_default();
            if let Some((_, endpoint)) = last.split_once(EXPORT) {
                return Ok(endpoint.trim().to_owned());
            }
        }
        self.print_complaints();
        bail!("`strata sim serve` ended before it printed a line with `{EXPORT}...`; it printed: {}", told.trim());
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What the simulated account has, as JSON.
    pub(super) fn world(&self) -> anyhow::Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(["sim", "world", "--json", "--data"]).arg(&self.data);
        let told = command.output().context("cannot start `strata sim world`")?;
        if !told.status.success() {
            bail!("`strata sim world --json` failed: {}", String::from_utf8_lossy(&told.stderr).trim());
        }
        String::from_utf8(told.stdout).context("`strata sim world --json` printed no UTF-8")
    }

    /// Prints what the server wrote to stderr.
    pub(super) fn print_complaints(&self) {
        let text = std::fs::read_to_string(&self.complaints).unwrap_or_default();
        for line in text.lines() {
            eprintln!("strata sim serve: {line}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
