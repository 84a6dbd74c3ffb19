//! `strata smoke`: does AWS do what Strata takes for granted. Builds a stack, a layer and one small host, walks them through their life, and
//! removes everything, also after a failure and after Ctrl-C.
//!
//! [`assumptions`] is what is taken for granted, [`walk`] the steps, [`backstage`] what the API does not do, [`removal`] the way back.

mod assumptions;
mod backstage;
mod removal;
mod walk;

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use strata_control::api::status::Status;

use self::assumptions::{ASSUMPTIONS, Assumption, Step};
use self::backstage::Backstage;
use self::walk::{Ended, Plan, Walk};
use crate::args::{Output, SmokeArgs};
use crate::client::Api;
use crate::environment::Environment;
use crate::sim::world_command;
use crate::{CliError, Exit, write_stdout};

/// Between two looks on AWS.
const PAUSE: Duration = Duration::from_secs(5);
/// Between two looks at a served world, which may be sped up.
const WORLD_PAUSE: Duration = Duration::from_millis(100);

/// What became of an assumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Pass,
    Fail,
    Skip,
}

/// An assumption with what was seen of it.
#[derive(Clone, Debug, Serialize)]
struct Seen {
    id: &'static str,
    step: Step,
    assumption: &'static str,
    outcome: Verdict,
    saw: String,
}

/// Walks, removes, tells. Exit code 1 if an assumption failed or something is left.
///
/// # Errors
/// Bad input: what is to be built is not named, or nobody has agreed to the cost. Failed: the API cannot be reached.
pub fn run(args: &SmokeArgs, output: Output) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async {
        let api = Api::connect(&args.api, &Environment::read()).await?;
        let world = world_command::world_behind(api.endpoint());
        let plan = plan(&api, args, world.as_deref())?;
        if world.is_none() && !args.yes && !agrees(&plan)? {
            return Err(CliError::BadInput("nothing was built; --yes agrees to what it costs".to_owned()));
        }
        let is_json = args.json || output == Output::Json;
        let backstage = match (world, args.by_hand) {
            (Some(authority), _) => Backstage::World(authority),
            (None, true) => Backstage::ByHand,
            (None, false) => Backstage::Nobody,
        };
        let mut told = Vec::new();
        let whole = tokio::select! {
            () = all_steps(Walk::new(&api, &plan, backstage), &mut told, is_json) => true,
            _ = tokio::signal::ctrl_c() => false,
        };
        if !whole {
            eprintln!("strata: interrupted; what was built is removed");
        }
        let left = removal::remove(&api, &plan).await.err();
        tell(&told, left.as_deref(), is_json)?;
        let is_well = whole && left.is_none() && told.iter().all(|seen| seen.outcome != Verdict::Fail);
        Ok(if is_well { Exit::Done } else { Exit::Failed })
    })
}

/// Walks until a step fails; what comes after it is skipped, but for the removal.
async fn all_steps(mut walk: Walk<'_>, told: &mut Vec<Seen>, is_json: bool) {
    let mut broken: Option<Step> = None;
    for step in Step::ALL {
        let ended = match broken {
            Some(at) if step != Step::Delete => Ok(Ended::Skipped(format!("{} has failed", at.as_str()))),
            _ => {
                eprintln!("strata: {} ...", step.as_str());
                walk.step(step).await
            }
        };
        if ended.is_err() {
            broken.get_or_insert(step);
        }
        for assumption in ASSUMPTIONS.iter().filter(|assumption| assumption.step == step) {
            let seen = seen(assumption, &ended);
            if !is_json {
                // Told again as a whole at the end if it cannot be written now.
                drop(write_stdout(line(&seen).as_bytes()));
            }
            told.push(seen);
        }
    }
}

fn seen(assumption: &Assumption, ended: &Result<Ended, String>) -> Seen {
    let (outcome, saw) = match ended {
        Ok(Ended::Well(saw)) => (Verdict::Pass, saw),
        Ok(Ended::Skipped(why)) => (Verdict::Skip, why),
        Err(why) => (Verdict::Fail, why),
    };
    Seen { id: assumption.id, step: assumption.step, assumption: assumption.what, outcome, saw: saw.clone() }
}

fn line(seen: &Seen) -> String {
    let mark = match seen.outcome {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Skip => "skip",
    };
    let Seen { id, step, assumption, saw, .. } = seen;
    format!("{mark}  {:7}  {id:6}  {assumption}\n                       {saw}\n", step.as_str())
}

fn tell(told: &[Seen], left: Option<&str>, is_json: bool) -> Result<(), CliError> {
    if is_json {
        let text = json!({ "assumptions": told, "left": left }).to_string() + "\n";
        return write_stdout(text.as_bytes());
    }
    let count = |verdict| told.iter().filter(|seen| seen.outcome == verdict).count();
    let counts = format!("{} passed, {} failed, {} skipped", count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Skip));
    let removed = left.map_or_else(|| "everything is removed".to_owned(), |left| format!("NOT REMOVED: {left}"));
    write_stdout(format!("{counts}; {removed}\n").as_bytes())
}

/// The status of one stack.
async fn status(api: &Api, stack_id: &str) -> Result<Status, String> {
    api.ask_own("DescribeStatus", &json!({ "StackId": stack_id })).await.map_err(|e| e.to_string())
}

/// What is to be built; in a served world its own roles are taken where none are named.
fn plan(api: &Api, args: &SmokeArgs, world: Option<&str>) -> Result<Plan, CliError> {
    let listing = world.map(world_command::account).transpose()?;
    let region = api.signs_for().1.to_owned();
    let role = named("--service-role", args.service_role.as_ref(), listing.as_ref().map(|l| &l.service_role_arn))?;
    let profile = named("--instance-profile", args.instance_profile.as_ref(), listing.as_ref().map(|l| &l.instance_profile_arn))?;
    let account = role.split(':').nth(4).unwrap_or_default();
    let cluster_arn = match args.cluster.starts_with("arn:") {
        true => args.cluster.clone(),
        false => format!("arn:aws:ecs:{region}:{account}:cluster/{}", args.cluster),
    };
    let pause = if world.is_some() { WORLD_PAUSE } else { PAUSE };
    let looks = u64::from(args.minutes) * 60_000 / u64::try_from(pause.as_millis()).unwrap_or(1);
    Ok(Plan {
        stack_name: format!("strata-smoke-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]),
        cluster_arn,
        region,
        service_role_arn: role,
        instance_profile_arn: profile,
        instance_type: args.instance_type.clone(),
        vpc: args.vpc.clone(),
        subnet: args.subnet.clone(),
        pause,
        looks: u32::try_from(looks).unwrap_or(u32::MAX),
    })
}

fn named(flag: &str, given: Option<&String>, of_world: Option<&String>) -> Result<String, CliError> {
    let missing = || CliError::BadInput(format!("{flag} ARN is missing; the CloudFormation outputs of the installation name it"));
    given.or(of_world).cloned().ok_or_else(missing)
}

fn agrees(plan: &Plan) -> Result<bool, CliError> {
    eprintln!(
        "This starts one {} in {} for up to an hour, with its root volume: some US cents for a t3.small. Everything is removed at the end.",
        plan.instance_type, plan.region
    );
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("Go on? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|e| CliError::Failed(e.into()))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
