//! The loopback endpoint: every path is the API's, except `/_strata/world` and what is below it, by which `strata sim world` asks and adds,
//! and `strata freeze` turns modes, and `/_strata/objects/`, where links to objects lead.

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::routing::{any, get};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use strata_control::{Api, INSTALLER_PATH, MAX_BODY_BYTES, Refusal};
use strata_domain::Ec2InstanceId;
use strata_domain::decision::Function;
use strata_local::cloud::LINK_FOLDER;
use strata_local::{SimCloud, VirtualClock};
use strata_ports::{Clock, HttpService};
use strata_triggers::{CampaignRequest, RequestVerb, emit};

use super::account::{self, Wish};
use super::folder::Folder;
use super::front_door::FrontDoor;
use super::modes::{self, Turn};
use super::motor::{Demand, event};
use crate::sim::world::functions::Functions;

/// Where `strata sim world` asks.
pub(crate) const WORLD_PATH: &str = "/_strata/world";
/// Where modes are.
pub(crate) const MODES_PATH: &str = "/_strata/world/modes";
/// Where the pages are that on-call got.
pub(crate) const PAGES_PATH: &str = "/_strata/world/pages";
/// Below it each machine has its metadata service.
pub(crate) const MACHINES_PATH: &str = "/_strata/world/machines/";

/// What answering takes.
pub(super) struct Served {
    pub(super) api: Arc<Api>,
    pub(super) door: FrontDoor,
    pub(super) cloud: Arc<SimCloud>,
    pub(super) functions: Arc<Functions>,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) demand: Demand,
    pub(super) folder: Folder,
}

pub(super) fn router(served: Arc<Served>) -> Router {
    let objects = format!("{LINK_FOLDER}{{*key}}");
    Router::new()
        .route(WORLD_PATH, get(list).post(wish))
        .route(MODES_PATH, get(list_modes).post(turn_mode))
        .route(PAGES_PATH, get(list_pages))
        .route(&format!("{MACHINES_PATH}{{host}}/latest/{{*path}}"), any(metadata))
        .route(&objects, get(object))
        .fallback(api)
        .with_state(served)
}

/// A call of the API. The caller is told by the front door, never by the client.
async fn api(State(served): State<Arc<Served>>, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if parts.method == Method::GET && parts.uri.path() == INSTALLER_PATH {
        // Machines fetch it before they have any credentials.
        return served.api.call(Request::from_parts(parts, Bytes::new())).await.map(Body::from);
    }
    let answer = match (served.door.caller(&parts.headers), read(body).await) {
        (Err(refusal), _) | (Ok(_), Ok(Err(refusal))) => served.api.refuse(&refusal),
        // Nobody is there to read an answer.
        (Ok(_), Err(_)) => Response::new(Bytes::new()),
        (Ok(caller), Ok(Ok(body))) => {
            parts.extensions.clear();
            parts.extensions.insert(caller);
            served.api.call(Request::from_parts(parts, body)).await
        }
    };
    answer.map(Body::from)
}

/// A whole body, however it came; one too large is read to its end and thrown away, since who is cut off while he sends sees a broken
/// connection and no answer.
async fn read(mut body: Body) -> Result<Result<Bytes, Refusal>, axum::Error> {
    let (mut first, mut rest, mut bytes) = (Bytes::new(), BytesMut::new(), 0_u64);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        bytes += data.len() as u64;
        if bytes > MAX_BODY_BYTES as u64 {
            (first, rest) = (Bytes::new(), BytesMut::new());
        } else if bytes == data.len() as u64 {
            // Most bodies are one frame, which is passed on as it is.
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    if bytes > MAX_BODY_BYTES as u64 {
        return Ok(Err(Refusal::TooLarge(bytes)));
    }
    Ok(Ok(if rest.is_empty() { first } else { rest.freeze() }))
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn error(status: StatusCode, what: &str) -> Response<Body> {
    json(status, &serde_json::json!({ "error": what }))
}

/// Keeps web pages out: a browser sends `Origin` with what a page posts, and a page that had its own name point to loopback sends that name.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or_else(|| host.rsplit_once(':').map_or(host, |(name, _)| name), |(address, _)| address);
    let is_loopback =
        name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback && !headers.contains_key(header::ORIGIN)
}

const FOREIGN: &str = "only `strata sim world` on this machine may ask";

/// What a link leads to. A link that is not, or no longer, good is told as S3 tells it.
async fn object(State(served): State<Arc<Served>>, request: Request) -> Response<Body> {
    let uri = request.uri();
    let Some((content_type, bytes)) = served.cloud.linked(uri.path(), uri.query().unwrap_or_default()) else {
        return error(StatusCode::FORBIDDEN, "the link is no longer good, or leads to nothing");
    };
    let mut response = Response::new(Body::from(bytes));
    if let Ok(content_type) = header::HeaderValue::from_str(&content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

async fn list(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response<Body> {
    if !is_local(&headers) {
        return error(StatusCode::FORBIDDEN, FOREIGN);
    }
    json(StatusCode::OK, &account::list(&served.cloud))
}

async fn wish(State(served): State<Arc<Served>>, headers: HeaderMap, request: Request) -> Response<Body> {
    if !is_local(&headers) {
        return error(StatusCode::FORBIDDEN, FOREIGN);
    }
    let wish: Wish = match wanted(request).await {
        Ok(wish) => wish,
        Err(response) => return *response,
    };
    let granted = match &wish {
        Wish::Cpu { layer, percent } => set_cpu(&served, layer, *percent).await,
        Wish::Update { stack, layer } => ask_for_update(&served, stack, layer).await,
        other => account::grant(&served.cloud, other),
    };
    match granted {
        Ok(made) => match served.cloud.keep().await {
            Ok(()) => json(StatusCode::OK, &serde_json::json!({ "made": made })),
            Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, &format!("it could not be saved: {e}")),
        },
        Err(what) => error(StatusCode::BAD_REQUEST, &what),
    }
}

/// What a request asks for, or the answer that it cannot be understood.
async fn wanted<T: serde::de::DeserializeOwned>(request: Request) -> Result<T, Box<Response<Body>>> {
    let bad = |what: &str| Box::new(error(StatusCode::BAD_REQUEST, what));
    match read(request.into_body()).await {
        Ok(Ok(body)) => serde_json::from_slice(&body).map_err(|e| bad(&format!("no wish that this version knows: {e}"))),
        Ok(Err(_)) | Err(_) => Err(bad("the wish cannot be read")),
    }
}

async fn list_modes(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response<Body> {
    if !is_local(&headers) {
        return error(StatusCode::FORBIDDEN, FOREIGN);
    }
    json(StatusCode::OK, &modes::list(&served.cloud))
}

async fn turn_mode(State(served): State<Arc<Served>>, headers: HeaderMap, request: Request) -> Response<Body> {
    if !is_local(&headers) {
        return error(StatusCode::FORBIDDEN, FOREIGN);
    }
    let turn: Turn = match wanted(request).await {
        Ok(turn) => turn,
        Err(response) => return *response,
    };
    match modes::turn(&served.cloud, &served.folder.store, turn).await {
        Ok(()) => match served.cloud.keep().await {
            Ok(()) => json(StatusCode::OK, &serde_json::json!({ "made": "" })),
            Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, &format!("it could not be saved: {e}")),
        },
        Err(what) => error(StatusCode::BAD_REQUEST, &what),
    }
}

/// The pages as SNS delivers them, oldest first.
async fn list_pages(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response<Body> {
    if !is_local(&headers) {
        return error(StatusCode::FORBIDDEN, FOREIGN);
    }
    let notices = served.cloud.notices(0);
    let told: Vec<_> = notices
        .into_iter()
        .map(|(at, message)| {
            serde_json::json!({
                "at": at, "subject": message.subject, "text": message.text, "sms": message.sms, "alarm": message.alarm,
                "attributes": message.attributes.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            })
        })
        .collect();
    json(StatusCode::OK, &told)
}

/// The metadata service of a machine, by IMDSv2: a PUT gives a token, and without it nothing is told.
async fn metadata(
    State(served): State<Arc<Served>>,
    Path((host, path)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    const TOKEN: &str = "c3RyYXRh";
    let host = Ec2InstanceId::from(host);
    let has_token = request.headers().get("x-aws-ec2-metadata-token").is_some_and(|token| token == TOKEN);
    let document = served.cloud.identity_document(&host);
    match (request.method(), path.as_str()) {
        _ if !is_local(request.headers()) => error(StatusCode::FORBIDDEN, FOREIGN),
        _ if !served.cloud.has_host(&host) => error(StatusCode::NOT_FOUND, "there is no machine of this id"),
        (&Method::PUT, "api/token") => Response::new(Body::from(TOKEN)),
        (&Method::GET, _) if !has_token => error(StatusCode::UNAUTHORIZED, "a token is wanted"),
        (&Method::GET, "dynamic/instance-identity/document") => Response::new(Body::from(document)),
        (&Method::GET, "dynamic/instance-identity/signature") => Response::new(Body::from(SimCloud::sign_identity(&document))),
        _ => error(StatusCode::NOT_FOUND, "that is not told here"),
    }
}

/// Hands security-updates the request that an update window sends.
async fn ask_for_update(served: &Served, stack: &str, layer: &str) -> Result<String, String> {
    let now = served.clock.now();
    let request = CampaignRequest {
        verb: RequestVerb::Start,
        stack: stack.to_owned(),
        layer: layer.to_owned(),
        requested_by: "strata sim world".to_owned(),
        reason: None,
        at: now,
    };
    let body = event(now, |e| emit::campaign_request(e, &request));
    let answer = served.functions.invoke(Function::SecurityUpdates, body.as_bytes()).await.map_err(|e| e.to_string())?;
    let decisions = answer.outcome.decisions;
    let did = decisions.first().ok_or_else(|| format!("{stack}/{layer}: there is no such layer, or an update is under way"))?;
    Ok(format!("{}: {}; {}", did.subject, did.did, did.why))
}

async fn set_cpu(served: &Served, layer: &strata_domain::LayerId, percent: f64) -> Result<String, String> {
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("{percent}: expected a CPU percentage from 0 to 100"));
    }
    let owner = strata_ports::keys::pointer(layer.as_str());
    let found = strata_ports::Store::get(&*served.folder.store, &owner).await.map_err(|e| e.to_string())?;
    if found.is_none() {
        return Err(format!("{layer}: there is no layer of that id; `aws opsworks describe-layers` lists them"));
    }
    let mut demand = served.demand.lock().unwrap_or_else(PoisonError::into_inner);
    let mut changed = demand.clone();
    changed.insert(layer.clone(), percent);
    served.folder.set_demand(&changed).map_err(|e| format!("it could not be saved: {e}"))?;
    *demand = changed;
    Ok(format!("layer {layer} shows {percent} % CPU from the next minute on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_without_an_origin_are_local() {
        for (host, origin, expected) in [
            ("127.0.0.1:4280", None, true),
            ("localhost:4280", None, true),
            ("[::1]:4280", None, true),
            ("127.0.0.1", None, true),
            ("evil.example:4280", None, false),
            ("127.0.0.1.evil.example:4280", None, false),
            ("10.0.0.1:4280", None, false),
            ("", None, false),
            ("localhost:4280", Some("http://localhost:4280"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, header::HeaderValue::from_static(origin));
            }
            assert_eq!(is_local(&headers), expected, "{host} {origin:?}");
        }
    }

    /// What is served when `path` is fetched as curl fetches it.
    async fn fetch(address: std::net::SocketAddr, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_link_to_an_object_leads_to_it_without_credentials_also_after_a_restart() {
        use strata_ports::Objects;
        let data = tempfile::tempdir().unwrap();
        let key = "installer/a b+c.tgz";
        for is_restarted in [false, true] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let args = crate::args::ServeArgs { data: data.path().to_owned(), listen: address.to_string(), speed: 1, keys: None };
            let (served, _motor) = super::super::open(&args, None, &format!("http://{address}")).await.unwrap();
            let cloud = served.cloud.clone();
            let server = tokio::spawn(axum::serve(listener, router(served)).into_future());
            if !is_restarted {
                cloud.put(key, Bytes::from_static(b"the installer"), "application/gzip").await.unwrap();
            }
            let link = cloud.link(key, jiff::SignedDuration::from_mins(5)).await.unwrap();
            let path = link.strip_prefix(&format!("http://{address}")).unwrap();
            let answer = fetch(address, path).await;
            assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\nthe installer"), "{answer}");
            assert!(answer.contains("content-type: application/gzip"), "{answer}");
            let (before, _) = path.split_once('?').unwrap();
            for bad in [before.to_owned(), format!("{before}?until=1"), format!("{LINK_FOLDER}other?until=99999999999")] {
                assert!(fetch(address, &bad).await.starts_with("HTTP/1.0 403"), "{bad}");
            }
            server.abort();
            drop((server.await, cloud));
        }
    }

    #[tokio::test]
    async fn a_body_of_any_size_is_read_to_its_end_and_the_largest_allowed_one_is_kept() {
        for (bytes, expected) in [
            (0, Ok(0)),
            (MAX_BODY_BYTES, Ok(MAX_BODY_BYTES)),
            (MAX_BODY_BYTES + 1, Err(Refusal::TooLarge(MAX_BODY_BYTES as u64 + 1))),
        ] {
            assert_eq!(read(Body::from(vec![b' '; bytes])).await.unwrap().map(|body| body.len()), expected);
        }
    }
}
