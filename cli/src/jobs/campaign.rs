//! `strata campaign`.

use serde_json::json;
use strata_control::api::extension::{CampaignPlanned, Debts};
use strata_domain::updates::CampaignTold;

use super::{ask, find, render, show, status, with_api};
use crate::args::{CampaignCommand, DebtArgs, JobArgs, JobFollowArgs, Output};
use crate::{CliError, Exit};

/// Plans, begins, tells or turns a rolling update.
///
/// # Errors
/// [`CliError`]: nothing is called so, or the API says no; then nothing was asked for.
pub fn run(command: &CampaignCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        CampaignCommand::Plan(args) => plan(args, output),
        CampaignCommand::Start(args) => turn("start", &args.follow.of, args.reason.as_deref(), args.follow.wait, output),
        CampaignCommand::Status(args) => {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
            runtime.block_on(status::<CampaignTold>(args, output))
        }
        CampaignCommand::Pause(args) => turn("pause", args, None, false, output),
        CampaignCommand::Resume(JobFollowArgs { of, wait }) => turn("resume", of, None, *wait, output),
        CampaignCommand::Abort(JobFollowArgs { of, wait }) => turn("abort", of, None, *wait, output),
        CampaignCommand::Debt(args) => debt(args, output),
    }
}

fn turn(verb: &str, args: &JobArgs, reason: Option<&str>, wait: bool, output: Output) -> Result<Exit, CliError> {
    with_api(&args.api, async |api| {
        let meant = find::<CampaignTold>(api, &args.layer).await?;
        let members = json!({ "Verb": verb, "Reason": reason });
        ask::<CampaignTold>(api, &meant, members, wait, if args.json { Output::Json } else { output }).await
    })
}

fn plan(args: &JobArgs, output: Output) -> Result<Exit, CliError> {
    with_api(&args.api, async |api| {
        let meant = find::<CampaignTold>(api, &args.layer).await?;
        let planned: CampaignPlanned = api.ask_own("PlanCampaign", &json!({ "LayerId": meant.id })).await?;
        show(if args.json { Output::Json } else { output }, &planned, || render::campaign_plan(&planned))?;
        Ok(if planned.blocked.is_empty() { Exit::Done } else { Exit::Failed })
    })
}

fn debt(args: &DebtArgs, output: Output) -> Result<Exit, CliError> {
    with_api(&args.api, async |api| {
        let members = match &args.layer {
            Some(layer) => json!({ "LayerId": find::<CampaignTold>(api, layer).await?.id }),
            None => json!({}),
        };
        let debts: Debts = api.ask_own("DescribeDebt", &members).await?;
        show(if args.json { Output::Json } else { output }, &debts, || super::debt::screen(&debts))?;
        Ok(Exit::Done)
    })
}
