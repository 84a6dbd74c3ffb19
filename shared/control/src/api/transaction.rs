//! From what an action answers to what is committed: one transaction, retried as a whole when somebody else was quicker.

use bytes::Bytes;
use serde::Serialize;
use strata_domain::StackId;
use strata_domain::model::Stack;
use strata_domain::permissions::Permission;
use strata_ports::store::{Listing, MAX_CHANGES, MAX_COMMIT_BYTES, first_portion};
use strata_ports::{AlarmSpec, Change, CommitError, EventOut, Expect, Key, Ports, StackScope, StoreError, Told, keys};

use super::actions;
use super::call::Call;
use super::error::ApiError;
use super::extension::Extension;
use super::input::Input;
use super::repeat::RequestKey;
use super::wire;
use crate::records::{Deployment, expand_deployment, release_stack};

/// So often a transaction is tried again after a conflict. A lost race means that somebody else's commit went through, so this
/// bounds how many others may be quicker in a row: a hundred clients at once on one layer are all served.
const TRIES: usize = 100;

/// So many bytes one record may have; DynamoDB stores 400 KB with its key.
const MAX_RECORD: usize = 350_000;

/// What an action comes to: the answer's body, and for a writing action the changes that make it true.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) changes: Vec<Change>,
    pub(crate) events: Vec<EventOut>,
    pub(crate) after: Vec<After>,
}

/// What follows a commit. It may fail or never happen, because whoever comes next makes up for it.
#[derive(Debug)]
pub(crate) enum After {
    /// Bring CloudWatch in step; load-scaling's tick repairs what is missed.
    Alarms { scope: StackScope, put: Vec<AlarmSpec>, delete: Vec<String> },
    /// Write a deployment's commands; the reconciler expands what is missed.
    Expand(Box<Stack>, Box<Deployment>),
    /// Release what is registered with a deleted stack, and remove what else stands in its partition. What is missed is never read
    /// again, and does not keep a volume or address from being registered.
    Sweep(StackId),
    /// Remove these records, if they are still there.
    Remove(Vec<Key>),
    /// Put a word on the bus that only wakes a function sooner; its tick makes up for one that is lost.
    Word(EventOut),
    /// Remove what a deleted profile was permitted on all stacks [USR-4]. What is missed never counts again, since it names the profile.
    Permissions { iam_user_arn: String, profile_id: String },
}

impl Answer {
    /// An answer with a body and no changes.
    pub(crate) fn of<T: Serialize>(body: &T) -> Self {
        Self { body: wire::body(body), ..Self::default() }
    }

    /// An answer whose body is there already.
    pub(crate) fn again(body: Bytes) -> Self {
        Self { body, ..Self::default() }
    }

    /// An empty body [WIRE-5] and these changes.
    pub(crate) fn done(changes: Vec<Change>) -> Self {
        Self { changes, ..Self::default() }
    }

    /// With these changes.
    pub(crate) fn with(mut self, changes: Vec<Change>) -> Self {
        self.changes = changes;
        self
    }

    /// And then this.
    pub(crate) fn then(mut self, after: After) -> Self {
        self.after.push(after);
        self
    }

    /// And this event told.
    pub(crate) fn telling(mut self, event: Option<EventOut>) -> Self {
        self.events.extend(event);
        self
    }
}

/// Runs a writing action in one transaction, or answers a repeat with the first result [WIRE-15].
///
/// The kept result is also the receipt: after a commit whose answer was lost, it tells whether the commit happened.
pub(crate) async fn write(
    mut call: Call<'_>,
    extension: Option<Extension>,
    input: &Input,
    repeat: &RequestKey,
) -> Result<Bytes, ApiError> {
    let mut unsure: Option<Answer> = None;
    for _ in 0..TRIES {
        call.now = call.ports.clock.now();
        if let Some(first) = repeat.find(call.store(), call.now).await? {
            if let Some(answer) = unsure {
                follow_up(call.ports, &answer).await;
            }
            return Ok(first);
        }
        let answer = match extension {
            Some(extension) => extension.run(&call, input).await?,
            None => actions::run(&call, input).await?,
        };
        let receipt = repeat.keep(&answer.body, call.now);
        match commit(call.ports, &answer, Some(receipt)).await? {
            Committed::Yes => {
                follow_up(call.ports, &answer).await;
                return Ok(answer.body);
            }
            Committed::Unknown => unsure = Some(answer),
            Committed::Conflict => {}
        }
    }
    Err(ApiError::Unavailable("Too many others are changing this; try again".to_owned()))
}

/// Commits one instance's piece of a stack-wide action, and follows it up. `false` if somebody else was quicker, or the answer was lost:
/// then the caller reads the instance again, and what has happened has no effect a second time.
pub(crate) async fn commit_piece(call: &Call<'_>, piece: &Answer) -> Result<bool, ApiError> {
    match commit(call.ports, piece, None).await? {
        Committed::Yes => {
            // Its event is left in the outbox: instance-lifecycle, which the change wakes, sends many in one call. A call for each of a thousand
            // instances would outlast the request.
            afterwards(call.ports, piece).await;
            Ok(true)
        }
        Committed::Unknown | Committed::Conflict => Ok(false),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Committed {
    Yes,
    Unknown,
    Conflict,
}

async fn commit(ports: &Ports, answer: &Answer, receipt: Option<Change>) -> Result<Committed, ApiError> {
    let mut changes = answer.changes.clone();
    changes.extend(told(&answer.events).changes());
    changes.extend(receipt);
    if changes.is_empty() {
        return Ok(Committed::Yes);
    }
    check_sizes(&changes)?;
    match ports.store.commit(changes).await {
        Ok(()) => Ok(Committed::Yes),
        Err(CommitError::Conflict { .. }) => Ok(Committed::Conflict),
        Err(CommitError::OutcomeUnknown { .. }) => Ok(Committed::Unknown),
        Err(CommitError::Unavailable { why }) => Err(StoreError::Unavailable { why }.into()),
        Err(CommitError::Impossible { why }) => Err(ApiError::Internal(why)),
    }
}

/// What no rule of its own bounds, a long list for example, is bounded by what a record and a commit can hold.
fn check_sizes(changes: &[Change]) -> Result<(), ApiError> {
    let too_large = |what: &str, bytes: usize, most: usize| {
        Err(ApiError::Validation(format!(
            "The request is too large: {what} would have {bytes} bytes, and at most {most} can be stored"
        )))
    };
    for change in changes {
        if let Change::Put { value, .. } = change
            && value.len() > MAX_RECORD
        {
            return too_large("what it describes", value.len(), MAX_RECORD);
        }
    }
    match changes.iter().map(Change::bytes).sum() {
        bytes if bytes > MAX_COMMIT_BYTES => too_large("all that it changes", bytes, MAX_COMMIT_BYTES),
        _ => Ok(()),
    }
}

fn told(events: &[EventOut]) -> Told {
    Told { events: events.to_vec(), ..Told::default() }
}

async fn follow_up(ports: &Ports, answer: &Answer) {
    send(ports, &answer.events).await;
    afterwards(ports, answer).await;
}

async fn afterwards(ports: &Ports, answer: &Answer) {
    for after in &answer.after {
        let missed = match after {
            After::Alarms { scope, put, delete } => bring_alarms_in_step(ports, scope, put, delete).await,
            After::Expand(stack, deployment) => expand(ports, stack, deployment).await,
            After::Sweep(stack) => sweep(ports, stack).await,
            After::Remove(keys) => remove(ports, keys).await,
            After::Word(event) => ports.events.put(std::slice::from_ref(event)).await.map_err(|e| e.to_string()),
            After::Permissions { iam_user_arn, profile_id } => remove_permissions(ports, iam_user_arn, profile_id).await,
        };
        if let Err(why) = missed {
            tracing::warn!(error.message = %why, "left for the next tick");
        }
    }
}

/// Sends this call's own events and takes them out of the outbox. Only these: a backlog is the tick's to work off, so a call never
/// waits for others' messages.
async fn send(ports: &Ports, events: &[EventOut]) {
    if events.is_empty() || ports.events.put(events).await.is_err() {
        return;
    }
    let outbox =
        told(events).changes().into_iter().map(|change| Change::Delete { key: change.key().clone(), expect: Expect::Version(1) });
    // If the tick was quicker they are gone already; if this is lost they are sent once more with the same ids.
    let _ = ports.store.commit(outbox.collect()).await;
}

/// Writes a deployment's commands and tells of those that are final already.
async fn expand(ports: &Ports, stack: &Stack, deployment: &Deployment) -> Result<(), String> {
    let events = expand_deployment(ports.store.as_ref(), stack, deployment).await.map_err(|e| e.to_string())?;
    send(ports, &events).await;
    Ok(())
}

async fn bring_alarms_in_step(ports: &Ports, scope: &StackScope, put: &[AlarmSpec], delete: &[String]) -> Result<(), String> {
    if !put.is_empty() {
        ports.alarms.put(scope, put).await.map_err(|e| e.to_string())?;
    }
    if !delete.is_empty() {
        ports.alarms.delete(scope, delete).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

async fn sweep(ports: &Ports, stack: &StackId) -> Result<(), String> {
    release_stack(ports.store.as_ref(), stack).await?;
    loop {
        let left = Listing { limit: Some(MAX_CHANGES), ..Listing::of(keys::stack_pk(stack), "") };
        let items = first_portion(ports.store.list(&left).await.map_err(|e| e.to_string())?);
        if items.is_empty() {
            return Ok(());
        }
        let changes = items.into_iter().map(|i| Change::Delete { expect: i.unchanged(), key: i.key }).collect();
        ports.store.commit(changes).await.map_err(|e| e.to_string())?;
    }
}

async fn remove(ports: &Ports, keys: &[Key]) -> Result<(), String> {
    for key in keys {
        if let Some(item) = ports.store.get(key).await.map_err(|e| e.to_string())? {
            let change = Change::Delete { expect: item.unchanged(), key: item.key };
            ports.store.commit(vec![change]).await.map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

async fn remove_permissions(ports: &Ports, iam_user_arn: &str, profile_id: &str) -> Result<(), String> {
    for stack in ports.store.list(&Listing::of(keys::STACKS_PK, "")).await.map_err(|e| e.to_string())? {
        let key = keys::permission(&StackId::from(stack.key.sk), iam_user_arn);
        let Some(item) = ports.store.get(&key).await.map_err(|e| e.to_string())? else { continue };
        let permission = item.decode::<Permission>().map_err(|e| e.to_string())?;
        // The user may have been imported again meanwhile.
        if permission.profile_id == profile_id {
            let change = Change::Delete { expect: item.unchanged(), key };
            ports.store.commit(vec![change]).await.map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}
