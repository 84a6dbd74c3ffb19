//! What every client is made of: region, credentials, connector, endpoints, retries and deadlines.

use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::tls;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use strata_domain::decision::Function;
use strata_telemetry::Meter;

use crate::Settings;
use crate::calls::CallLog;

/// Times that a call is made at most. The next tick is the real retry, so one repeat, for a connection that had gone stale, is enough.
const ATTEMPTS: u32 = 2;
/// To be connected takes at most so long.
const CONNECT: Duration = Duration::from_secs(2);
/// One attempt is given up after so long.
const ATTEMPT: Duration = Duration::from_secs(6);
/// A call, its repeat included, is given up after so long: an invocation makes several, and has a minute.
const OPERATION: Duration = Duration::from_secs(14);

/// What clients are made of. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Base {
    sdk: SdkConfig,
    settings: Settings,
    log: CallLog,
    #[cfg(feature = "sts")]
    roles: std::sync::Arc<std::sync::OnceLock<crate::stack_roles::StackRoles>>,
}

impl Base {
    /// With the function's own credentials, found by `credentials`.
    pub fn new(settings: Settings, credentials: SharedCredentialsProvider) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .tls_context(crate::roots::context(&settings))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let sdk = SdkConfig::builder()
            .behavior_version(aws_smithy_runtime_api::client::behavior_version::BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials)
            .identity_cache(IdentityCache::lazy().build())
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .build();
        Self {
            sdk,
            settings,
            log: CallLog::default(),
            #[cfg(feature = "sts")]
            roles: std::sync::Arc::default(),
        }
    }

    /// The same with another connector, before any client is made of it.
    #[must_use]
    pub fn with_http(mut self, http: impl HttpClient + 'static) -> Self {
        self.sdk = self.sdk.to_builder().http_client(http).build();
        self
    }

    /// What the function was told about its installation.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The calls that clients of this base have made; empty unless [`CallLog::keep`] was called.
    pub fn log(&self) -> &CallLog {
        &self.log
    }

    /// From now on throttles are counted for this function; see [`meter`](Self::meter).
    pub fn meter_as(&self, function: Function) {
        self.log.count_in(Meter::new(&self.settings.installation, function));
    }

    /// Where the function counts, if it does.
    pub fn meter(&self) -> Option<&Meter> {
        self.log.meter()
    }

    /// For a client of `service` (as in [`crate::settings::SERVICES`]) under the function's own role.
    pub fn own(&self, service: &str) -> SdkConfig {
        let mut builder = self.sdk.to_builder();
        builder.set_endpoint_url(self.settings.endpoint(service).map(str::to_owned));
        builder.build()
    }

    /// As [`own`](Self::own), in another region.
    #[cfg(any(feature = "ec2", feature = "ssm"))]
    pub(crate) fn own_in(&self, service: &str, region: &str) -> SdkConfig {
        self.own(service).into_builder().region(Region::new(region.to_owned())).build()
    }

    /// The stacks' roles, one session each for all clients.
    #[cfg(feature = "sts")]
    pub(crate) fn stack_roles(&self) -> crate::stack_roles::StackRoles {
        self.roles.get_or_init(|| crate::stack_roles::StackRoles::new(self)).clone()
    }

    /// For a client of `service` in `region`, under other credentials.
    #[cfg(feature = "sts")]
    pub(crate) fn under(&self, service: &str, region: &str, credentials: SharedCredentialsProvider) -> SdkConfig {
        let other = self.own(service).into_builder();
        other.region(Region::new(region.to_owned())).credentials_provider(credentials).build()
    }
}
