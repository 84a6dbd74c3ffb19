//! What a teardown's record says to people: how far it is, what blocks it and what to do, and what becomes of it when it is paused, resumed
//! or aborted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::{Options, Teardown, TeardownState};
use super::stages::{Stage, deadline};
use crate::jobs::{Order, member};
use crate::{LayerId, TeardownId};

/// A teardown, for people and for scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeardownTold {
    /// The id.
    pub id: TeardownId,
    /// The layer.
    pub layer_id: LayerId,
    /// `shop/web`.
    pub subject: String,
    /// `running`, `paused`, `aborted` or `ended`.
    pub state: String,
    /// `completed` or `aborted`, once it has ended.
    pub outcome: Option<String>,
    /// Since when it is paused, or when it ended.
    pub since: Option<Timestamp>,
    /// The stage that it is in.
    pub stage: Stage,
    /// In words: `removal of the instances`.
    pub stage_name: String,
    /// Since when.
    pub stage_since: Timestamp,
    /// On-call is paged if the stage lasts longer.
    pub stage_until: Timestamp,
    /// What keeps it from going on; `None`: nothing does.
    pub blocked: Option<String>,
    /// What a person can do about it, or what comes next.
    pub next: String,
    /// Who asked for it.
    pub requested_by: String,
    /// When it began.
    pub started_at: Timestamp,
    /// What goes beside instances, registration and layer.
    pub options: Options,
    /// Desired counts of the services before they were scaled to zero.
    pub scaled_down: BTreeMap<String, u32>,
    /// What a call last answered instead of doing it.
    pub last_refusal: Option<String>,
}

impl TeardownTold {
    /// Whether it is over.
    pub fn is_ended(&self) -> bool {
        self.outcome.is_some()
    }
}

/// Tells a teardown's record.
pub fn tell(teardown: &Teardown) -> TeardownTold {
    let record = serde_json::to_value(&teardown.state).unwrap_or_default();
    let moment = |name: &str| member(&record, name)?.parse().ok();
    let subject = format!("{}/{}", teardown.stack_name, teardown.layer_shortname);
    TeardownTold {
        id: teardown.id.clone(),
        layer_id: teardown.layer_id.clone(),
        state: member(&record, "state").unwrap_or_default(),
        outcome: member(&record, "outcome"),
        since: moment("since").or_else(|| moment("at")),
        stage: teardown.stage,
        stage_name: teardown.stage.describe().to_owned(),
        stage_since: teardown.stage_since,
        stage_until: deadline(teardown.stage, teardown.stage_since),
        blocked: blocked(teardown),
        next: next_up(teardown, &subject),
        subject,
        requested_by: teardown.requested_by.clone(),
        started_at: teardown.started_at,
        options: teardown.options,
        scaled_down: teardown.scaled_down.clone(),
        last_refusal: teardown.last_refusal.clone(),
    }
}

fn blocked(teardown: &Teardown) -> Option<String> {
    match &teardown.state {
        TeardownState::Paused { since } => Some(format!("paused since {since}")),
        TeardownState::Running => {
            teardown.trouble.as_ref().map(|t| format!("{} waits since {}: {}", teardown.stage.describe(), t.since, t.what))
        }
        TeardownState::Aborted | TeardownState::Ended { .. } => None,
    }
}

fn next_up(teardown: &Teardown, subject: &str) -> String {
    match &teardown.state {
        TeardownState::Paused { .. } => format!("strata teardown resume {subject}, or strata teardown abort {subject}"),
        TeardownState::Running if teardown.trouble.is_some() => {
            format!("it is tried on and on and goes on by itself once that is out of the way; or strata teardown abort {subject}")
        }
        TeardownState::Running => format!("{} goes on, then what comes after it", teardown.stage.describe()),
        TeardownState::Aborted => "it ends where it stands".to_owned(),
        TeardownState::Ended { .. } => "nothing: it is over".to_owned(),
    }
}

/// What an order comes to for a teardown as it stands; each a sentence without a full stop.
pub fn order_means(teardown: &Teardown, order: Order) -> Vec<String> {
    let mark = "nothing is started in the layer";
    match order {
        Order::Pause => vec![
            format!("it stands still in {}: nothing more is removed", teardown.stage.describe()),
            "instances that are on their way down go down; what is gone is gone".to_owned(),
            format!("until it is resumed or aborted {mark}, by scalers and healer too"),
        ],
        Order::Resume => vec![format!("it goes on with {}; that stage's time counts anew", teardown.stage.describe())],
        Order::Abort => {
            let mut means = vec![
                "it ends where it stands: instances that are on their way down go down, what is gone is gone".to_owned(),
                "scalers and healer look after what is left of the layer again".to_owned(),
            ];
            let counts: Vec<String> = teardown.scaled_down.iter().map(|(name, count)| format!("{name} had {count}")).collect();
            if !counts.is_empty() {
                means.push(format!(
                    "services that were scaled to zero stay so, until you scale them up yourself (aws ecs update-service): {}",
                    counts.join(", ")
                ));
            }
            means
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{at, new_teardown};
    use super::super::{TeardownOutcome, Trouble};
    use super::*;

    fn teardown() -> Teardown {
        let mut teardown = Teardown::begin(new_teardown(Options::default()), at(0));
        (teardown.stage, teardown.stage_since) = (Stage::Instances, at(5));
        teardown.scaled_down.insert("cart".to_owned(), 3);
        teardown
    }

    #[test]
    fn each_state_says_what_blocks_and_what_comes_next() {
        let trouble = Some(Trouble { since: at(65), number: 1, what: "web1 is held: ada".to_owned(), advice: String::new() });
        for (state, trouble, name, blocked, next) in [
            (TeardownState::Running, None, "running", "", "removal of the instances goes on"),
            (
                TeardownState::Running,
                trouble,
                "running",
                "waits since 2026-03-01T03:05:00Z: web1 is held: ada",
                "goes on by itself",
            ),
            (
                TeardownState::Paused { since: at(6) },
                None,
                "paused",
                "paused since 2026-03-01T02:06:00Z",
                "strata teardown resume shop/web",
            ),
            (TeardownState::Aborted, None, "aborted", "", "ends where it stands"),
            (TeardownState::Ended { at: at(9), outcome: TeardownOutcome::Completed }, None, "ended", "", "it is over"),
        ] {
            let told = tell(&Teardown { state, trouble, ..teardown() });
            assert_eq!((told.state.as_str(), told.is_ended()), (name, name == "ended"));
            assert_eq!(told.blocked.is_some(), !blocked.is_empty(), "{told:?}");
            assert!(told.blocked.clone().unwrap_or_default().contains(blocked) && told.next.contains(next), "{told:?}");
            assert_eq!((told.stage_since, told.stage_until), (at(5), at(65)));
        }
    }

    #[test]
    fn an_order_says_what_becomes_of_what_is_there() {
        assert!(order_means(&teardown(), Order::Pause)[0].contains("removal of the instances"));
        assert!(order_means(&teardown(), Order::Resume)[0].contains("goes on with removal of the instances"));
        let abort = order_means(&teardown(), Order::Abort).join("\n");
        assert!(abort.contains("cart had 3") && abort.contains("what is gone is gone"), "{abort}");
    }
}
