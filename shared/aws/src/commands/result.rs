//! What SSM says of a command, in the port's words.

use aws_sdk_ssm::types::{Command, CommandInvocation, CommandInvocationStatus, CommandPlugin, CommandPluginStatus};
use strata_domain::SsmCommandId;
use strata_ports::commands::log_folder;
use strata_ports::{CommandResult, CommandStatus};

/// Characters of a last line: it goes into a record, for people.
const LINE_LENGTH: usize = 200;

/// `None` for a status that this version does not know, which is as good as no answer about that command.
pub(super) fn of_invocation(invocation: &CommandInvocation) -> Option<CommandResult> {
    let status = status(invocation.status()?.as_str())?;
    let plugin = telling(invocation.command_plugins());
    let output = plugin.and_then(CommandPlugin::output).and_then(last_line);
    let details = invocation.status_details().unwrap_or_default();
    Some(CommandResult {
        id: SsmCommandId::from(invocation.command_id()?),
        status,
        exit_code: plugin.map(CommandPlugin::response_code).filter(|code| has_ended(status) && *code >= 0),
        last_line: output.unwrap_or_else(|| if status.is_final() { details.to_owned() } else { String::new() }),
        log: plugin.filter(|_| has_ended(status)).and_then(|plugin| log_of(invocation, plugin)),
    })
}

/// Of a command whose invocation is not listed: it has not reached its host.
pub(super) fn of_command(command: &Command) -> Option<CommandResult> {
    let status = status(command.status()?.as_str())?;
    let details = command.status_details().filter(|_| status.is_final()).unwrap_or_default();
    Some(CommandResult {
        id: SsmCommandId::from(command.command_id()?),
        status,
        exit_code: None,
        last_line: details.to_owned(),
        log: None,
    })
}

/// The key of what the step wrote, in the installation's bucket: the agent puts it below the command's prefix, by command, host, plugin and
/// step. A command that was sent without a bucket keeps nothing.
fn log_of(invocation: &CommandInvocation, plugin: &CommandPlugin) -> Option<String> {
    plugin.output_s3_bucket_name().filter(|bucket| !bucket.is_empty())?;
    let (nonce, command, host) = (invocation.comment()?, invocation.command_id()?, invocation.instance_id()?);
    Some(format!("{}/{command}/{host}/awsrunShellScript/{}/stdout", log_folder(nonce), plugin.name()?))
}

/// Whether the script itself came to an end: SSM gives one that timed out a code of its own.
fn has_ended(status: CommandStatus) -> bool {
    matches!(status, CommandStatus::Success | CommandStatus::Failed)
}

/// Commands and their invocations spell their status alike. A cancelled one did not do what it was to do.
fn status(spelled: &str) -> Option<CommandStatus> {
    match CommandInvocationStatus::from(spelled) {
        CommandInvocationStatus::Pending | CommandInvocationStatus::Delayed => Some(CommandStatus::Pending),
        CommandInvocationStatus::InProgress | CommandInvocationStatus::Cancelling => Some(CommandStatus::InProgress),
        CommandInvocationStatus::Success => Some(CommandStatus::Success),
        CommandInvocationStatus::Failed | CommandInvocationStatus::Cancelled => Some(CommandStatus::Failed),
        CommandInvocationStatus::TimedOut => Some(CommandStatus::TimedOut),
        _ => None,
    }
}

/// The step that did not succeed, else the last one.
fn telling(plugins: &[CommandPlugin]) -> Option<&CommandPlugin> {
    plugins.iter().find(|plugin| plugin.status() != Some(&CommandPluginStatus::Success)).or_else(|| plugins.last())
}

/// The last line that the script wrote. The agent puts lines of its own around the error output.
fn last_line(output: &str) -> Option<String> {
    let is_the_agents = |line: &str| line.starts_with("----------ERROR") || line.starts_with("failed to run commands:");
    let line = output.lines().rev().map(str::trim).find(|line| !line.is_empty() && !is_the_agents(line))?;
    Some(line.chars().take(LINE_LENGTH).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_ssm_has_its_word_and_an_unknown_one_is_no_answer() {
        for (spelled, expected) in [
            ("Pending", Some(CommandStatus::Pending)),
            ("Delayed", Some(CommandStatus::Pending)),
            ("InProgress", Some(CommandStatus::InProgress)),
            ("Cancelling", Some(CommandStatus::InProgress)),
            ("Success", Some(CommandStatus::Success)),
            ("Failed", Some(CommandStatus::Failed)),
            ("Cancelled", Some(CommandStatus::Failed)),
            ("TimedOut", Some(CommandStatus::TimedOut)),
            ("Dreaming", None),
        ] {
            assert_eq!(status(spelled), expected, "{spelled}");
        }
    }

    #[test]
    fn the_last_line_is_the_scripts_own() {
        let failed = "updating\n\n----------ERROR-------\nE: no repository\nfailed to run commands: exit status 100\n";
        assert_eq!(last_line(failed).as_deref(), Some("E: no repository"));
        assert_eq!(last_line("one\ntwo\n\n").as_deref(), Some("two"));
        assert_eq!(last_line("\n"), None);
        assert_eq!(last_line(&"x".repeat(201)).map(|line| line.len()), Some(LINE_LENGTH));
    }

    /// [CMD-32]
    #[test]
    fn the_output_of_a_command_that_has_ended_is_where_the_agent_puts_it() {
        let log = |spelled: &str, bucket: &str| {
            let plugin = CommandPlugin::builder().name("Recipes").output_s3_bucket_name(bucket).build();
            let invocation = CommandInvocation::builder().command_id("c-1").instance_id("i-1").comment("command-7");
            let invocation = invocation.status(CommandInvocationStatus::from(spelled)).command_plugins(plugin).build();
            of_invocation(&invocation).unwrap().log
        };
        let key = Some("logs/command-7/c-1/i-1/awsrunShellScript/Recipes/stdout".to_owned());
        assert_eq!((log("Success", "bucket"), log("Failed", "bucket")), (key.clone(), key));
        assert_eq!((log("InProgress", "bucket"), log("TimedOut", "bucket"), log("Success", "")), (None, None, None));
    }

    #[test]
    fn a_code_is_told_of_a_script_that_has_ended_and_of_no_other() {
        let code = |spelled: &str, code: i32| {
            let plugin = CommandPlugin::builder().response_code(code).output("line").build();
            let invocation = CommandInvocation::builder().command_id("c").status(CommandInvocationStatus::from(spelled));
            of_invocation(&invocation.command_plugins(plugin).build()).unwrap().exit_code
        };
        assert_eq!(code("Success", 0), Some(0));
        assert_eq!(code("Failed", 100), Some(100));
        assert_eq!(code("InProgress", -1), None);
        assert_eq!(code("TimedOut", 137), None);
    }
}
