//! The record of a teardown, and what each step makes of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::stages::Stage;
use super::step::TeardownStep;
use crate::{ClusterArn, LayerId, StackId, TeardownId};

/// The form of the record that this version writes.
pub const SCHEMA: u32 = 1;

/// The id of the teardown that a request at `at` begins: a repeat of it, however late, is the same teardown.
pub fn teardown_id(layer: &LayerId, at: Timestamp) -> TeardownId {
    TeardownId::new(format!("{layer}-{}", at.as_second()))
}

/// What goes beside instances, registration and layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// The cluster's services are scaled down and deleted first [ECS-90].
    pub delete_services: bool,
    /// The instances' non-root volumes go with them.
    pub delete_volumes: bool,
    /// The instances' Elastic IP addresses are released; else they are only taken off the machines, and stay registered with the stack.
    #[serde(default)]
    pub delete_addresses: bool,
    /// The stack goes too, if nothing else is in it [ECS-97].
    pub delete_stack: bool,
}

/// How a teardown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeardownOutcome {
    /// All that was asked for is gone.
    Completed,
    /// It was aborted; what is gone stays gone.
    Aborted,
}

/// Where a teardown stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TeardownState {
    /// Going on.
    Running,
    /// Nothing is done until it is resumed; the layer stays marked.
    Paused {
        /// Since when.
        since: Timestamp,
    },
    /// To be ended where it stands.
    Aborted,
    /// Over.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        outcome: TeardownOutcome,
    },
}

/// A stage that is past its deadline. On-call was paged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// The number of the incident within the teardown, from 1.
    pub number: u32,
    /// What blocks.
    pub what: String,
    /// What to do about it.
    #[serde(default)]
    pub advice: String,
}

/// What a teardown begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTeardown {
    /// Derived from the request, so that a repeated request is the same teardown.
    pub id: TeardownId,
    /// The stack.
    pub stack_id: StackId,
    /// Its name.
    pub stack_name: String,
    /// The layer.
    pub layer_id: LayerId,
    /// Its name.
    pub layer_name: String,
    /// Its short name.
    pub layer_shortname: String,
    /// The cluster that the layer stands for.
    pub cluster: Option<ClusterArn>,
    /// What goes too.
    pub options: Options,
    /// Who asked.
    pub requested_by: String,
    /// When they asked.
    pub asked_at: Timestamp,
}

/// A teardown. It keeps what it needs to know of stack and layer, because they may be gone before it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Teardown {
    /// [`SCHEMA`] of the version that wrote it.
    pub schema: u32,
    /// The id.
    pub id: TeardownId,
    /// The stack.
    pub stack_id: StackId,
    /// Its name, for people.
    pub stack_name: String,
    /// The layer.
    pub layer_id: LayerId,
    /// Its name.
    pub layer_name: String,
    /// Its short name, for people.
    pub layer_shortname: String,
    /// The cluster that the layer stood for; it is deregistered, never deleted.
    pub cluster: Option<ClusterArn>,
    /// What goes too.
    pub options: Options,
    /// Who asked for it.
    pub requested_by: String,
    /// When the newest request that was heeded was made; an older one that arrives late is not heeded.
    pub asked_at: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// Where it stands.
    pub state: TeardownState,
    /// The stage that it was last seen in.
    pub stage: Stage,
    /// Since when; the stage's deadline runs from here.
    pub stage_since: Timestamp,
    /// The present stage is past its deadline.
    pub trouble: Option<Trouble>,
    /// How many incidents there were.
    pub troubles: u32,
    /// Desired counts of the services before they were scaled to zero, by name, for whoever wants them back.
    pub scaled_down: BTreeMap<String, u32>,
    /// What a call last answered instead of doing it.
    pub last_refusal: Option<String>,
    /// When instances whose stop had failed were last stopped again.
    #[serde(default)]
    pub retried_at: Option<Timestamp>,
}

impl Teardown {
    /// A teardown that begins at `now`.
    pub fn begin(new: NewTeardown, now: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            id: new.id,
            stack_id: new.stack_id,
            stack_name: new.stack_name,
            layer_id: new.layer_id,
            layer_name: new.layer_name,
            layer_shortname: new.layer_shortname,
            cluster: new.cluster,
            options: new.options,
            requested_by: new.requested_by,
            asked_at: new.asked_at,
            started_at: now,
            state: TeardownState::Running,
            stage: Stage::Begin,
            stage_since: now,
            trouble: None,
            troubles: 0,
            scaled_down: BTreeMap::new(),
            last_refusal: None,
            retried_at: None,
        }
    }

    /// Whether it is over.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, TeardownState::Ended { .. })
    }

    /// Makes the change of a step in the record; most steps change only the world.
    pub fn apply(&mut self, step: &TeardownStep, now: Timestamp) {
        match step {
            TeardownStep::Enter { stage, .. } => {
                (self.stage, self.stage_since, self.last_refusal) = (*stage, now, None);
            }
            TeardownStep::ScaleService { name, from, .. } => {
                // The first count is the one to remember; a later one may be our own zero on its way.
                self.scaled_down.entry(name.clone()).or_insert(*from);
            }
            TeardownStep::Block { what, advice } => {
                self.troubles += 1;
                let (what, advice) = (what.clone(), advice.clone());
                self.trouble = Some(Trouble { since: now, number: self.troubles, what, advice });
            }
            TeardownStep::Unblock { .. } => self.trouble = None,
            TeardownStep::End { outcome, .. } => {
                self.state = TeardownState::Ended { at: now, outcome: *outcome };
            }
            TeardownStep::Stop { again: true, .. } => self.retried_at = Some(now),
            TeardownStep::DeleteService { .. }
            | TeardownStep::Stop { again: false, .. }
            | TeardownStep::Delete { .. }
            | TeardownStep::Unassign { .. }
            | TeardownStep::Deregister { .. }
            | TeardownStep::DeregisterCluster { .. }
            | TeardownStep::DeleteLayer
            | TeardownStep::DeleteStack => {}
        }
    }

    /// Does nothing until it is resumed. Without effect unless it is running.
    pub fn pause(&mut self, now: Timestamp) {
        if self.state == TeardownState::Running {
            self.state = TeardownState::Paused { since: now };
        }
    }

    /// Goes on; the stage's clock begins anew. Without effect unless it is paused.
    pub fn resume(&mut self, now: Timestamp) {
        if matches!(self.state, TeardownState::Paused { .. }) {
            (self.state, self.stage_since) = (TeardownState::Running, now);
        }
    }

    /// Ends it where it stands. Without effect once it is over.
    pub fn abort(&mut self) {
        if !self.is_ended() {
            self.state = TeardownState::Aborted;
        }
    }
}
