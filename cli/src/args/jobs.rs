//! What can be typed about the long jobs: rolling updates and teardowns.

use clap::{Args, Subcommand};

use crate::client::ApiOptions;

pub(super) const CAMPAIGN_EXAMPLES: &str = "Examples:
  strata campaign plan shop/web
  strata campaign start shop/web --reason 'kernel fixes of March' --wait
  strata campaign status shop/web
  strata campaign pause shop/web
  strata campaign resume shop/web
  strata campaign abort shop/web
  strata campaign debt

A campaign takes a layer's instances out of service wave by wave, updates them and gives them back. docs/jobs.md says what pause and abort do
with hosts in flight. Exits with 1 if it was refused, is blocked or did not update every host, as far as --wait follows it.";

pub(super) const TEARDOWN_EXAMPLES: &str = "Examples:
  strata teardown plan shop/web --delete-services
  strata teardown start shop/web --delete-services --wait
  strata teardown status shop/web
  strata teardown pause shop/web
  strata teardown resume shop/web
  strata teardown abort shop/web

A teardown removes services (if asked), instances, the cluster's registration, the layer, and the stack (if asked), in this order. The ECS cluster
stays, and registered machines are handed back running. docs/jobs.md says what blocks and what abort leaves. Exits with 1 if it was refused, is
blocked or did not come to its end, as far as --wait follows it.";

/// `strata campaign`.
#[derive(Clone, Debug, Subcommand)]
pub enum CampaignCommand {
    /// What a campaign that began now would do: waves, hosts that are skipped, times. It changes nothing; exits with 1 if none could begin
    Plan(JobArgs),
    /// Begin a rolling update of a layer
    Start(CampaignStartArgs),
    /// How far it is, host by host; the running one, else the last one
    Status(JobStatusArgs),
    /// Begin no new host; those in flight are finished
    Pause(JobArgs),
    /// Go on; failures so far no longer count against the budget
    Resume(JobFollowArgs),
    /// End it: drains are given back at once, patches under way are finished first
    Abort(JobFollowArgs),
    /// What hosts still have to install, by their own account: missing updates, reboots, the newest release, the next window
    Debt(DebtArgs),
}

/// `strata campaign debt`.
#[derive(Clone, Debug, Args)]
pub struct DebtArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// The layer: its path (shop/web), its own name, or its id [default: all]
    #[arg(value_name = "LAYER")]
    pub layer: Option<String>,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

/// `strata teardown`.
#[derive(Clone, Debug, Subcommand)]
pub enum TeardownCommand {
    /// What a teardown that began now would remove, stage by stage, and what blocks it. It changes nothing; exits with 1 if none could begin
    Plan(TeardownPlanArgs),
    /// Take a layer down in order
    Start(TeardownStartArgs),
    /// How far it is, and what blocks it; the running one, else the last one
    Status(JobStatusArgs),
    /// Remove nothing more until it is resumed
    Pause(JobArgs),
    /// Go on
    Resume(JobFollowArgs),
    /// End it where it stands; what is gone is gone
    Abort(JobFollowArgs),
}

/// A layer, and nothing more.
#[derive(Clone, Debug, Args)]
pub struct JobArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// The layer: its path (shop/web), its own name, or its id
    #[arg(value_name = "LAYER")]
    pub layer: String,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

/// A layer whose job may be followed.
#[derive(Clone, Debug, Args)]
pub struct JobFollowArgs {
    /// The layer.
    #[command(flatten)]
    pub of: JobArgs,
    /// Follow it until it ends or is blocked
    #[arg(long)]
    pub wait: bool,
}

/// A layer, or all of them.
#[derive(Clone, Debug, Args)]
pub struct JobStatusArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// The layer: its path (shop/web), its own name, or its id [default: all]
    #[arg(value_name = "LAYER", required_unless_present = "all")]
    pub layer: Option<String>,
    /// Those of all layers
    #[arg(long, conflicts_with_all = ["layer", "wait"])]
    pub all: bool,
    /// Follow it until it ends or is blocked
    #[arg(long)]
    pub wait: bool,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

/// `strata campaign start`.
#[derive(Clone, Debug, Args)]
pub struct CampaignStartArgs {
    /// The layer, and whether to follow.
    #[command(flatten)]
    pub follow: JobFollowArgs,
    /// Why, for whoever is on call
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What goes beside instances, registration and layer.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct TeardownOptions {
    /// Scale the cluster's services to zero and delete them first
    #[arg(long)]
    pub delete_services: bool,
    /// Delete the instances' volumes with them
    #[arg(long)]
    pub delete_volumes: bool,
    /// Release the instances' Elastic IP addresses; else they stay registered with the stack
    #[arg(long)]
    pub delete_addresses: bool,
    /// Delete the stack too, if nothing else is in it
    #[arg(long)]
    pub delete_stack: bool,
}

/// `strata teardown plan`.
#[derive(Clone, Debug, Args)]
pub struct TeardownPlanArgs {
    /// The layer.
    #[command(flatten)]
    pub of: JobArgs,
    /// What goes too.
    #[command(flatten)]
    pub options: TeardownOptions,
}

/// `strata teardown start`.
#[derive(Clone, Debug, Args)]
pub struct TeardownStartArgs {
    /// The layer, and whether to follow.
    #[command(flatten)]
    pub follow: JobFollowArgs,
    /// What goes too.
    #[command(flatten)]
    pub options: TeardownOptions,
    /// Do not ask for the layer's name
    #[arg(long)]
    pub yes: bool,
}
