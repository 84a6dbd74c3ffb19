//! Files that a run writes: under another name until they are whole, so that nothing half-written is ever left.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::CliError;

/// A file in the making. Dropped without [`OutputFile::keep`], it leaves nothing.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    partial: PathBuf,
    writer: BufWriter<File>,
    kept: bool,
}

impl OutputFile {
    /// Begins the file; what stands at `path` stays until [`OutputFile::keep`].
    ///
    /// # Errors
    /// Bad input: `path` is a folder, or its folder is not there or cannot be written to.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let refuse = |why: String| CliError::BadInput(format!("{}: cannot be written: {why}", path.display()));
        let name = match path.file_name() {
            Some(name) if !path.is_dir() => name.to_string_lossy(),
            _ => return Err(refuse("it is a folder, expected the name of a file".to_owned())),
        };
        let partial = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let file = File::create(&partial).map_err(|e| refuse(e.to_string()))?;
        Ok(Self { path: path.to_owned(), partial, writer: BufWriter::new(file), kept: false })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// Failed: the disk is full or went away; nothing is left of the file.
    pub fn keep(mut self) -> Result<(), CliError> {
        let finished = self.writer.flush().and_then(|()| std::fs::rename(&self.partial, &self.path));
        finished.map_err(|e| CliError::Failed(anyhow::Error::new(e).context(format!("cannot write {}", self.path.display()))))?;
        self.kept = true;
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if !self.kept {
            // There is nobody left to tell; a stray partial file is named as one.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_kept_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.html");
        std::fs::write(&path, "old").unwrap();
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        file.keep().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_or_a_name_in_a_folder_that_is_not_there_is_bad_input() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("no/where.html")] {
            let error = OutputFile::create(&path).unwrap_err();
            assert_eq!(error.exit(), crate::Exit::BadInput, "{error}");
            assert!(error.to_string().contains("cannot be written"), "{error}");
        }
    }
}
