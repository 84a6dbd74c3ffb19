//! Users on hosts: the list that hosts get, the runs that bring them in step after a change, and hosts that are behind [SSH-3..10].

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::commands::{End, FAILURES_BEFORE_PAGE, SYNC_USERS, may_have_users, retry_after};
use strata_domain::decision::{Severity, Verdict};
use strata_domain::model::{Instance, UserProfile};
use strata_domain::pages::PageKind;
use strata_domain::permissions::Permission;
use strata_domain::users::{HostUser, list_of, on_hosts};
use strata_domain::{CommandId, InstanceId, StackId};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, HandlerError, Item, Key, Store, StoreError, Told, keys};

use super::CommandRunner;
use super::queue::StackRun;
use crate::reconciler::round::committed;
use crate::reconciler::telling::{Head, Teller, Words};
use crate::reconciler::write::{close_incident, open_incident};
use crate::records::{Command, Stored, command_changes, service_error_changes};

/// A command's parameters hold so much of a list, encoded; SSM takes a little more for all of them.
const MAX_LIST: usize = 60_000;
/// New commands in one commit.
const PER_COMMIT: usize = 25;
/// What Setup says in its last line when it could not bring its host's users in step.
const NOT_IN_STEP: &str = "; users: not in step";

/// A stack's users as its hosts are told of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsersList {
    /// Base64 of the list.
    text: String,
    /// Milliseconds of the moment before it was read: of two lists a host keeps to the newer.
    revision: i64,
}

impl UsersList {
    /// Reads who has SSH access to a stack now.
    ///
    /// # Errors
    /// [`StoreError`]: nothing is known; a host must not be told of fewer users than there are.
    pub(crate) async fn read(store: &dyn Store, stack: &StackId, now: Timestamp) -> Result<Self, StoreError> {
        let users = host_users(store, stack).await?;
        Ok(Self { text: BASE64_STANDARD.encode(list_of(&users)), revision: now.as_millisecond() })
    }

    /// Whether a command can carry it.
    pub(crate) fn fits(&self) -> bool {
        self.text.len() <= MAX_LIST
    }

    /// The documents' parameters. A list that no command can carry is not sent: users stay as they are.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        if !self.fits() {
            return Vec::new();
        }
        vec![("users".to_owned(), self.text.clone()), ("users_revision".to_owned(), self.revision.to_string())]
    }
}

/// Who has SSH access to a stack now.
///
/// # Errors
/// [`StoreError`]: nothing is known.
pub(super) async fn host_users(store: &dyn Store, stack: &StackId) -> Result<Vec<HostUser>, StoreError> {
    let mut users = Vec::new();
    for item in store.list(&Listing::of(keys::stack_pk(stack), keys::PERMISSION)).await? {
        let permission: Permission = item.decode()?;
        if !permission.allow_ssh {
            continue;
        }
        let Some(item) = store.get(&keys::user(&permission.iam_user_arn)).await? else { continue };
        users.extend(on_hosts(&item.decode::<UserProfile>()?, &permission));
    }
    Ok(users)
}

/// A host whose users are not in step, at `keys::users_behind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Behind {
    /// Its stack.
    pub(super) stack_id: StackId,
    /// Failed runs in a row.
    pub(super) failures: u32,
    /// When the next run is made.
    pub(super) next_at: Timestamp,
}

fn incident_of(stack: &StackId, instance: &InstanceId) -> Key {
    keys::incident(stack, &format!("users-{instance}"))
}

fn delete(item: Item) -> Change {
    Change::Delete { expect: item.unchanged(), key: item.key }
}

impl CommandRunner {
    /// Makes a run on every host of the stacks whose users are due [SSH-9], and a Configure event with it.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer; the entry stays until its runs are made.
    pub async fn sync_users(&self) -> Result<(), HandlerError> {
        let store = &*self.ports.store;
        for due in store.list(&Listing::of(keys::USERS_DUE_PK, "")).await? {
            let stacks = match due.key.sk.as_str() {
                "*" => store.list(&Listing::of(keys::STACKS_PK, "")).await?.into_iter().map(|s| s.key.sk.into()).collect(),
                one => vec![StackId::from(one)],
            };
            for stack in &stacks {
                self.sync_users_of(stack).await?;
                let key = keys::configure_due(stack);
                let expect = store.get(&key).await?.map_or(Expect::Absent, |item| item.unchanged());
                let configure = Change::put(key, &keys::ConfigureDue { at: self.ports.clock.now() }, expect);
                // Whoever was quicker has made it due as well.
                committed(store.commit(vec![configure]).await)?;
            }
            committed(store.commit(vec![delete(due)]).await)?;
        }
        Ok(())
    }

    async fn sync_users_of(&self, stack: &StackId) -> Result<(), HandlerError> {
        let now = self.ports.clock.now();
        let mut commands = Vec::new();
        for item in self.ports.store.list(&Listing::of(keys::stack_pk(stack), keys::INSTANCE)).await? {
            let instance: Instance = item.decode()?;
            if instance.ec2_instance_id.is_some() && may_have_users(instance.status) {
                commands.push(Command::of_service(CommandId::new(self.ports.ids.uuid()), &instance, SYNC_USERS, now));
            }
        }
        self.make(commands).await
    }

    /// Writes new commands.
    pub(super) async fn make(&self, commands: Vec<Command>) -> Result<(), HandlerError> {
        for portion in commands.chunks(PER_COMMIT) {
            self.ports.store.commit(portion.iter().flat_map(command_changes).collect()).await?;
        }
        Ok(())
    }

    /// Tries again on hosts that are behind, once their time has come. One that has gone down catches up in its next Setup [SSH-10].
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer.
    pub async fn retry_users(&self) -> Result<(), HandlerError> {
        let (store, now) = (&*self.ports.store, self.ports.clock.now());
        for item in store.list(&Listing::of(keys::USERS_BEHIND_PK, "")).await? {
            let instance = InstanceId::new(item.key.sk.clone());
            let behind: Stored<Behind> = Stored::of(item)?;
            let stack = behind.record.stack_id.clone();
            let record: Option<Instance> =
                store.get(&keys::instance(&stack, &instance)).await?.map(|item| item.decode()).transpose()?;
            let changes = match record.filter(|record| may_have_users(record.status)) {
                Some(_) if now < behind.record.next_at => continue,
                Some(record) => {
                    let command = Command::of_service(CommandId::new(self.ports.ids.uuid()), &record, SYNC_USERS, now);
                    // The run's own end says when the next one is.
                    let next_at = now.checked_add(command.limit().saturating_mul(3)).unwrap_or(Timestamp::MAX);
                    let next = Behind { next_at, ..behind.record.clone() };
                    command_changes(&command).into_iter().chain([behind.put(&next)]).collect()
                }
                None => {
                    let mut told = Told::default();
                    let mut changes = vec![behind.delete()];
                    let what = "the host has gone down; its next Setup brings its users in step";
                    close_incident(store, &incident_of(&stack, &instance), now, what, &mut told, &mut changes).await?;
                    changes.extend(told.changes());
                    changes
                }
            };
            committed(store.commit(changes).await)?;
        }
        Ok(())
    }
}

impl StackRun<'_> {
    /// What the end of a run means for its host's users: in step again, or behind, and told after some failures. For the commit that ends
    /// the command.
    pub(super) async fn users_changes(
        &self,
        done: &Command,
        end: End,
        instance: Option<&Stored<Instance>>,
    ) -> Result<(Vec<Change>, Told), StoreError> {
        let Some(instance) = instance else { return Ok(Default::default()) };
        let line = done.last_line.as_deref().unwrap_or_default();
        let is_up = may_have_users(instance.record.status);
        let in_step = match (done.command_type.as_str(), end) {
            (SYNC_USERS, End::Successful) => true,
            // Skipped although it is up: SSM could not reach it.
            (SYNC_USERS, End::Failed | End::Expired | End::Skipped) if is_up => false,
            ("setup", End::Successful) => !line.contains(NOT_IN_STEP),
            _ => return Ok(Default::default()),
        };
        let (store, now) = (&*self.ports.store, self.ports.clock.now());
        let item = store.get(&keys::users_behind(&instance.record.id)).await?;
        let behind: Option<Stored<Behind>> = item.map(Stored::of).transpose()?;
        let (mut changes, mut told) = (Vec::new(), Told::default());
        if in_step {
            let Some(behind) = behind else { return Ok((changes, told)) };
            changes.push(behind.delete());
            let incident = incident_of(&instance.record.stack_id, &instance.record.id);
            let what = format!("the users of {} are in step", instance.record.hostname);
            close_incident(store, &incident, now, &what, &mut told, &mut changes).await?;
            return Ok((changes, told));
        }
        let failures = behind.as_ref().map_or(0, |b| b.record.failures).saturating_add(1);
        let next_at = now.checked_add(retry_after(failures)).unwrap_or(Timestamp::MAX);
        let next = Behind { stack_id: instance.record.stack_id.clone(), failures, next_at };
        let expect = behind.as_ref().map_or(Expect::Absent, Stored::unchanged);
        changes.push(Change::put(keys::users_behind(&instance.record.id), &next, expect));
        if failures == FAILURES_BEFORE_PAGE {
            self.tell_behind(instance, line, &mut told, &mut changes).await?;
        }
        Ok((changes, told))
    }

    /// A service error, a decision and a page [SVE-2].
    async fn tell_behind(
        &self,
        instance: &Stored<Instance>,
        line: &str,
        told: &mut Told,
        changes: &mut Vec<Change>,
    ) -> Result<(), StoreError> {
        let now = self.ports.clock.now();
        let teller = Teller { ids: &*self.ports.ids, now, trigger: "end of a command" };
        let mut record = instance.record.clone();
        let host = record.hostname.clone();
        let why = match line {
            "" => "the command did not come to its end".to_owned(),
            line => format!("the command said: {line}"),
        };
        let message = format!("The users of {host} could not be brought in step with their permissions: {why}.");
        let (error, alert) = teller.service_error(&mut record, "InstanceSetup", &message);
        changes.extend(service_error_changes(&error));
        changes.push(instance.put(&record));
        told.events.push(alert);
        let words = Words {
            verdict: Verdict::Act,
            saw: format!("{FAILURES_BEFORE_PAGE} runs in a row have failed to bring the users of {host} in step"),
            did: "try again, at most an hour apart".to_owned(),
            why,
        };
        let decision = teller.decision(&self.view, &record, self.view.host_path(&record), words);
        let head = Head {
            severity: Severity::Warning,
            kind: PageKind::UsersOutOfStep,
            what: format!("the users of {host} are not in step with their permissions"),
        };
        let page = teller.page(&self.view, &record, format!("users/{}/{}", record.id, error.id), &decision, head);
        told.decisions.push(decision);
        open_incident(&*self.ports.store, incident_of(&record.stack_id, &record.id), page, now, told, changes).await
    }
}
