//! ECS and SSM of the simulated cloud on a free loopback port, for `cargo xtask e2e`. Prints where it listens; ends when its standard input
//! does, so that it never outlives whoever started it.
#![expect(clippy::print_stdout, reason = "whoever starts it reads where it listens")]

use std::io::Read;

use strata_local::SystemClock;
use strata_ports::Clock;
use strata_tests::cloud_endpoint::{Served, quick_cloud, router};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let served = Served::new(quick_cloud(), SystemClock.now());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let (alone, left) = oneshot::channel();
    std::thread::spawn(move || {
        // Whether it ends or breaks: nobody is there any more.
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        _ = alone.send(());
    });
    tokio::select! {
        ended = axum::serve(listener, router(served.clone())) => Ok(ended?),
        () = served.live() => Ok(()),
        _ = left => Ok(()),
    }
}
