//! A saved world: what was done to it, in order.
//!
//! A seed and the events that functions were woken with determine the world to the byte, so that is all that is kept: opening the world
//! lives through it again. Nothing else could go out of step with the functions as they are now.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use strata_domain::decision::Function;

use crate::CliError;

/// One invocation of the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    /// The function.
    pub(super) function: Function,
    /// The event's text.
    pub(super) event: String,
}

/// The file that holds the past, a JSON object a line.
fn file(folder: &Path) -> PathBuf {
    folder.join("invocations.jsonl")
}

/// Reads a folder's past; a folder that is not there or empty is a fresh world.
///
/// # Errors
/// Bad input: the file cannot be read, or a line of it is not ours.
pub(super) fn load(folder: &Path) -> Result<Vec<Past>, CliError> {
    let file = file(folder);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CliError::unreadable(&file, &error)),
    };
    let past = |(place, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| {
            CliError::BadInput(format!(
                "{}: line {}: {e}, expected an invocation as `strata sim invoke --world` writes it",
                file.display(),
                place + 1
            ))
        })
    };
    text.lines().enumerate().map(past).collect()
}

/// Adds an invocation; the file is replaced as a whole, so that a crash leaves the old or the new one.
///
/// # Errors
/// Failed: the folder cannot be written.
pub(super) fn append(folder: &Path, mut past: Vec<Past>, now: Past) -> Result<(), CliError> {
    past.push(now);
    let mut text = String::new();
    for one in &past {
        text += &serde_json::to_string(one).map_err(|e| CliError::Failed(e.into()))?;
        text.push('\n');
    }
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let fresh = folder.join("invocations.jsonl.tmp");
        std::fs::write(&fresh, &text)?;
        std::fs::rename(&fresh, file(folder))
    };
    write().map_err(|e| CliError::Failed(anyhow::Error::new(e).context(format!("cannot write into {}", folder.display()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exit;

    #[test]
    fn what_was_done_is_read_back_in_order_and_a_foreign_line_is_bad_input() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("world");
        assert_eq!(load(&folder).unwrap(), []);
        let one = |event: &str| Past { function: Function::TimeScaling, event: event.to_owned() };
        append(&folder, Vec::new(), one("{\"a\":1}")).unwrap();
        append(&folder, load(&folder).unwrap(), one("b\nc")).unwrap();
        assert_eq!(load(&folder).unwrap(), [one("{\"a\":1}"), one("b\nc")]);
        std::fs::write(folder.join("invocations.jsonl"), "{}\n").unwrap();
        let error = load(&folder).unwrap_err();
        assert_eq!(error.exit(), Exit::BadInput);
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}
