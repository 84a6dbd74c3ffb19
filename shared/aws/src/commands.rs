//! Commands on hosts, by SSM's Run Command and our own documents (`shared/aws/documents`).
//!
//! SendCommand takes no client token. The nonce goes along twice: as the command's comment, by which a repeat finds the command that was
//! sent before, and as a parameter, by which the document runs once on its host even if a command was sent twice.

mod result;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_sdk_ssm::types::{Command, CommandFilter, CommandFilterKey, CommandInvocation, InstanceInformationStringFilter};
use jiff::Timestamp;
use strata_domain::{Ec2InstanceId, SsmCommandId};
use strata_ports::commands::log_folder;
use strata_ports::{CloudError, CommandKind, CommandRequest, CommandResult, Commands, Ping, StackScope};

use crate::error::{Effect, sort};
use crate::{Base, Role, Uses};

/// Characters of a comment, and so of a nonce.
const COMMENT_LENGTH: usize = 100;
/// Results of one page, hosts in one filter of DescribeInstanceInformation.
const PER_PAGE: i32 = 50;
/// Our choice: pages of a host's commands with one document that are looked through for a nonce. A repeat comes within minutes.
const PAGES_BEFORE_SEND: usize = 4;
/// Our choice: from so many commands on, pages of the newest are read first, 50 to a call, and only what was not among them by itself.
const PAGES_FROM: usize = 10;

/// What the methods need.
pub const USES: &[Uses] = &[
    Uses { method: "send", role: Role::Function, actions: &["ssm:ListCommands", "ssm:SendCommand"] },
    Uses { method: "results", role: Role::Function, actions: &["ssm:ListCommandInvocations", "ssm:ListCommands"] },
    Uses { method: "pings", role: Role::Function, actions: &["ssm:DescribeInstanceInformation"] },
];

/// SSM in the stack's region, under the function's own role.
pub struct SsmCommands {
    base: Base,
    clients: Arc<Mutex<BTreeMap<String, Client>>>,
}

impl SsmCommands {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        Self { base: base.clone(), clients: Arc::default() }
    }

    fn client(&self, scope: &StackScope) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let config = self.base.own_in("SSM", &scope.region);
            Client::from_conf(Builder::from(&config).interceptor(self.base.log().clone()).build())
        };
        clients.entry(scope.region.clone()).or_insert_with(fresh).clone()
    }

    fn document(&self, kind: CommandKind) -> String {
        document(&self.base.settings().installation, kind)
    }
}

/// The name of an installation's document.
pub fn document(installation: &str, kind: CommandKind) -> String {
    format!("{installation}-{}", kind.name())
}

/// A parameter as the documents name it: `clear_agent_state` is `ClearAgentState`.
pub fn parameter_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('_').map(capital).collect()
}

#[async_trait]
impl Commands for SsmCommands {
    async fn send(&self, scope: &StackScope, request: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        const ACTION: &str = "ssm:SendCommand";
        if request.nonce.chars().count() > COMMENT_LENGTH {
            let why = format!("the nonce {:?} is longer than {COMMENT_LENGTH} characters", request.nonce);
            return Err(CloudError::Wrong { action: ACTION, code: "InvalidParameters".to_owned(), why });
        }
        let client = self.client(scope);
        let document = self.document(request.kind);
        if let Some(known) = sent_before(&client, &document, request).await? {
            return Ok(known);
        }
        let sending = client
            .send_command()
            .document_name(document)
            .instance_ids(request.host.as_str())
            .comment(&request.nonce)
            .timeout_seconds(clamped(request.timeout_seconds, 30, 2_592_000))
            .set_output_s3_bucket_name(self.base.settings().bucket.clone())
            .set_output_s3_key_prefix(self.base.settings().bucket.as_ref().map(|_| log_folder(&request.nonce)))
            .set_parameters(Some(parameters(request)));
        let answer = sending.send().await.map_err(|error| sort(ACTION, Effect::Write, error))?;
        let id = answer.command.and_then(|command| command.command_id);
        id.map(SsmCommandId::new)
            .ok_or_else(|| CloudError::OutcomeUnknown { action: ACTION, why: "the answer names no command".to_owned() })
    }

    async fn results(&self, scope: &StackScope, ids: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError> {
        let client = self.client(scope);
        let mut wanted: BTreeSet<&str> = ids.iter().map(SsmCommandId::as_str).collect();
        let mut found = Vec::with_capacity(wanted.len());
        if wanted.len() >= PAGES_FROM {
            for kind in CommandKind::ALL {
                newest(&client, self.document(kind), &mut wanted, &mut found).await?;
            }
        }
        for id in wanted {
            found.extend(one(&client, id).await?);
        }
        Ok(found)
    }

    async fn pings(&self, scope: &StackScope, hosts: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError> {
        let client = self.client(scope);
        let mut found = Vec::new();
        for chunk in hosts.chunks(PER_PAGE as usize) {
            let ids = chunk.iter().map(|host| host.as_str().to_owned()).collect();
            let filter = InstanceInformationStringFilter::builder().key("InstanceIds").set_values(Some(ids)).build();
            let filter = filter.map_err(|error| malformed("ssm:DescribeInstanceInformation", &error))?;
            let pages =
                client.describe_instance_information().filters(filter).into_paginator().page_size(PER_PAGE).items().send();
            let nodes: Vec<_> =
                pages.try_collect().await.map_err(|error| sort("ssm:DescribeInstanceInformation", Effect::Read, error))?;
            found.extend(nodes.iter().filter_map(|node| {
                let last = node.last_ping_date_time()?;
                let last_ping = Timestamp::new(last.secs(), i32::try_from(last.subsec_nanos()).ok()?).ok()?;
                Some(Ping { host: Ec2InstanceId::from(node.instance_id()?), last_ping })
            }));
        }
        Ok(found)
    }
}

fn clamped(seconds: u32, least: i32, most: i32) -> i32 {
    i32::try_from(seconds).unwrap_or(most).clamp(least, most)
}

fn malformed(action: &'static str, error: &dyn std::error::Error) -> CloudError {
    CloudError::Wrong { action, code: "ValidationError".to_owned(), why: error.to_string() }
}

/// The documents' parameters. An empty value is the document's default. A command that was not begun in its time is not delivered, and
/// one that was begun may take that time again: the caller has deadlines of its own.
fn parameters(request: &CommandRequest) -> HashMap<String, Vec<String>> {
    let own = [
        ("Nonce".to_owned(), request.nonce.clone()),
        ("ExecutionTimeout".to_owned(), clamped(request.timeout_seconds, 1, 172_800).to_string()),
    ];
    let given = request.parameters.iter().map(|(name, value)| (parameter_name(name), value.clone()));
    given.filter(|(_, value)| !value.is_empty()).chain(own).map(|(name, value)| (name, vec![value])).collect()
}

fn filter(action: &'static str, key: CommandFilterKey, value: &str) -> Result<CommandFilter, CloudError> {
    CommandFilter::builder().key(key).value(value).build().map_err(|error| malformed(action, &error))
}

/// The command with this nonce, if it was sent before.
async fn sent_before(client: &Client, document: &str, request: &CommandRequest) -> Result<Option<SsmCommandId>, CloudError> {
    const ACTION: &str = "ssm:ListCommands";
    let pages = client.list_commands().instance_id(request.host.as_str());
    let pages = pages.filters(filter(ACTION, CommandFilterKey::DocumentName, document)?);
    let mut pages = pages.into_paginator().page_size(PER_PAGE).send();
    for _ in 0..PAGES_BEFORE_SEND {
        let Some(page) = pages.next().await else { break };
        let page = page.map_err(|error| sort(ACTION, Effect::Read, error))?;
        let is_it = |command: &&Command| command.comment() == Some(&request.nonce) && command.document_name() == Some(document);
        if let Some(id) = page.commands().iter().find(is_it).and_then(Command::command_id) {
            return Ok(Some(SsmCommandId::from(id)));
        }
    }
    Ok(None)
}

/// Takes results out of `wanted` as long as each page of the document's commands has some of them.
async fn newest(
    client: &Client,
    document: String,
    wanted: &mut BTreeSet<&str>,
    found: &mut Vec<CommandResult>,
) -> Result<(), CloudError> {
    const ACTION: &str = "ssm:ListCommandInvocations";
    let request = client.list_command_invocations().details(true);
    let request = request.filters(filter(ACTION, CommandFilterKey::DocumentName, &document)?);
    let mut pages = request.into_paginator().page_size(PER_PAGE).send();
    while !wanted.is_empty() {
        let Some(page) = pages.next().await else { break };
        let page = page.map_err(|error| sort(ACTION, Effect::Read, error))?;
        let before = found.len();
        for invocation in page.command_invocations() {
            if invocation.command_id().is_some_and(|id| wanted.remove(id)) {
                found.extend(result::of_invocation(invocation));
            }
        }
        if found.len() == before {
            break;
        }
    }
    Ok(())
}

/// One command's result. A command whose invocation is not listed yet is told from one that nobody knows by the list of commands.
async fn one(client: &Client, id: &str) -> Result<Option<CommandResult>, CloudError> {
    let request = client.list_command_invocations().command_id(id).details(true);
    let listed = request.send().await.map_err(|error| sort("ssm:ListCommandInvocations", Effect::Read, error));
    let listed = known(listed)?.and_then(|answer| answer.command_invocations);
    if let Some(invocation) = listed.as_ref().and_then(|all: &Vec<CommandInvocation>| all.first()) {
        return Ok(result::of_invocation(invocation));
    }
    let listed = client.list_commands().command_id(id).send().await;
    let listed = known(listed.map_err(|error| sort("ssm:ListCommands", Effect::Read, error)))?;
    Ok(listed.and_then(|answer| answer.commands().first().and_then(result::of_command)))
}

/// An id that SSM does not know, or that cannot be one, is no error.
fn known<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if matches!(error.code(), Some("InvalidCommandId" | "InvocationDoesNotExist")) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_data_named_as_the_documents_name_them() {
        let request = CommandRequest {
            nonce: "setup-1".to_owned(),
            kind: CommandKind::Setup,
            host: "i-1".into(),
            parameters: vec![
                ("clear_agent_state".to_owned(), "true".to_owned()),
                ("hostname".to_owned(), "web1; rm -rf /".to_owned()),
                ("cluster".to_owned(), String::new()),
            ],
            timeout_seconds: 0,
        };
        let found: BTreeMap<_, _> = parameters(&request).into_iter().collect();
        let pairs: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value[0].as_str())).collect();
        assert_eq!(
            pairs,
            [("ClearAgentState", "true"), ("ExecutionTimeout", "1"), ("Hostname", "web1; rm -rf /"), ("Nonce", "setup-1")]
        );
    }

    #[test]
    fn timeouts_stay_within_what_ssm_takes() {
        assert_eq!([0, 29, 30, 31].map(|s| clamped(s, 30, 100)), [30, 30, 30, 31]);
        assert_eq!([100, 101, u32::MAX].map(|s| clamped(s, 30, 100)), [100, 100, 100]);
    }

    #[test]
    fn an_installation_has_its_own_documents() {
        assert_eq!(document("shop", CommandKind::Setup), "shop-Setup");
        assert_eq!(document("shop", CommandKind::Update), "shop-Update");
    }
}
