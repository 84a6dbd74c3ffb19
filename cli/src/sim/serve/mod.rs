//! `strata sim serve`: the simulated world in real time behind a loopback endpoint, its data in one folder.
//!
//! [`folder`] is what is on disk, [`motor`] lets the world go on, [`http`] answers, [`front_door`] and [`keys`] tell who calls, [`account`]
//! is what the simulated account has, [`modes`] what on-call has set.

pub(crate) mod account;
pub(in crate::sim) mod folder;
mod front_door;
pub(crate) mod http;
mod keys;
pub(crate) mod modes;
mod motor;

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::serve::ListenerExt;
use strata_control::{Api, ApiConfig, LOCAL_CONTROLLER};
use strata_local::cloud::Policy;
use strata_local::{CloudConfig, RandomIds, SimCloud, SystemClock, VirtualClock};
use strata_ports::{Clock, HttpService, Ports};
use tokio::net::TcpListener;

use self::account::REGION;
use self::folder::Folder;
use self::front_door::FrontDoor;
use self::http::Served;
use self::keys::Keys;
use self::motor::Motor;
use super::world::functions::Functions;
use crate::args::ServeArgs;
use crate::{CliError, Exit};

/// Requests that are under way when the server is told to stop may take so long.
const GRACE: Duration = Duration::from_secs(3);

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// Bad input: address, keys file or folder cannot be used. Failed: the port is taken, the folder is in use, or the disk failed.
pub fn serve(args: &ServeArgs) -> Result<Exit, CliError> {
    let address = loopback(&args.listen)?;
    let keys = args.keys.as_deref().map(Keys::read).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    let outcome = runtime.block_on(run(args, address, keys));
    // What still runs may be cut off at any point: all that counts is on disk.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// The address to listen on, which nobody beyond this machine may reach.
fn loopback(listen: &str) -> Result<SocketAddr, CliError> {
    let bad =
        |what: &str| CliError::BadInput(format!("--listen {listen}: {what}, expected a loopback address such as 127.0.0.1:4280"));
    let mut addresses = listen.to_socket_addrs().map_err(|_| bad("is no address with a port"))?;
    let address = addresses.next().ok_or_else(|| bad("is no address with a port"))?;
    if !address.ip().is_loopback() {
        return Err(bad("could be reached from other machines, and anybody who reaches it may do everything"));
    }
    Ok(address)
}

async fn run(args: &ServeArgs, address: SocketAddr, keys: Option<Keys>) -> Result<Exit, CliError> {
    let listener = TcpListener::bind(address).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => CliError::Failed(anyhow::anyhow!(
            "--listen {address}: the port is taken by another process: stop it, or choose another one, such as 127.0.0.1:0 for any"
        )),
        _ => CliError::Failed(anyhow::Error::new(e).context(format!("--listen {address}: cannot be listened on"))),
    })?;
    let endpoint = format!("http://{}", listener.local_addr().map_err(|e| CliError::Failed(e.into()))?);
    // The signals are caught before anything is announced, so that who reads the announcement can end it cleanly.
    let mut stop = Stop::new().map_err(|e| CliError::Failed(e.into()))?;
    let (served, motor) = open(args, keys, &endpoint).await?;
    served.folder.announce(&endpoint)?;
    let (tell, mut told) = tokio::sync::watch::channel(false);
    let graceful = async move { drop(told.wait_for(|stopped| *stopped).await) };
    let listener = listener.tap_io(|stream| {
        // Without it small answers wait for the client's acknowledgement; if it cannot be set they are only slower.
        drop(stream.set_nodelay(true));
    });
    let server = tokio::spawn(async move {
        let router = http::router(served.clone());
        let served_to_the_end = axum::serve(listener, router).with_graceful_shutdown(graceful).await;
        (served, served_to_the_end)
    });
    crate::write_stdout(announcement(&endpoint).as_bytes())?;
    let failure = tokio::select! {
        () = stop.asked() => None,
        failed = motor.run() => failed.err(),
    };
    tell.send_replace(true);
    let server = tokio::time::timeout(GRACE, server).await;
    if let Some(failure) = failure {
        return Err(CliError::Failed(failure.context("the world cannot go on")));
    }
    if let Ok(Ok((served, _))) = server {
        served.cloud.keep().await.map_err(|e| CliError::Failed(anyhow::Error::new(e).context("the cloud cannot be saved")))?;
        served.folder.withdraw();
    }
    Ok(Exit::Done)
}

/// The three lines that a user needs.
fn announcement(endpoint: &str) -> String {
    format!(
        "The simulated OpsWorks is served at {endpoint}\n  export AWS_ENDPOINT_URL_OPSWORKS={endpoint}\n  \
         aws opsworks describe-stacks --region {REGION}\n"
    )
}

/// SIGINT and SIGTERM.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(unix)]
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn asked(&mut self) {
        drop(tokio::signal::ctrl_c().await);
    }
}

/// Opens the folder and wakes what is in it, or makes a fresh world.
async fn open(args: &ServeArgs, keys: Option<Keys>, endpoint: &str) -> Result<(Arc<Served>, Motor), CliError> {
    let failed = |e: anyhow::Error| CliError::Failed(e);
    let folder = Folder::open(&args.data)?;
    let saved = folder.saved()?;
    let last_commit = folder.store.last_commit().map_err(|e| failed(e.into()))?;
    // The world has lived on meanwhile as the machine has, and it never goes back: it may have run ahead of the machine.
    let now = [last_commit, saved.as_ref().map(|s| s.at())].into_iter().flatten().fold(SystemClock.now(), jiff::Timestamp::max);
    let clock = Arc::new(VirtualClock::at_speed(now, NonZeroU32::new(args.speed).unwrap_or(NonZeroU32::MIN)));
    folder.store.stamp_with(clock.clone());
    let cloud = match saved {
        Some(saved) => saved.wake(clock.clone()),
        None => {
            let cloud = SimCloud::new(CloudConfig::default(), 1, clock.clone());
            account::furnish(&cloud);
            cloud
        }
    };
    grant_policies(&cloud, keys.as_ref());
    cloud.serve_objects_at(endpoint);
    cloud.keep_in(folder.cloud.clone());
    cloud.keep().await.map_err(|e| failed(anyhow::Error::new(e).context("the cloud cannot be saved")))?;
    let demand = Arc::new(Mutex::new(folder.demand()?));
    let (api, functions) = wire(&cloud.ports(folder.store.clone(), Arc::new(RandomIds)), clock.clone(), endpoint);
    let door = FrontDoor::new(REGION, &account::root_arn(), keys);
    let motor = Motor::new(clock.clone(), cloud.clone(), folder.store.clone(), functions.clone(), demand.clone());
    Ok((Arc::new(Served { api, door, cloud, functions, clock, demand, folder }), motor))
}

/// What IAM says: the root may do everything, others what the keys file says, and everything if it says nothing of anybody.
fn grant_policies(cloud: &SimCloud, keys: Option<&Keys>) {
    cloud.set_policy(&account::root_arn(), Policy::administrator());
    cloud.set_closed(keys.is_some_and(|k| !k.policies.is_empty()));
    for (arn, policy) in keys.iter().flat_map(|k| &k.policies) {
        cloud.set_policy(arn, policy.clone());
    }
}

/// The API, and the functions that reach it in process.
fn wire(ports: &Ports, clock: Arc<VirtualClock>, endpoint: &str) -> (Arc<Api>, Arc<Functions>) {
    let config = ApiConfig { public_url: Some(endpoint.to_owned()), ..ApiConfig::default() };
    let api = Arc::new(Api::new(ports.clone(), config));
    let service: Arc<dyn HttpService> = api.clone();
    let client = strata_local::InProcess {
        caller_arn: LOCAL_CONTROLLER.to_owned(),
        region: REGION.to_owned(),
        // Random ones: seeded ones would come again after a restart, and the API would take calls for repeats [WIRE-15].
        ids: Arc::new(RandomIds),
        seed: 1,
        latency: Duration::ZERO,
    }
    .client(service, clock);
    let functions = Arc::new(Functions::new(|_| ports.clone(), api.clone(), client));
    (api, functions)
}
