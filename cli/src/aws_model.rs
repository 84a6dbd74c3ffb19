//! `strata aws-model`: teaches the AWS CLI and boto3 of today the API, which AWS took out of them.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use strata_control::api::model;

use crate::args::{AwsModelArgs, Output};
use crate::environment::Environment;
use crate::sim::output_file::OutputFile;
use crate::{CliError, Exit};

/// The file that decides whose model it is.
const SERVICE: &str = "service-2.json";

/// Prints the service model, or installs it with its companions where botocore looks.
///
/// # Errors
/// Bad input: there is no folder to install into, or somebody else's model stands there. Failed: the disk is full.
pub fn run(args: &AwsModelArgs, output: Output) -> Result<Exit, CliError> {
    let service = model::service(args.signing_name.as_deref());
    if !args.install {
        crate::write_stdout(pretty(&service)?.as_bytes())?;
        return Ok(Exit::Done);
    }
    let folder = folder(&Environment::read())?;
    let operations = service["operations"].as_object().map_or(0, serde_json::Map::len);
    // The service file comes first: whatever happens then, what is there is known to be ours.
    let files = [(SERVICE, service), ("waiters-2.json", model::waiters()), ("paginators-1.json", model::paginators())];
    if !args.force {
        refuse_to_replace(&folder, &files)?;
    }
    install(&folder, &files)?;
    crate::write_stdout(told(&folder, operations, args.signing_name.as_deref(), output).as_bytes())?;
    Ok(Exit::Done)
}

/// Where botocore looks first: the first folder of `AWS_DATA_PATH`, or else `~/.aws/models`.
fn folder(environment: &Environment) -> Result<PathBuf, CliError> {
    let home = environment.home.as_deref().map(Path::new);
    let first =
        environment.aws_data_path.as_ref().and_then(|path| std::env::split_paths(path).find(|p| !p.as_os_str().is_empty()));
    let root = match (first, home) {
        // As botocore has it, a shell may not have seen the tilde.
        (Some(folder), Some(home)) => folder.strip_prefix("~").map(|rest| home.join(rest)).unwrap_or(folder),
        (Some(folder), None) => folder,
        (None, Some(home)) => home.join(".aws").join("models"),
        (None, None) => {
            return Err(CliError::BadInput(
                "neither AWS_DATA_PATH nor HOME is set, so there is no folder to install into".to_owned(),
            ));
        }
    };
    Ok(root.join("opsworks").join(model::API_VERSION))
}

/// Another's model, say AWS' own of former days, is not ours to replace. What we wrote ourselves is.
fn refuse_to_replace(folder: &Path, files: &[(&str, Value)]) -> Result<(), CliError> {
    let service = folder.join(SERVICE);
    let anothers = match std::fs::read(&service) {
        Ok(bytes) if serde_json::from_slice(&bytes).is_ok_and(|present| model::is_ours(&present)) => None,
        Ok(_) => Some(service),
        // A model may also be there compressed, as botocore ships its own.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            let compressed = std::iter::once(folder.join(format!("{SERVICE}.gz")));
            compressed.chain(files.iter().map(|(name, _)| folder.join(name))).find(|path| path.exists())
        }
        Err(error) => return Err(CliError::unreadable(&service, &error)),
    };
    match anothers {
        Some(path) => Err(CliError::BadInput(format!(
            "{}: is of a model that strata did not write, so it stays; move it away, or replace the model with --force",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Writes all files beside their places, then gives them their names.
fn install(folder: &Path, files: &[(&str, Value)]) -> Result<(), CliError> {
    std::fs::create_dir_all(folder)
        .map_err(|e| CliError::BadInput(format!("{}: the folder cannot be made: {e}", folder.display())))?;
    let mut written = Vec::with_capacity(files.len());
    for (name, content) in files {
        let path = folder.join(name);
        let mut file = OutputFile::create(&path)?;
        let failed = |e| CliError::Failed(anyhow::Error::new(e).context(format!("cannot write {}", path.display())));
        file.write_all(pretty(content)?.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
        written.push(file);
    }
    written.into_iter().try_for_each(OutputFile::keep)
}

fn pretty(value: &Value) -> Result<String, CliError> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|e| CliError::Failed(e.into()))
}

fn told(folder: &Path, operations: usize, signing_name: Option<&str>, output: Output) -> String {
    let url = if signing_name.is_some() { "https://ID.lambda-url.REGION.on.aws" } else { "http://127.0.0.1:4280" };
    let example = format!("aws opsworks describe-stacks --endpoint-url {url}");
    match output {
        Output::Table => format!(
            "Wrote a service model of {operations} actions, with its waiters and paginators, to {}.\nExample: {example}\n",
            folder.display()
        ),
        Output::Json => format!(
            "{}\n",
            json!({ "folder": folder.display().to_string(), "operations": operations, "signing_name": signing_name, "example": example })
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(aws_data_path: Option<&str>, home: Option<&str>) -> Option<String> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let environment = Environment { aws_data_path: owned(aws_data_path), home: owned(home), ..Environment::default() };
        folder(&environment).ok().map(|f| f.display().to_string())
    }

    #[test]
    fn the_folder_is_where_botocore_looks_first() {
        let home = Some("/home/ann");
        for (aws_data_path, home, expected) in [
            (None, home, Some("/home/ann/.aws/models/opsworks/2013-02-18")),
            (Some("/a:/b"), home, Some("/a/opsworks/2013-02-18")),
            (Some(":/b"), home, Some("/b/opsworks/2013-02-18")),
            (Some("~/m:/b"), home, Some("/home/ann/m/opsworks/2013-02-18")),
            (Some("/a"), None, Some("/a/opsworks/2013-02-18")),
            (Some(":"), None, None),
            (None, None, None),
        ] {
            assert_eq!(chosen(aws_data_path, home).as_deref(), expected, "{aws_data_path:?}");
        }
    }
}
