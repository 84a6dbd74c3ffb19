//! `strata proxy`: lets clients that can only sign for `opsworks` reach an API that takes signatures for `lambda` (docs/spec/api.md, Q1).
//!
//! It listens on loopback, takes only requests that are signed with the user's own credentials ([`check`]) and that no browser has sent
//! ([`guard`]), and forwards them signed anew ([`upstream`]). Nothing is remembered, and nothing of a request is logged.

mod authorization;
mod check;
mod guard;
mod refusal;
mod server;
#[cfg(test)]
mod tests;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;

use strata_local::clock::SystemClock;
use strata_ports::Clock;
use tokio::net::TcpListener;

use crate::args::{Output, ProxyArgs};
use crate::credentials::{AwsPlaces, Keys};
use crate::endpoint::Endpoint;
use crate::signing::Scope;
use crate::{CliError, Exit, write_stdout};

use server::Proxy;
use upstream::Upstream;

/// Runs until Ctrl-C.
///
/// # Errors
/// [`CliError`]: a flag that cannot be used, an address that is taken, or no credentials.
pub fn run(args: &ProxyArgs, output: Output) -> Result<Exit, CliError> {
    let to = Endpoint::parse("--to", &args.to)?;
    let region = region(args.region.as_deref(), &to)?;
    let scope = Scope { service: args.signing_name.clone(), region };
    if !args.listen.ip().is_loopback() {
        return Err(CliError::BadInput(format!(
            "--listen: {} is not a loopback address; expected for example 127.0.0.1:4281",
            args.listen
        )));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| CliError::Failed(anyhow::Error::new(e).context("no threads to run on")))?;
    runtime.block_on(serve(args, to, scope, output))
}

/// The region to sign for: the one that was named, else the URL's own. Towards this machine any will do.
fn region(named: Option<&str>, to: &Endpoint) -> Result<String, CliError> {
    let own = to.region().or_else(|| to.is_loopback().then_some("us-east-1"));
    let region = named.or(own).map(str::to_owned);
    region.ok_or_else(|| {
        CliError::BadInput(format!("--region: {to} does not tell its region; expected for example --region eu-west-1"))
    })
}

async fn serve(args: &ProxyArgs, to: Endpoint, scope: Scope, output: Output) -> Result<Exit, CliError> {
    let clock = Arc::new(SystemClock);
    let listener = bind(args.listen).await?;
    let address = listener.local_addr().map_err(|e| CliError::Failed(anyhow::Error::new(e).context("the listening address")))?;
    if to.is_loopback() && to.port() == Some(address.port()) {
        return Err(CliError::BadInput(format!("--to: {to} is this proxy itself; expected the address of the API")));
    }
    let places = AwsPlaces { profile: args.profile.clone(), machine_role: true };
    let keys = Keys::find(places, clock.now()).await.map_err(|e| CliError::BadInput(e.to_string()))?;
    write_stdout(greeting(address, &to, &scope, output).as_bytes())?;
    let router = Proxy::new(address.port(), keys, Upstream::new(to, scope), clock).router();
    let stop = async {
        // Where Ctrl-C cannot be heard the proxy ends as it does for any other signal.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let ended = axum::serve(listener, router).with_graceful_shutdown(stop).await;
    ended.map_err(|e| CliError::Failed(anyhow::Error::new(e).context("the proxy has stopped")))?;
    Ok(Exit::Done)
}

async fn bind(listen: SocketAddr) -> Result<TcpListener, CliError> {
    let bound = TcpListener::bind(listen).await;
    bound.map_err(|error| {
        CliError::BadInput(format!("--listen: {listen} cannot be listened on: {error}; --listen 127.0.0.1:0 takes a free port"))
    })
}

fn greeting(address: SocketAddr, to: &Endpoint, scope: &Scope, output: Output) -> String {
    let Scope { service, region } = scope;
    match output {
        Output::Table => format!(
            "endpoint  http://{address}\nforwards  to {to}, signed for {service} in {region}\n\n  \
             export AWS_ENDPOINT_URL_OPSWORKS=http://{address}\n\n"
        ),
        Output::Json => {
            let told = serde_json::json!({
                "endpoint": format!("http://{address}"), "to": to.to_string(), "signing_name": service, "region": region
            });
            format!("{told}\n")
        }
    }
}
