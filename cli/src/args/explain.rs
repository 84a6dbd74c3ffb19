//! What can be typed to ask why, and to keep Strata's hands off.

use clap::Args;

use crate::client::ApiOptions;

pub(super) const WHY_EXAMPLES: &str = "Examples:
  strata why web3
  strata why shop/web --since 7d
  strata why shop --since 2026-03-01T18:00:00Z --most 1000 --json
  strata why shop/web --compare

It tells changed decisions: what waits for the same reason as before is not told again. Pages and calls in CloudTrail carry a decision's id.
With --compare: where what the scalers would have done in mode observe, and what really happened, differ; the last 7 days unless --since says
otherwise. The same start or stop of a host within an hour counts as the same.";

/// `strata why`.
#[derive(Clone, Debug, Args)]
pub struct WhyArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// A stack, a layer or an instance: its path (shop/web/web3), its own name, or its id
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// Compare what Strata would have done in mode observe with what really happened
    #[arg(long)]
    pub compare: bool,
    /// From when on: a time, or how long ago; at most 31 days [default: 24h, with --compare 7d]
    #[arg(long, value_name = "TIME|LENGTH")]
    pub since: Option<String>,
    /// At most so many decisions, the newest [default: 100, with --compare 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub most: Option<u32>,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

pub(super) const HOLD_EXAMPLES: &str = "Examples:
  strata hold web3 --until 2h --reason 'INC-7: kernel dump'
  strata hold shop/web --until 2026-03-02T06:00:00Z --reason 'load test'
  strata release web3

Until then no scaler starts or stops it, it is not healed, not updated and not torn down; a person's own calls still work. Its end is announced
to on-call. To keep hands off a whole stack or installation: strata freeze.";

/// `strata hold`.
#[derive(Clone, Debug, Args)]
pub struct HoldArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// A layer or an instance: its path (shop/web/web3), its own name, or its id
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// Until when: a time, or how long from now; at most 90 days
    #[arg(long, value_name = "TIME|LENGTH")]
    pub until: String,
    /// Why, for whoever is on call
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Replace another person's hold
    #[arg(long)]
    pub replace: bool,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

/// `strata release`.
#[derive(Clone, Debug, Args)]
pub struct ReleaseArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// A layer or an instance: its path (shop/web/web3), its own name, or its id
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

/// `strata holds`.
#[derive(Clone, Debug, Args)]
pub struct HoldsArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// Only this stack: its id or its name
    #[arg(long, value_name = "ID|NAME")]
    pub stack: Option<String>,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

pub(super) const PREVIEW_EXAMPLES: &str = "Examples:
  strata preview
  strata preview shop/web --json

By the rules that the functions ask, on what the API sees now; it changes nothing.";

/// `strata preview`.
#[derive(Clone, Debug, Args)]
pub struct PreviewArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// Only this stack or layer: its path (shop/web), its own name, or its id
    #[arg(value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}
