//! SSM: commands, agents, parameters.

use jiff::Timestamp;
use serde_json::{Value, json};
use strata_domain::{Ec2InstanceId, SsmCommandId};
use strata_ports::{Clock, CommandKind, CommandRequest, CommandResult, CommandStatus, Commands};

use super::{Failure, Served, optional, seconds, text, texts, unknown};

/// A command as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    id: SsmCommandId,
    document: String,
    comment: String,
    host: Ec2InstanceId,
    at: Timestamp,
}

/// A parameter of type String.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    value: String,
    version: u64,
}

pub(super) async fn answer(served: &Served, operation: &str, p: &Value) -> Result<Value, Failure> {
    match operation {
        "SendCommand" => send(served, p).await,
        "ListCommands" => {
            let shown = chosen(served, p).await?;
            Ok(json!({ "Commands": shown.iter().map(|(sent, result)| command(sent, result)).collect::<Vec<_>>() }))
        }
        "ListCommandInvocations" => {
            let shown = chosen(served, p).await?;
            let shown: Vec<Value> = shown.iter().map(|(sent, result)| invocation(sent, result)).collect();
            Ok(json!({ "CommandInvocations": shown }))
        }
        "DescribeInstanceInformation" => agents(served, p).await,
        "GetParameter" => {
            let name = text(p, "Name")?;
            let found = served.remembered().parameters.get(name).map(|parameter| shown(name, parameter));
            let found = found.ok_or_else(|| Failure::new("ParameterNotFound", format!("{name} was not found")))?;
            Ok(json!({ "Parameter": found }))
        }
        "GetParameters" => Ok(parameters(served, p)),
        "PutParameter" => put_parameter(served, p),
        "DeleteParameter" => {
            let name = text(p, "Name")?;
            let gone = served.remembered().parameters.remove(name);
            gone.map(|_| json!({})).ok_or_else(|| Failure::new("ParameterNotFound", format!("{name} was not found")))
        }
        other => Err(unknown(other)),
    }
}

/// An installation's document is named `<installation>-<Kind>`.
fn kind(document: &str) -> Result<CommandKind, Failure> {
    let name = document.rsplit('-').next().unwrap_or_default();
    CommandKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| Failure::new("InvalidDocument", format!("there is no document {document}")))
}

/// `ClearAgentState` is `clear_agent_state` here.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

async fn send(served: &Served, p: &Value) -> Result<Value, Failure> {
    let (document, comment) = (text(p, "DocumentName")?, optional(p, "Comment").unwrap_or_default());
    let kind = kind(document)?;
    let given = p["Parameters"].as_object().into_iter().flatten();
    let given = given.map(|(name, values)| (snake(name), values[0].as_str().unwrap_or_default().to_owned()));
    let mut parameters: Vec<(String, String)> = given.collect();
    let nonce = parameters.iter().position(|(name, _)| name == "nonce").map(|at| parameters.swap_remove(at).1);
    let nonce = nonce.ok_or_else(|| Failure::new("InvalidParameters", "the document needs a Nonce"))?;
    let [host] = texts(p, "InstanceIds")[..] else {
        return Err(Failure::new("InvalidInstanceId", "one instance is sent to at a time here"));
    };
    let timeout_seconds = p["TimeoutSeconds"].as_u64().and_then(|s| u32::try_from(s).ok()).unwrap_or(3_600);
    let host = Ec2InstanceId::from(host);
    let request = CommandRequest { nonce, kind, host: host.clone(), parameters, timeout_seconds };
    let id = served.cloud.send(&served.scope, &request).await?;
    let (document, comment) = (document.to_owned(), comment.to_owned());
    let sent = Sent { id: id.clone(), document, comment, host, at: served.clock.now() };
    let mut remembered = served.remembered();
    // A repeat of the nonce is the same command.
    if !remembered.commands.iter().any(|known| known.id == id) {
        remembered.commands.push(sent.clone());
    }
    let result = CommandResult { id, status: CommandStatus::Pending, exit_code: None, last_line: String::new(), log: None };
    Ok(json!({ "Command": command(&sent, &result) }))
}

/// The commands that a list asks for, the newest first.
async fn chosen(served: &Served, p: &Value) -> Result<Vec<(Sent, CommandResult)>, Failure> {
    let document = p["Filters"].as_array().into_iter().flatten().find(|filter| filter["key"] == "DocumentName");
    let document = document.and_then(|filter| filter["value"].as_str());
    let (id, host) = (optional(p, "CommandId"), optional(p, "InstanceId"));
    let is_meant = |sent: &&Sent| {
        id.is_none_or(|id| id == sent.id.as_str())
            && host.is_none_or(|host| host == sent.host.as_str())
            && document.is_none_or(|document| document == sent.document)
    };
    let sent: Vec<Sent> = served.remembered().commands.iter().rev().filter(is_meant).cloned().collect();
    if let (Some(id), true) = (id, sent.is_empty()) {
        return Err(Failure::new("InvalidCommandId", format!("there is no command {id}")));
    }
    let ids: Vec<SsmCommandId> = sent.iter().map(|sent| sent.id.clone()).collect();
    let results = served.cloud.results(&served.scope, &ids).await?;
    let result = |sent: &Sent| results.iter().find(|result| result.id == sent.id).cloned();
    Ok(sent.into_iter().filter_map(|sent| Some((sent.clone(), result(&sent)?))).collect())
}

fn spelled(status: CommandStatus) -> &'static str {
    match status {
        CommandStatus::Pending => "Pending",
        CommandStatus::InProgress => "InProgress",
        CommandStatus::Success => "Success",
        CommandStatus::Failed => "Failed",
        CommandStatus::TimedOut => "TimedOut",
    }
}

fn command(sent: &Sent, result: &CommandResult) -> Value {
    json!({
        "CommandId": sent.id,
        "DocumentName": sent.document,
        "Comment": sent.comment,
        "InstanceIds": [sent.host],
        "RequestedDateTime": seconds(sent.at),
        "Status": spelled(result.status),
        "StatusDetails": spelled(result.status),
    })
}

fn invocation(sent: &Sent, result: &CommandResult) -> Value {
    let plugin = json!({
        "Name": "aws:runShellScript",
        "Status": spelled(result.status),
        "ResponseCode": result.exit_code.unwrap_or(-1),
        "Output": result.last_line,
    });
    json!({
        "CommandId": sent.id,
        "DocumentName": sent.document,
        "Comment": sent.comment,
        "InstanceId": sent.host,
        "RequestedDateTime": seconds(sent.at),
        "Status": spelled(result.status),
        "StatusDetails": spelled(result.status),
        "CommandPlugins": [plugin],
    })
}

async fn agents(served: &Served, p: &Value) -> Result<Value, Failure> {
    let filter = p["Filters"].as_array().into_iter().flatten().find(|filter| filter["Key"] == "InstanceIds");
    let ids = filter.map(|filter| texts(filter, "Values")).unwrap_or_default();
    let ids: Vec<Ec2InstanceId> = ids.into_iter().map(Ec2InstanceId::from).collect();
    let pings = served.cloud.pings(&served.scope, &ids).await?;
    let agent = |host: &Ec2InstanceId, at: Timestamp| {
        json!({
            "InstanceId": host, "PingStatus": "Online", "LastPingDateTime": seconds(at), "PlatformType": "Linux",
            "PlatformName": "Amazon Linux", "PlatformVersion": "2023", "ResourceType": "EC2Instance",
        })
    };
    let found: Vec<Value> = pings.iter().map(|ping| agent(&ping.host, ping.last_ping)).collect();
    Ok(json!({ "InstanceInformationList": found }))
}

fn shown(name: &str, parameter: &Parameter) -> Value {
    json!({ "Name": name, "Type": "String", "Value": parameter.value, "Version": parameter.version })
}

fn parameters(served: &Served, p: &Value) -> Value {
    let remembered = served.remembered();
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        texts(p, "Names").into_iter().partition(|name| remembered.parameters.contains_key(*name));
    let found: Vec<Value> = known.into_iter().filter_map(|name| Some(shown(name, remembered.parameters.get(name)?))).collect();
    json!({ "Parameters": found, "InvalidParameters": unknown })
}

fn put_parameter(served: &Served, p: &Value) -> Result<Value, Failure> {
    let (name, value) = (text(p, "Name")?, text(p, "Value")?);
    let mut remembered = served.remembered();
    let before = remembered.parameters.get(name).map(|parameter| parameter.version);
    if before.is_some() && p["Overwrite"] != true {
        return Err(Failure::new("ParameterAlreadyExists", format!("{name} is there already; overwrite it")));
    }
    let version = before.unwrap_or(0) + 1;
    remembered.parameters.insert(name.to_owned(), Parameter { value: value.to_owned(), version });
    Ok(json!({ "Version": version }))
}
