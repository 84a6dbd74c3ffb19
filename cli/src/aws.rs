//! AWS itself, for the commands that call it: under the caller's own credentials, behind the feature `aws`.

use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;
use strata_aws::{Base, Settings};
use strata_local::clock::SystemClock;
use strata_ports::Clock;

use crate::CliError;
use crate::client::{ApiOptions, SdkKeys, aws_region};
use crate::credentials::{AwsPlaces, Keys};
use crate::endpoint::Endpoint;
use crate::environment::variable;

/// What clients of AWS's services are made of; nothing is called yet but for credentials.
///
/// # Errors
/// Bad input: no region, no credentials, or a variable that cannot be used.
pub(crate) async fn base(options: &ApiOptions, endpoint: Option<&Endpoint>, installation: &str) -> Result<Base, CliError> {
    let region = aws_region(options, endpoint).await?;
    let places = AwsPlaces { profile: options.profile.clone(), machine_role: true };
    let bad = |error: &dyn std::fmt::Display| CliError::BadInput(error.to_string());
    let keys = Keys::find(places, SystemClock.now()).await.map_err(|error| bad(&error))?;
    let settings = Settings::read(|name| match name {
        "AWS_REGION" => Some(region.clone()),
        "STRATA_INSTALLATION" => Some(installation.to_owned()),
        other => variable(other),
    });
    let credentials = SharedCredentialsProvider::new(SdkKeys(Arc::new(keys)));
    Ok(Base::new(settings.map_err(|error| bad(&error))?, credentials))
}
