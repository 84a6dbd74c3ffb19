//! HTTP(S) as the CLI speaks it: the AWS SDK's own connector, so that there is one TLS stack.

use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response};

use crate::endpoint::Endpoint;

/// To be connected takes at most so long; a host that is down should be told within seconds.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connector to `endpoint`. Answers have to begin within `read_timeout`.
///
/// `HTTPS_PROXY` and `NO_PROXY` are heeded, as the AWS CLI does, except towards this machine.
pub(crate) fn connector(endpoint: &Endpoint, read_timeout: Duration) -> SharedHttpConnector {
    let way = if endpoint.is_loopback() { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
    by(way, read_timeout)
}

/// A connector that heeds no proxy: to what is on this machine alone.
pub(crate) fn unproxied(read_timeout: Duration) -> SharedHttpConnector {
    by(ProxyConfig::disabled(), read_timeout)
}

fn by(way: ProxyConfig, read_timeout: Duration) -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(read_timeout).build();
    let connector = Connector::builder()
        .connector_settings(settings)
        .proxy_config(way)
        .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
        .build();
    SharedHttpConnector::new(connector)
}

/// Sends a request once.
///
/// # Errors
/// One text with the chain of causes: no connection, no answer in time, or an answer that is not HTTP.
pub(crate) async fn send(connector: &SharedHttpConnector, request: Request<Bytes>) -> Result<Response<SdkBody>, String> {
    let request = HttpRequest::try_from(request.map(SdkBody::from)).map_err(chain)?;
    let response = connector.call(request).await.map_err(chain)?;
    response.try_into_http1x().map_err(chain)
}

/// An error with all its causes, each told once.
pub(crate) fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
