//! DescribeDecisions: what was seen, decided and done about an instance, a layer or a stack, and why.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strata_domain::decision::{DecisionRecord, concerns};
use strata_ports::store::Listing;
use strata_ports::{Item, keys};

use super::super::call::Call;
use super::super::error::ApiError;
use super::super::input::Input;
use super::super::transaction::Answer;
use super::moment::{From, moment};
use super::subject::{Named, Subject};

/// The default of `Since`, before now.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);
/// So far back the journal is read: a request for each day.
const FARTHEST: SignedDuration = SignedDuration::from_hours(31 * 24);
/// The default of `MaxResults`, and its greatest value.
const RESULTS: (usize, usize) = (100, 1_000);

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// Names, for people: `shop/web/web3`.
    pub subject: String,
    /// From when on they were asked for.
    pub since: Timestamp,
    /// The decisions, oldest first.
    pub decisions: Vec<DecisionRecord>,
    /// Whether there are older ones since then, which were left off.
    pub is_truncated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    stack_id: Option<String>,
    layer_id: Option<String>,
    instance_id: Option<String>,
    /// RFC 3339, or how long ago, for example `7d`; the last 24 hours if it is missing.
    since: Option<String>,
    max_results: Option<i64>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let since = since(m.since.as_deref(), call.now)?;
    let most = most(m.max_results)?;
    let named = Named { stack_id: m.stack_id, layer_id: m.layer_id, instance_id: m.instance_id };
    let subject = Subject::find(call, named).await?;
    let mut found = Vec::new();
    for day in days(call.now, since) {
        let listing = Listing { descending: true, ..Listing::of(keys::journal_pk(Some(&subject.stack.id)), day.to_string()) };
        let items = call.store().list(&listing).await?;
        found.extend(items.iter().filter_map(readable).filter(|d| d.at >= since && is_about(&subject, d)));
        if found.len() > most {
            break;
        }
    }
    let is_truncated = found.len() > most;
    found.truncate(most);
    found.reverse();
    Ok(Answer::of(&Decisions { subject: subject.path(), since, decisions: found, is_truncated }))
}

fn since(text: Option<&str>, now: Timestamp) -> Result<Timestamp, ApiError> {
    let Some(text) = text else { return Ok(now - A_DAY) };
    let wrong = || {
        let days = FARTHEST.as_hours() / 24;
        let text =
            format!("expected a time such as 2026-03-01T18:00:00Z or 7d, before now and at most {days} days ago, not \"{text}\"");
        ApiError::field("Since", text)
    };
    let time = moment(text, From::Before, now).ok_or_else(wrong)?;
    if time > now || now.duration_since(time) > FARTHEST { Err(wrong()) } else { Ok(time) }
}

fn most(asked: Option<i64>) -> Result<usize, ApiError> {
    let (usual, greatest) = RESULTS;
    let Some(asked) = asked else { return Ok(usual) };
    let most = usize::try_from(asked).ok().filter(|most| (1..=greatest).contains(most));
    most.ok_or_else(|| ApiError::field("MaxResults", format!("expected 1 to {greatest}, not {asked}")))
}

/// The days that the journal's sort keys begin with, from today backwards.
fn days(now: Timestamp, since: Timestamp) -> impl Iterator<Item = Date> {
    let day = |time: Timestamp| Offset::UTC.to_datetime(time).date();
    let first = day(since);
    std::iter::successors(Some(day(now)), |day| day.yesterday().ok()).take_while(move |day| *day >= first)
}

/// One that this version cannot read is named in the log and keeps no other from being told.
fn readable(item: &Item) -> Option<DecisionRecord> {
    match item.decode() {
        Ok(decision) => Some(decision),
        Err(error) => {
            tracing::warn!(record.pk = item.key.pk, record.sk = item.key.sk, error = %error, "a journal entry cannot be read");
            None
        }
    }
}

fn is_about(subject: &Subject, decision: &DecisionRecord) -> bool {
    let is_of_layer = || subject.layers.iter().any(|layer| decision.layer_id.as_ref() == Some(&layer.id));
    match &subject.instance {
        Some(instance) => concerns(decision, &subject.stack.name, (&instance.id, &instance.hostname), is_of_layer()),
        None => subject.layers.is_empty() || is_of_layer(),
    }
}
