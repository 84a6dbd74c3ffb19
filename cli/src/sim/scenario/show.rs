//! `strata sim scenario`.

use super::{BEST_PRACTICES_DAY, Scenario};
use crate::args::{Output, ScenarioArgs};
use crate::{CliError, Exit};

/// `strata sim scenario`: prints the built-in scenario, or checks a file.
///
/// # Errors
/// Bad input: the file cannot be read or used.
pub fn show(args: &ScenarioArgs, output: Output) -> Result<Exit, CliError> {
    let Some(file) = &args.file else {
        let text = match output {
            Output::Table => BEST_PRACTICES_DAY.to_owned(),
            Output::Json => {
                let table: toml::Table =
                    BEST_PRACTICES_DAY.parse().map_err(|e: toml::de::Error| CliError::Failed(anyhow::Error::new(e)))?;
                serde_json::to_string_pretty(&table).map_err(|e| CliError::Failed(e.into()))? + "\n"
            }
        };
        crate::write_stdout(text.as_bytes())?;
        return Ok(Exit::Done);
    };
    let scenario = Scenario::load(file)?;
    let instances: usize = scenario.layers.iter().map(|l| l.members(&scenario.world.zones).len()).sum();
    let text = match output {
        Output::Table => format!(
            "{}: good: \"{}\", {} days, {} layers, {instances} instances\n",
            file.display(),
            scenario.name,
            scenario.world.days,
            scenario.layers.len()
        ),
        Output::Json => format!(
            "{}\n",
            serde_json::json!({
                "file": file.display().to_string(),
                "name": scenario.name,
                "days": scenario.world.days,
                "layers": scenario.layers.len(),
                "instances": instances,
            })
        ),
    };
    crate::write_stdout(text.as_bytes())?;
    Ok(Exit::Done)
}
