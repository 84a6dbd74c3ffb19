//! The OpsWorks SDK's way to an API in the same process: an HTTP client that calls an [`HttpService`] instead of opening a socket.
//!
//! The wire format is the SDK's own, and a seed gives the same bytes in each run. What the SDK would draw at random or take from its
//! surroundings is replaced:
//! - invocation ids come from the given [`Ids`], one per call and the same for each attempt of it [WIRE-15];
//! - the wait before a retry: the SDK draws its jitter from a generator that all code on the thread shares, and only its tests can
//!   switch that off. So the waits are ours, 0 to 1,000 ms drawn by seed; which answers are retried, and how often, is the SDK's;
//! - the retry quota is the client's own, where the SDK would share one among all clients of a process;
//! - the user agent names no operating system, language or environment;
//! - requests are not signed: the service gets the caller's ARN beside the request, and a signature is half of what a call costs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_runtime::invocation_id::{InvocationId, InvocationIdGenerator};
use aws_sdk_opsworks::config::auth::{Params, ResolveAuthScheme};
use aws_sdk_opsworks::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_opsworks::config::timeout::TimeoutConfig;
use aws_sdk_opsworks::config::{BehaviorVersion, ConfigBag, Region, RuntimeComponents, StalledStreamProtectionConfig};
use aws_sdk_opsworks::{Client, Config};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthSchemeId, AuthSchemeOption, AuthSchemeOptionsFuture};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::HeaderValue;
use http::header::USER_AGENT;
use rand_chacha::ChaCha8Rng;
use strata_ports::http_service::Caller;
use strata_ports::{Clock, HttpService, Ids};

use crate::ids::SeededIds;
use crate::rng;

/// Times that a call is made at most, the first one included; the SDK's own default.
const ATTEMPTS: u32 = 3;
/// Longest wait before a retry, in milliseconds; the SDK's first wait is 0 to 1 s as well.
const LONGEST_WAIT_MS: u64 = 1_000;
/// What the retry quota starts with and is refilled to; the SDK's own default.
const RETRY_QUOTA: usize = 500;

/// How a client reaches the service, beyond what [`opsworks_client`] takes for granted.
#[derive(Clone)]
pub struct InProcess {
    /// ARN that the service sees as [`Caller`].
    pub caller_arn: String,
    /// Region of the client; the service does not see it.
    pub region: String,
    /// Where invocation ids come from. An id must not come again for the same caller and action within 15 minutes: the API would
    /// take the call for a repeat [WIRE-15]. So clients that share a caller share this too, also when a client is made anew.
    pub ids: Arc<dyn Ids>,
    /// Seed of the waits before retries.
    pub seed: u64,
    /// Virtual time that each attempt takes on its way to the service.
    pub latency: Duration,
}

/// A client of `service` in `us-east-1`, called by `caller_arn`, without latency.
///
/// Its invocation ids depend on `seed` and `caller_arn` alone, so there must be only one client of both in a world: see
/// [`InProcess::ids`], and [`InProcess::client`] for several.
pub fn opsworks_client(service: Arc<dyn HttpService>, caller_arn: &str, clock: Arc<dyn Clock>, seed: u64) -> Client {
    let ids = Arc::new(SeededIds::new(seed, &format!("opsworks-client/{caller_arn}")));
    InProcess { caller_arn: caller_arn.to_owned(), region: "us-east-1".to_owned(), ids, seed, latency: Duration::ZERO }
        .client(service, clock)
}

impl InProcess {
    /// A client of `service` whose time is `clock`'s.
    pub fn client(&self, service: Arc<dyn HttpService>, clock: Arc<dyn Clock>) -> Client {
        let caller = Caller { arn: self.caller_arn.clone() };
        let connector = SharedHttpConnector::new(Connector { service, caller, latency: self.latency });
        let waits =
            Waits { rng: Arc::new(Mutex::new(rng::stream(self.seed, &format!("opsworks-client/waits/{}", self.caller_arn)))) };
        let quota = RetryPartition::custom("in-process").token_bucket(TokenBucket::new(RETRY_QUOTA)).build();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url("http://opsworks.local")
            .http_client(Transport { connector })
            .auth_scheme_resolver(Unsigned)
            .time_source(ClockTime(clock))
            .sleep_impl(waits)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .retry_partition(quota)
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .invocation_id_generator(InvocationIds(self.ids.clone()))
            .build();
        Client::from_conf(config)
    }
}

/// The clock as the SDK wants it.
struct ClockTime(Arc<dyn Clock>);

impl TimeSource for ClockTime {
    fn now(&self) -> SystemTime {
        // Every timestamp is a system time on the platforms that Rust's standard library has; the SDK offers no way to fail.
        SystemTime::try_from(self.0.now()).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// Waits before retries.
#[derive(Clone, Debug)]
struct Waits {
    rng: Arc<Mutex<ChaCha8Rng>>,
}

impl AsyncSleep for Waits {
    /// With no timeouts set, all that the SDK sleeps for is a retry; what it asks for is jittered and therefore not heeded.
    fn sleep(&self, _jittered: Duration) -> Sleep {
        let millis = rng::below(&mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner), LONGEST_WAIT_MS + 1);
        Sleep::new(tokio::time::sleep(Duration::from_millis(millis)))
    }
}

/// The ids as the SDK wants them.
struct InvocationIds(Arc<dyn Ids>);

impl InvocationIdGenerator for InvocationIds {
    fn generate(&self) -> Result<Option<InvocationId>, BoxError> {
        Ok(Some(InvocationId::new(self.0.uuid())))
    }
}

/// Chooses the scheme that signs nothing.
#[derive(Debug)]
struct Unsigned;

impl ResolveAuthScheme for Unsigned {
    fn resolve_auth_scheme<'a>(
        &'a self,
        _: &'a Params,
        _: &'a ConfigBag,
        _: &'a RuntimeComponents,
    ) -> AuthSchemeOptionsFuture<'a> {
        AuthSchemeOptionsFuture::ready(Ok(vec![AuthSchemeOption::from(AuthSchemeId::new("noAuth"))]))
    }
}

/// Gives every request the one connector.
#[derive(Debug)]
struct Transport {
    connector: SharedHttpConnector,
}

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.connector.clone()
    }
}

/// Calls the service.
#[derive(Clone)]
struct Connector {
    service: Arc<dyn HttpService>,
    caller: Caller,
    latency: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { service, caller, latency } = self.clone();
        HttpConnectorFuture::new(async move {
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            let response = service.call(to_service(request, caller)?).await;
            HttpResponse::try_from(response.map(SdkBody::from)).map_err(|e| ConnectorError::other(e.into(), None))
        })
    }
}

/// The SDK's request as the service takes it.
fn to_service(request: HttpRequest, caller: Caller) -> Result<http::Request<Bytes>, ConnectorError> {
    let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
    let (mut parts, body) = request.into_parts();
    let body = body.bytes().ok_or_else(|| ConnectorError::user("a streamed body has no place in the OpsWorks API".into()))?;
    let body = Bytes::copy_from_slice(body);
    parts.headers.remove("x-amz-user-agent");
    parts.headers.insert(USER_AGENT, HeaderValue::from_static("strata-in-process"));
    parts.extensions.clear();
    parts.extensions.insert(caller);
    Ok(http::Request::from_parts(parts, body))
}

/// These hold trait objects that have no `Debug`, which the SDK asks for.
macro_rules! debug_by_name {
    ($($name:ident),*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}
debug_by_name!(InProcess, ClockTime, InvocationIds, Connector);
