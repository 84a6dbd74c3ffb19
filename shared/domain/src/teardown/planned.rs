//! A teardown that a layer's or stack's settings plan: paged ahead, then begun by itself.
//!
//! Level-triggered like the teardown itself: lost ticks make a page late, never double, and never let a layer go without one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decision::Page;
use crate::settings::teardown::TeardownSettings;
use crate::{LayerId, StackId};

/// The first page goes out so long ahead.
pub const DAY_AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// The second one so long ahead.
pub const HOUR_AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// A plan that could not be begun for so long is given up: nobody expects it any more.
pub const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ahead {
    /// A day ahead.
    Day,
    /// An hour ahead.
    Hour,
}

impl Ahead {
    /// For the incident's id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }
}

/// A page that was sent about a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warned {
    /// Which.
    pub ahead: Ahead,
    /// When.
    pub at: Timestamp,
    /// Itself, so that it can be resolved when stack and layer are gone.
    pub page: Page,
}

/// The record of a plan: written by the API when the settings are, kept by the function teardown, and gone once it is begun or given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The stack.
    pub stack_id: StackId,
    /// The layer whose settings have it; `None`: the stack's.
    pub layer_id: Option<LayerId>,
    /// When, so that nothing is read of stack and layer before its time; `None` once the settings have none.
    pub at: Option<Timestamp>,
    /// The pages that are open, of the moment in [`Planned::warned_of`].
    #[serde(default)]
    pub warned: Vec<Warned>,
    /// The moment that they are about.
    #[serde(default)]
    pub warned_of: Option<Timestamp>,
}

impl Planned {
    /// Of these settings, with nothing told yet.
    pub fn new(stack_id: StackId, layer_id: Option<LayerId>, at: Timestamp) -> Self {
        Self { stack_id, layer_id, at: Some(at), warned: Vec::new(), warned_of: None }
    }

    /// Whether there may be something to do, so that stack and layer are worth reading.
    pub fn is_due(&self, now: Timestamp) -> bool {
        !self.warned.is_empty() || self.at.is_none_or(|at| now.duration_since(at) >= -DAY_AHEAD)
    }

    /// Makes the change of a step; [`PlanStep::Warn`] is made by [`Planned::warn`], since it takes the page.
    pub fn apply(&mut self, step: &PlanStep) {
        match step {
            PlanStep::Resolve { .. } => (self.warned, self.warned_of) = (Vec::new(), None),
            PlanStep::Warn { .. } | PlanStep::Begin | PlanStep::Hold { .. } | PlanStep::GiveUp { .. } | PlanStep::Forget => {}
        }
    }

    /// Notes a page.
    pub fn warn(&mut self, of: Timestamp, ahead: Ahead, page: Page, now: Timestamp) {
        self.warned_of = Some(of);
        self.warned.push(Warned { ahead, at: now, page });
    }
}

/// What a plan meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanView<'a> {
    /// The settings as they are now; `None` when they are gone, or the layer is.
    pub settings: Option<&'a TeardownSettings>,
    /// The teardown that this plan begins stands already, running or ended.
    pub has_begun: bool,
    /// Another teardown of the layer is under way.
    pub is_under_way: bool,
    /// Why it may not begin though its time has come and the mode permits: the layer is protected, is named otherwise, or has shared members.
    pub refused: Option<&'a str>,
    /// The mode permits it.
    pub is_permitted: bool,
}

/// What follows for a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanStep {
    /// Page on-call.
    Warn {
        /// Which page.
        ahead: Ahead,
        /// When it will begin.
        begins_at: Timestamp,
    },
    /// The open pages are over.
    Resolve {
        /// Why.
        why: String,
    },
    /// Begin the teardown.
    Begin,
    /// Its time has come, but the mode forbids it.
    Hold {
        /// Why.
        why: String,
    },
    /// It is not begun, and will not be: on-call is told.
    GiveUp {
        /// Why.
        why: String,
    },
    /// The record goes.
    Forget,
}

/// What follows for a plan, in order.
///
/// Our choice: a page that could only be sent after the moment itself puts the beginning off until an hour after it; a plan whose layer is
/// protected at its moment, or that was held up for a day, is given up.
pub fn next(planned: &Planned, view: PlanView<'_>, now: Timestamp) -> Vec<PlanStep> {
    let Some(moment) = view.settings.and_then(TeardownSettings::moment) else {
        return ended(planned, "it is not planned any more".to_owned());
    };
    if view.has_begun {
        return ended(planned, "it has begun".to_owned());
    }
    let mut steps = Vec::new();
    let is_other = planned.warned_of.is_some_and(|of| of != moment);
    if is_other {
        steps.push(PlanStep::Resolve { why: format!("it is planned for {moment} now") });
    }
    let warned: &[Warned] = if is_other { &[] } else { &planned.warned };
    if view.is_under_way || now.duration_since(moment) < -DAY_AHEAD {
        return steps;
    }
    if now.duration_since(moment) >= GIVEN_UP_AFTER {
        steps.extend(given_up(planned, is_other, "it could not be begun within a day of its moment".to_owned()));
        return steps;
    }
    let wanted = if now.duration_since(moment) < -HOUR_AHEAD { Ahead::Day } else { Ahead::Hour };
    let Some(last) = warned.iter().find(|w| w.ahead >= wanted) else {
        steps.push(PlanStep::Warn { ahead: wanted, begins_at: begins_at(moment, now) });
        return steps;
    };
    if wanted == Ahead::Day || now < begins_at(moment, last.at) {
        return steps;
    }
    match view.refused {
        Some(why) => steps.extend(given_up(planned, is_other, why.to_owned())),
        None if view.is_permitted => steps.push(PlanStep::Begin),
        None => steps.push(PlanStep::Hold { why: "the mode forbids it".to_owned() }),
    }
    steps
}

/// At its moment; an hour after the page when that came too late.
pub fn begins_at(moment: Timestamp, warned_at: Timestamp) -> Timestamp {
    if warned_at <= moment { moment } else { warned_at.checked_add(HOUR_AHEAD).unwrap_or(Timestamp::MAX) }
}

fn ended(planned: &Planned, why: String) -> Vec<PlanStep> {
    let over = (!planned.warned.is_empty()).then_some(PlanStep::Resolve { why });
    over.into_iter().chain([PlanStep::Forget]).collect()
}

fn given_up(planned: &Planned, is_resolved: bool, why: String) -> Vec<PlanStep> {
    let over = (!planned.warned.is_empty() && !is_resolved).then(|| PlanStep::Resolve { why: format!("it is given up: {why}") });
    over.into_iter().chain([PlanStep::GiveUp { why }, PlanStep::Forget]).collect()
}

#[cfg(test)]
mod tests;
