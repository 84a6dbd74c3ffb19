//! A request's way through the proxy: admitted, read, checked, signed again, answered.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::request::Parts;
use strata_ports::Clock;
use tokio::sync::Semaphore;

use super::authorization::Claim;
use super::refusal::{Kind, Refusal};
use super::upstream::Upstream;
use super::{check, guard};
use crate::credentials::{Keys, NoCredentials};

/// At most so many bytes in a request, as the API itself has it.
const MAX_BYTES: usize = 6_000_000;
/// Of a body that is not wanted so much is read and thrown away: a client that is still writing when the connection closes never sees the
/// answer.
const MAX_THROWN_AWAY: usize = 4 * MAX_BYTES;
/// A body takes at most so long.
const LONGEST_READ: Duration = Duration::from_secs(30);
/// So many requests at once; the others wait. It bounds the memory that bodies take.
const AT_ONCE: usize = 64;

/// What requests need.
pub(super) struct Proxy {
    pub(super) port: u16,
    pub(super) keys: Keys,
    pub(super) upstream: Upstream,
    pub(super) clock: Arc<dyn Clock>,
    places: Semaphore,
}

impl Proxy {
    pub(super) fn new(port: u16, keys: Keys, upstream: Upstream, clock: Arc<dyn Clock>) -> Self {
        Self { port, keys, upstream, clock, places: Semaphore::new(AT_ONCE) }
    }

    /// The server; whatever the path, it is one service.
    pub(super) fn router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }

    async fn handle(&self, request: Request) -> Result<Response, Refusal> {
        let _place = self.places.acquire().await.map_err(|_| Kind::ServiceUnavailable.because("strata proxy is going down"))?;
        let (head, body) = request.into_parts();
        let admitted = self.admit(&head).await;
        let body = read(body, admitted.is_ok()).await;
        let (claim, own) = admitted?;
        let body = body?;
        check::body(&head, &body)?;
        check::signature(&claim, &head, &body, &own)?;
        self.upstream.forward(&head, body, &own, self.clock.now()).await
    }

    /// All that can be told before the body is read.
    async fn admit(&self, head: &Parts) -> Result<(Claim, Credentials), Refusal> {
        guard::admit(head, self.port)?;
        let claim = Claim::read(head)?;
        let now = self.clock.now();
        check::time(&claim, now)?;
        let own = self.keys.for_caller(&claim.access_key_id, now).await.map_err(|e| without_credentials(&e))?;
        check::identity(&claim, head, &own)?;
        Ok((claim, own))
    }
}

async fn answer(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let answer = proxy.handle(request).await;
    answer.unwrap_or_else(|refusal| {
        tracing::info!(error.kind = ?refusal.kind, error.message = refusal.message, "not forwarded");
        refusal.response()
    })
}

fn without_credentials(error: &NoCredentials) -> Refusal {
    Kind::ExpiredToken.because(format!("strata proxy: {error}"))
}

/// Reads a body; one that is not to be kept is thrown away as it comes.
async fn read(body: Body, keep: bool) -> Result<Bytes, Refusal> {
    let broken = |why: &str| Kind::Serialization.because(format!("the body could not be read: {why}"));
    match tokio::time::timeout(LONGEST_READ, read_all(body, keep)).await {
        Ok(Ok((_, size))) if size > MAX_BYTES => {
            Err(Kind::Serialization.because(format!("the body has more than {MAX_BYTES} bytes; at most so many are read")))
        }
        Ok(Ok((body, _))) => Ok(body),
        Ok(Err(error)) => Err(broken(&crate::transport::chain(error))),
        Err(_) => Err(broken(&format!("it was not whole after {} s", LONGEST_READ.as_secs()))),
    }
}

/// The body as far as it is kept, and the bytes that were read.
async fn read_all(body: Body, keep: bool) -> Result<(Bytes, usize), axum::Error> {
    let (mut kept, mut size) = (BytesMut::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        size += chunk.len();
        if keep && size <= MAX_BYTES {
            kept.extend_from_slice(&chunk);
        } else {
            kept = BytesMut::new();
        }
        if size > MAX_THROWN_AWAY {
            break;
        }
    }
    Ok((kept.freeze(), size))
}
