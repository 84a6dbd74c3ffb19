//! What can be typed after `strata register`.

use std::path::PathBuf;

use clap::Args;

use crate::client::ApiOptions;

pub(super) const EXAMPLES: &str = "Examples:
  strata register --stack shop                           on the EC2 instance itself, with IMDSv2
  strata register --stack shop --layer ecs-cluster       and assign it to the layer when it is registered
  strata register --stack shop --document d.json --signature s.txt   from elsewhere

The two files are what the machine itself is told, for example by Systems Manager instead of SSH:
  aws ssm send-command --instance-ids i-... --document-name AWS-RunShellScript --parameters \\
    'commands=[\"T=$(curl -sX PUT -H X-aws-ec2-metadata-token-ttl-seconds:60 http://169.254.169.254/latest/api/token)\",\"curl -s -H \\\"X-aws-ec2-metadata-token: $T\\\" http://169.254.169.254/latest/dynamic/instance-identity/document\"]'
and the same with /signature; aws ssm get-command-invocation prints each.

On AWS the machine's owner tags it first:
  aws ec2 create-tags --resources i-... --tags Key=strata:installation,Value=strata";

/// `strata register`.
#[derive(Clone, Debug, Args)]
pub struct RegisterArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// The stack: its id or its name [default: the only one]
    #[arg(long, value_name = "ID|NAME")]
    pub stack: Option<String>,
    /// Then assign it to this layer: its id, its name or its short name; may be given more than once
    #[arg(long = "layer", value_name = "ID|NAME")]
    pub layers: Vec<String>,
    /// Host name [default: one of the stack's theme]
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// A file with the instance identity document, instead of asking this machine's metadata service
    #[arg(long, value_name = "FILE", requires = "signature")]
    pub document: Option<PathBuf>,
    /// A file with that document's signature
    #[arg(long, value_name = "FILE", requires = "document")]
    pub signature: Option<PathBuf>,
    /// The metadata service [default: AWS_EC2_METADATA_SERVICE_ENDPOINT, else http://169.254.169.254]
    #[arg(long, value_name = "URL", conflicts_with = "document")]
    pub metadata: Option<String>,
    /// Wait at most so many minutes until it is registered, before it is assigned
    #[arg(long, value_name = "MINUTES", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub wait: u64,
}
