//! What on-call can type.

use clap::Args;

use crate::client::ApiOptions;
use crate::environment::Environment;

pub(super) const FREEZE_EXAMPLES: &str = "Examples:
  strata freeze --reason 'INC-7: it stops hosts that it should not'
  strata freeze --stack shop
  strata freeze --stack shop --layer ecs-cluster

Strata then decides and does nothing: it starts, stops, drains, patches and heals no host. Read before each batch of actions, so it takes
effect within a minute. Without Strata's help: docs/break-glass.md.";

pub(super) const THAW_EXAMPLES: &str = "Examples:
  strata thaw
  strata thaw --stack shop

What was left undone meanwhile is not made up for: Strata looks at what is and goes on from there. The strictest mode of installation, stack
and layer counts.";

pub(super) const OBSERVE_EXAMPLES: &str = "Examples:
  strata observe
  strata observe --stack shop

Strata then decides and tells what it would do, and does nothing. A new installation begins so.";

/// `strata freeze`, `thaw`, `observe`.
#[derive(Clone, Debug, Args)]
pub struct ModeArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// Only this stack: its id or its name [default: the whole installation]
    #[arg(long, value_name = "ID|NAME")]
    pub stack: Option<String>,
    /// Only this layer: its id, its name or its short name
    #[arg(long, value_name = "ID|NAME")]
    pub layer: Option<String>,
    /// Why, for whoever comes next; kept in the parameter's description
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The installation's name on AWS [default: STRATA_INSTALLATION, else strata]
    #[arg(long, value_name = "NAME")]
    pub installation: Option<String>,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

pub(super) const DOCTOR_EXAMPLES: &str = "Examples:
  strata doctor
  strata doctor --endpoint http://127.0.0.1:4280
  strata doctor --table strata-Table-1ABCDEFGHIJKL --json

Exits with 1 if a check failed. It changes nothing. The checks of AWS itself need a build with the feature aws.";

/// `strata doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// The installation's name on AWS [default: STRATA_INSTALLATION, else strata]
    #[arg(long, value_name = "NAME")]
    pub installation: Option<String>,
    /// The DynamoDB table, as the CloudFormation output Table names it [default: STRATA_TABLE]
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// On-call's topic [default: STRATA_TOPIC_ARN, else the one that the template makes]
    #[arg(long, value_name = "ARN")]
    pub topic: Option<String>,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

pub(super) const SMOKE_EXAMPLES: &str = "Examples:
  strata smoke --cluster lab --endpoint http://127.0.0.1:4280
  strata smoke --cluster smoke --subnet subnet-0123456789abcdef0 --service-role ARN --instance-profile ARN

It builds a stack, a layer and one host, walks them through start, drain, restart, patch, heal and delete, and removes everything, also after
a failure or Ctrl-C. On AWS it costs some US cents. docs/unproven-on-aws.md says what each line means. Exits with 1 if one failed.";

/// `strata smoke`.
#[derive(Clone, Debug, Args)]
pub struct SmokeArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// An ECS cluster that no stack has: its ARN or its name
    #[arg(long, value_name = "ARN|NAME")]
    pub cluster: String,
    /// The service role [default: the served world's]
    #[arg(long, value_name = "ARN")]
    pub service_role: Option<String>,
    /// The instance profile [default: the served world's]
    #[arg(long, value_name = "ARN")]
    pub instance_profile: Option<String>,
    /// The VPC [default: the account's default one]
    #[arg(long, value_name = "ID")]
    pub vpc: Option<String>,
    /// The subnet [default: one of the default VPC]
    #[arg(long, value_name = "ID")]
    pub subnet: Option<String>,
    /// The host's type
    #[arg(long, value_name = "TYPE", default_value = "t3.small")]
    pub instance_type: String,
    /// Each step may take so long
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    pub minutes: u32,
    /// On AWS, print the commands that the API does not do (patch, heal) and wait until somebody has run them
    #[arg(long)]
    pub by_hand: bool,
    /// Agree to what it costs
    #[arg(long)]
    pub yes: bool,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

/// An installation is called so if nobody says otherwise.
const INSTALLATION: &str = "strata";

impl ModeArgs {
    /// The installation that is meant.
    pub(crate) fn installation_name<'a>(&'a self, environment: &'a Environment) -> &'a str {
        self.installation.as_deref().or(environment.strata_installation.as_deref()).unwrap_or(INSTALLATION)
    }
}

impl DoctorArgs {
    /// The installation that is meant.
    pub(crate) fn installation_name<'a>(&'a self, environment: &'a Environment) -> &'a str {
        self.installation.as_deref().or(environment.strata_installation.as_deref()).unwrap_or(INSTALLATION)
    }
}
