//! `strata why`: what was seen, decided and done, by which event, in plain words.

mod compared;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;
use strata_control::api::extension::Decisions;
use strata_domain::InstanceId;
use strata_domain::decision::{DecisionRecord, Verdict};

use crate::args::{Output, WhyArgs};
use crate::client::Api;
use crate::environment::Environment;
use crate::status::render::put;
use crate::{CliError, Exit, subject, write_stdout};

/// So far back, unless something else is asked for.
const A_DAY: &str = "24h";
/// So far back a comparison looks.
const A_WEEK: &str = "7d";
/// As many as the API tells at once.
const ALL: u32 = 1_000;

/// Tells the decisions about a stack, a layer or an instance, or compares those of mode `observe` with what really happened.
///
/// # Errors
/// [`CliError`]: nothing is called so, or the API says no.
pub fn run(args: &WhyArgs, output: Output) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async {
        let api = Api::connect(&args.api, &Environment::read()).await?;
        let subject = subject::find(&api, &args.subject).await?;
        let (since, most) = if args.compare { (A_WEEK, ALL) } else { (A_DAY, 100) };
        let (since, most) = (args.since.as_deref().unwrap_or(since), args.most.unwrap_or(most));
        let members = json!({ subject.member: subject.id, "Since": since, "MaxResults": most });
        let told: Decisions = api.ask_own("DescribeDecisions", &members).await?;
        let is_json = args.json || output == Output::Json;
        let text = match args.compare {
            true => {
                let only = (subject.member == "InstanceId").then(|| InstanceId::new(subject.id.clone()));
                let compared = compared::comparison(&told, &names(&api, &subject).await?, only.as_ref());
                if is_json { object(&compared)? } else { compared::screen(&compared) }
            }
            false if is_json => object(&told)?,
            false => story(&told),
        };
        write_stdout(text.as_bytes())?;
        Ok(Exit::Done)
    })
}

fn object(told: &impl serde::Serialize) -> Result<String, CliError> {
    Ok(serde_json::to_string(told).map_err(|e| CliError::Failed(e.into()))? + "\n")
}

/// The host names of the subject's instances.
async fn names(api: &Api, subject: &subject::Subject) -> Result<BTreeMap<InstanceId, String>, CliError> {
    let ask = api.client().describe_instances();
    let id = &subject.id;
    let ask = match subject.member {
        "StackId" => ask.stack_id(id),
        "LayerId" => ask.layer_id(id),
        _ => ask.instance_ids(id),
    };
    let answer = ask.send().await.map_err(|e| api.explain(e))?;
    let name = |i: &aws_sdk_opsworks::types::Instance| Some((InstanceId::from(i.instance_id()?), i.hostname()?.to_owned()));
    Ok(answer.instances().iter().filter_map(name).collect())
}

/// The decisions in words, oldest first.
fn story(told: &Decisions) -> String {
    let mut text = format!("{} since {}\n", told.subject, time(told.since));
    if told.is_truncated {
        put(&mut text, format_args!("... older ones are left off: --most N or --since TIME shows more\n"));
    }
    if told.decisions.is_empty() {
        text.push_str(
            "nothing was decided: what is as it should be, and what waits for the same reason as before, is not told again\n",
        );
    }
    for decision in &told.decisions {
        one(&mut text, decision);
    }
    text
}

fn one(text: &mut String, decision: &DecisionRecord) {
    let DecisionRecord { id, at, function, trigger, subject, saw, did, why, .. } = decision;
    let verdict = match decision.verdict {
        Verdict::Act => "",
        Verdict::Hold => "  nothing was done",
        Verdict::WouldAct => "  would have, but the mode forbids it",
    };
    put(text, format_args!("\n{}  {function}  {subject}{verdict}\n", time(*at)));
    for (label, words) in [("saw", saw), ("did", did), ("why", why), ("woken by", trigger), ("decision", &id.to_string())] {
        if !words.is_empty() {
            put(text, format_args!("  {label:<10}{words}\n"));
        }
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use strata_domain::decision::{Function, Touched};

    use super::*;

    #[test]
    fn a_story_has_when_who_what_and_why_and_says_what_it_leaves_off() {
        let decision = DecisionRecord {
            id: "d-1".into(),
            at: "2026-03-02T18:05:12.041Z".parse().unwrap(),
            function: Function::LoadScaling,
            trigger: "alarm strata/shop/web/up-cpu".to_owned(),
            subject: "shop/web".to_owned(),
            stack_id: None,
            layer_id: None,
            verdict: Verdict::WouldAct,
            saw: "2 of 4 available".to_owned(),
            did: "start web3".to_owned(),
            why: "average cpu above 75% for 5 min".to_owned(),
            touched: Touched::default(),
        };
        let since = "2026-03-01T18:05:12Z".parse().unwrap();
        let told = Decisions { subject: "shop/web".to_owned(), since, decisions: vec![decision], is_truncated: true };
        assert_eq!(
            story(&told),
            "\
shop/web since 2026-03-01 18:05:12 UTC
... older ones are left off: --most N or --since TIME shows more

2026-03-02 18:05:12 UTC  load-scaling  shop/web  would have, but the mode forbids it
  saw       2 of 4 available
  did       start web3
  why       average cpu above 75% for 5 min
  woken by  alarm strata/shop/web/up-cpu
  decision  d-1
"
        );
        let nothing = Decisions { decisions: Vec::new(), is_truncated: false, ..told };
        assert!(story(&nothing).contains("nothing was decided"));
    }
}
