//! How commands reach an API, deployed or local: where it is, who calls, and what its errors mean to the user.

mod raw;

pub(crate) use raw::Probe;

use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileRegionProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_opsworks::Client;
use aws_sdk_opsworks::config::timeout::TimeoutConfig;
use aws_sdk_opsworks::config::{BehaviorVersion, Config, ConfigBag, Intercept, Region, RuntimeComponents, retry::RetryConfig};
use aws_sdk_opsworks::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::SigningName;
use clap::Args;
use strata_local::clock::SystemClock;
use strata_ports::Clock;

use crate::CliError;
use crate::credentials::{AwsPlaces, Keys, NoCredentials, Source};
use crate::endpoint::Endpoint;
use crate::environment::Environment;
use crate::signing::Scope;
use crate::transport::{CONNECT_TIMEOUT, chain, connector};

/// Each call is made at most so often, in all.
const ATTEMPTS: u32 = 3;
/// One attempt's answer begins within this time; the API's function itself is given less.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Flags of every command that calls the API.
#[derive(Clone, Debug, Default, Args)]
pub struct ApiOptions {
    /// The API [default: AWS_ENDPOINT_URL_OPSWORKS, else AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Region to sign for [default: the one in a function URL, else the AWS configuration's]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Profile whose credentials to use [default: as the AWS CLI chooses]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Service to sign for [default: lambda for a function URL, else opsworks]
    #[arg(long, value_name = "NAME")]
    pub signing_name: Option<String>,
}

/// An API that can be called.
#[derive(Debug)]
pub struct Api {
    endpoint: Endpoint,
    scope: Scope,
    keys: Arc<Keys>,
    connector: SharedHttpConnector,
    client: Client,
}

impl Api {
    /// Finds out what is to be called, and as whom; nothing is sent yet, but a profile's credentials may be asked for.
    ///
    /// # Errors
    /// [`CliError::BadInput`]: no endpoint, one that cannot be used, no region, or no credentials (towards this machine there need be none).
    pub async fn connect(options: &ApiOptions, environment: &Environment) -> Result<Self, CliError> {
        let endpoint = endpoint(options, environment)?;
        let region = region(options, &endpoint).await?;
        let scope = Scope { service: signing_name(options, &endpoint).to_owned(), region };
        let keys = Arc::new(keys(options, &endpoint).await?);
        let connector = connector(&endpoint, ATTEMPT_TIMEOUT);
        let client = sdk_client(&endpoint, &scope, &keys, &connector);
        Ok(Self { endpoint, scope, keys, connector, client })
    }

    /// As [`connect`](Self::connect), if an API is named at all; for commands that can do without one.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_if_named(options: &ApiOptions, environment: &Environment) -> Result<Option<Self>, CliError> {
        let places = [&options.endpoint, &environment.aws_endpoint_url_opsworks, &environment.aws_endpoint_url];
        match places.iter().any(|place| place.is_some()) {
            true => Self::connect(options, environment).await.map(Some),
            false => Ok(None),
        }
    }

    /// The SDK's client. Its errors are for [`explain`](Self::explain).
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Service and region that calls are signed for.
    pub(crate) fn signs_for(&self) -> (&str, &str) {
        (&self.scope.service, &self.scope.region)
    }

    /// Where the API is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// An SDK error as one sentence; a validation text stays as the API wrote it.
    pub fn explain<E>(&self, error: SdkError<E, HttpResponse>) -> CliError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match error {
            SdkError::ServiceError(refused) => {
                let status = refused.raw().status().as_u16();
                // The front door writes `Message`, which the SDK does not read.
                let body = refused.raw().body().bytes().and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok());
                let fronts = body.as_ref().and_then(|body| body.get("Message")?.as_str());
                self.refused(status, refused.err().code(), refused.err().message().or(fronts))
            }
            SdkError::ResponseError(strange) => self.refused(strange.raw().status().as_u16(), None, None),
            SdkError::TimeoutError(_) => self.unreachable(&format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())),
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => self.unreachable(&chain(error)),
                None => self.unreachable("the request could not be sent"),
            },
            other => match CredentialsFailure::in_chain(&other) {
                Some(failure) => CliError::BadInput(failure),
                None => CliError::Failed(anyhow::Error::msg(chain(other))),
            },
        }
    }

    fn unreachable(&self, why: &str) -> CliError {
        let hint = if self.endpoint.is_loopback() { "; is `strata sim serve` or `strata proxy` running?" } else { "" };
        CliError::Failed(anyhow::Error::msg(format!("{} cannot be reached: {why}{hint}", self.endpoint)))
    }

    /// What the API, or its front door, says when it says no.
    fn refused(&self, status: u16, code: Option<&str>, message: Option<&str>) -> CliError {
        let endpoint = &self.endpoint;
        let told = message.map_or_else(|| format!("HTTP status {status}"), str::to_owned);
        let sentence = match code.unwrap_or_default() {
            "AccessDeniedException" | "AccessDenied" => format!("access denied by {endpoint}: {told}"),
            "InvalidSignatureException"
            | "UnrecognizedClientException"
            | "MissingAuthenticationTokenException"
            | "ExpiredTokenException" => format!("{endpoint} does not accept the credentials or their signature: {told}"),
            "" if status == 403 => format!("access denied by {endpoint}: {told}"),
            "" => format!("{endpoint} gave an answer that is not the OpsWorks API's: {told}"),
            "ValidationException" | "ResourceNotFoundException" => told,
            other => format!("{endpoint} answered {other}: {told}"),
        };
        CliError::Failed(anyhow::Error::msg(sentence))
    }
}

fn endpoint(options: &ApiOptions, environment: &Environment) -> Result<Endpoint, CliError> {
    let places = [
        ("--endpoint", &options.endpoint),
        ("AWS_ENDPOINT_URL_OPSWORKS", &environment.aws_endpoint_url_opsworks),
        ("AWS_ENDPOINT_URL", &environment.aws_endpoint_url),
    ];
    let given = places.into_iter().find_map(|(name, text)| Some((name, text.as_deref()?)));
    let (name, text) = given.ok_or_else(|| {
        CliError::BadInput(
            "no API is named; expected --endpoint URL or AWS_ENDPOINT_URL_OPSWORKS, for example http://127.0.0.1:4280 of `strata sim serve`"
                .to_owned(),
        )
    })?;
    Endpoint::parse(name, text)
}

fn signing_name<'a>(options: &'a ApiOptions, endpoint: &Endpoint) -> &'a str {
    let usual = if endpoint.is_function_url() { "lambda" } else { "opsworks" };
    options.signing_name.as_deref().unwrap_or(usual)
}

/// The region that was named, else the URL's own, which is a fact, else the AWS configuration's. Towards this machine any will do.
async fn region(options: &ApiOptions, endpoint: &Endpoint) -> Result<String, CliError> {
    match any_region(options, Some(endpoint)).await {
        Some(region) => Ok(region),
        None if endpoint.is_loopback() => Ok("us-east-1".to_owned()),
        None => Err(no_region()),
    }
}

/// As [`region`], for AWS itself.
#[cfg(feature = "aws")]
pub(crate) async fn aws_region(options: &ApiOptions, endpoint: Option<&Endpoint>) -> Result<String, CliError> {
    any_region(options, endpoint).await.ok_or_else(no_region)
}

fn no_region() -> CliError {
    CliError::BadInput("no region is named; expected --region, AWS_REGION, or one in the profile".to_owned())
}

async fn any_region(options: &ApiOptions, endpoint: Option<&Endpoint>) -> Option<String> {
    if let Some(region) = options.region.as_deref().or_else(|| endpoint?.region()) {
        return Some(region.to_owned());
    }
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    match EnvironmentVariableRegionProvider::new().region().await {
        Some(region) => Some(region.to_string()),
        None => profile.build().region().await.map(|region| region.to_string()),
    }
}

async fn keys(options: &ApiOptions, endpoint: &Endpoint) -> Result<Keys, CliError> {
    let places = AwsPlaces { profile: options.profile.clone(), machine_role: !endpoint.is_loopback() };
    let now = SystemClock.now();
    let found = match Keys::find(places, now).await {
        Err(NoCredentials::None) if endpoint.is_loopback() && options.profile.is_none() => Keys::find(Nobody, now).await,
        found => found,
    };
    found.map_err(|error| CliError::BadInput(error.to_string()))
}

/// The local API accepts any signature, but it wants one.
struct Nobody;

#[async_trait::async_trait]
impl Source for Nobody {
    async fn look(&self) -> Result<Credentials, NoCredentials> {
        Ok(Credentials::new("local", "local", None, None, "strata"))
    }
}

fn sdk_client(endpoint: &Endpoint, scope: &Scope, keys: &Arc<Keys>, connector: &SharedHttpConnector) -> Client {
    let connector = connector.clone();
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint.to_string())
        .region(Region::new(scope.region.clone()))
        .credentials_provider(SdkKeys(keys.clone()))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts)
        .interceptor(SignFor(SigningName::from(scope.service.clone())))
        .build();
    Client::from_conf(config)
}

/// The keys as the SDK wants them.
#[derive(Debug)]
pub(crate) struct SdkKeys(pub(crate) Arc<Keys>);

impl ProvideCredentials for SdkKeys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.0.current(SystemClock.now()).await.map_err(|error| CredentialsError::provider_error(CredentialsFailure(error)))
        })
    }
}

/// Carries our sentence through the SDK's errors.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct CredentialsFailure(NoCredentials);

impl CredentialsFailure {
    fn in_chain(error: &(dyn std::error::Error + 'static)) -> Option<String> {
        let mut causes = std::iter::successors(Some(error), |error| error.source());
        causes.find_map(|cause| cause.downcast_ref::<Self>()).map(|failure| failure.0.to_string())
    }
}

/// Replaces the service's signing name: function URLs take signatures for `lambda` only.
#[derive(Debug)]
struct SignFor(SigningName);

impl Intercept for SignFor {
    fn name(&self) -> &'static str {
        "SignFor"
    }

    fn modify_before_signing(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(self.0.clone());
        Ok(())
    }
}
