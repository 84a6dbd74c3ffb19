//! `strata sim world`: what the served world's account has, and adding to it, over loopback HTTP.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::serve::account::{Listing, Wish};
use super::serve::folder::endpoint_file;
use super::serve::http::{MODES_PATH, PAGES_PATH, WORLD_PATH};
use super::serve::modes::Turn;
use crate::args::{Output, WorldAdd, WorldArgs, WorldChange, WorldCommand};
use crate::endpoint::Endpoint;
use crate::{CliError, Exit};

/// A server on this machine that says nothing for so long has a trouble.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Made {
    made: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

/// Lists, adds, or sets a layer's CPU.
///
/// # Errors
/// Bad input: what is asked for cannot be. Failed: no server is running there, or it failed.
pub fn world(args: &WorldArgs, output: Output) -> Result<Exit, CliError> {
    let json = args.json || output == Output::Json;
    let endpoint = endpoint(args)?;
    let text = match &args.command {
        None => {
            let listing: Listing = ask(&endpoint, "GET", WORLD_PATH, "")?;
            if json { serde_json::to_string(&listing).map_err(|e| CliError::Failed(e.into()))? + "\n" } else { table(&listing) }
        }
        Some(WorldCommand::Pages) => pages(&endpoint, json)?,
        Some(WorldCommand::Change(command)) => told(make(&endpoint, &wish(command))?, json),
    };
    crate::write_stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

fn told(made: String, json: bool) -> String {
    if json { serde_json::json!({ "made": made }).to_string() + "\n" } else { made + "\n" }
}

fn wish(command: &WorldChange) -> Wish {
    match command.clone() {
        WorldChange::Cpu { layer, percent } => Wish::Cpu { layer: layer.into(), percent },
        WorldChange::Hang { instance } => Wish::Hang { instance: instance.into() },
        WorldChange::Terminate { instance } => Wish::Terminate { instance: instance.into() },
        WorldChange::Update { stack, layer } => Wish::Update { stack, layer },
        WorldChange::Add { what } => addition(what),
    }
}

fn addition(what: WorldAdd) -> Wish {
    match what {
        WorldAdd::Cluster { name } => Wish::Cluster { name },
        WorldAdd::Volume { zone, size } => Wish::Volume { zone, size },
        WorldAdd::ElasticIp => Wish::ElasticIp {},
        WorldAdd::LoadBalancer { name } => Wish::LoadBalancer { name },
        WorldAdd::Machine => Wish::Machine {},
        WorldAdd::User { name } => Wish::User { name },
        WorldAdd::Role { name, allow } => Wish::Role { name, allow },
        WorldAdd::Service { cluster, name, count } => Wish::Service { cluster, name, count },
        WorldAdd::Task { cluster, count } => Wish::Task { cluster, count },
    }
}

/// A page as it was delivered; what a program gets is passed on as it stands.
#[derive(Deserialize)]
struct PageSeen {
    subject: String,
    text: String,
}

fn pages(authority: &str, json: bool) -> Result<String, CliError> {
    let pages: Vec<serde_json::Value> = ask(authority, "GET", PAGES_PATH, "")?;
    if json {
        return Ok(format!("{}\n", serde_json::Value::from(pages)));
    }
    if pages.is_empty() {
        return Ok("nobody was paged\n".to_owned());
    }
    let failed = |e: serde_json::Error| CliError::Failed(e.into());
    let seen: Vec<PageSeen> = pages.into_iter().map(serde_json::from_value).collect::<Result<_, _>>().map_err(failed)?;
    Ok(seen.iter().map(|page| format!("Subject: {}\n\n{}", page.subject, page.text)).collect::<Vec<_>>().join("\n"))
}

/// Has a running server make something, and gives what it made.
///
/// # Errors
/// Bad input: it cannot be. Failed: no server is running there, or it failed.
pub(crate) fn make(authority: &str, wish: &Wish) -> Result<String, CliError> {
    let wish = serde_json::to_string(wish).map_err(|e| CliError::Failed(e.into()))?;
    Ok(ask::<Made>(authority, "POST", WORLD_PATH, &wish)?.made)
}

/// Whether a world is served there.
fn is_served(authority: &str) -> bool {
    ask::<Listing>(authority, "GET", WORLD_PATH, "").is_ok()
}

/// What the account of a running server's world has.
///
/// # Errors
/// As [`make`].
pub(crate) fn account(authority: &str) -> Result<Listing, CliError> {
    ask(authority, "GET", WORLD_PATH, "")
}

/// The authority of the world behind an endpoint on this machine; `None`: it is no world.
pub(crate) fn world_behind(endpoint: &Endpoint) -> Option<String> {
    let authority = endpoint.to_string().strip_prefix("http://")?.to_owned();
    (endpoint.is_loopback() && is_served(&authority)).then_some(authority)
}

/// The modes that are set in a running server's world.
///
/// # Errors
/// As [`make`].
pub(crate) fn modes(authority: &str) -> Result<Vec<Turn>, CliError> {
    ask(authority, "GET", MODES_PATH, "")
}

/// Turns a mode in a running server's world.
///
/// # Errors
/// As [`make`].
pub(crate) fn turn(authority: &str, turn: &Turn) -> Result<(), CliError> {
    let turn = serde_json::to_string(turn).map_err(|e| CliError::Failed(e.into()))?;
    ask::<Made>(authority, "POST", MODES_PATH, &turn).map(drop)
}

/// Host and port of the running server.
fn endpoint(args: &WorldArgs) -> Result<String, CliError> {
    let url = match &args.endpoint {
        Some(url) => url.clone(),
        None => std::fs::read_to_string(endpoint_file(&args.data)).map_err(|_| nobody(&format!("in {}", args.data.display())))?,
    };
    let authority = url.trim().strip_prefix("http://").map(|rest| rest.trim_end_matches('/').to_owned());
    let is_plain = |a: &String| !a.is_empty() && !a.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
    authority
        .filter(is_plain)
        .ok_or_else(|| CliError::BadInput(format!("--endpoint {}: expected a URL such as http://127.0.0.1:4280", url.trim())))
}

fn nobody(place: &str) -> CliError {
    CliError::Failed(anyhow::anyhow!(
        "no world is served {place}: start one with `strata sim serve`, or name it with --endpoint or --data"
    ))
}

/// One request, one answer, one connection.
fn ask<T: DeserializeOwned>(authority: &str, method: &str, path: &str, body: &str) -> Result<T, CliError> {
    let absent = |_| nobody(&format!("at http://{authority}"));
    let address = authority.to_socket_addrs().map_err(absent)?.next();
    let address = address.ok_or_else(|| nobody(&format!("at http://{authority}")))?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(absent)?;
    let answer = exchange(stream, authority, &format!("{method} {path}"), body)
        .map_err(|e| CliError::Failed(anyhow::Error::new(e).context(format!("http://{authority} did not answer"))))?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    if head.split(' ').nth(1) == Some("200")
        && let Ok(read) = serde_json::from_str(body)
    {
        return Ok(read);
    }
    Err(match serde_json::from_str::<Refused>(body) {
        Ok(refused) => CliError::BadInput(refused.error),
        Err(_) => CliError::Failed(anyhow::anyhow!("http://{authority} is not a world of this version of `strata sim serve`")),
    })
}

fn exchange(mut stream: TcpStream, authority: &str, line: &str, body: &str) -> std::io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!("{line} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn table(listing: &Listing) -> String {
    let one = |value: &String| vec![value.clone()];
    [
        ("account", one(&listing.account_id)),
        ("VPC", one(&listing.vpc_id)),
        ("subnets", listing.subnet_ids.clone()),
        ("clusters", listing.cluster_arns.clone()),
        ("volumes", listing.volume_ids.clone()),
        ("Elastic IPs", listing.elastic_ips.clone()),
        ("load balancers", listing.load_balancers.clone()),
        ("users", listing.user_arns.clone()),
        ("service role", one(&listing.service_role_arn)),
        ("instance profile", one(&listing.instance_profile_arn)),
    ]
    .iter()
    .flat_map(|(name, values)| {
        values.iter().enumerate().map(move |(n, value)| format!("{:17} {value}\n", if n == 0 { *name } else { "" }))
    })
    .collect()
}
