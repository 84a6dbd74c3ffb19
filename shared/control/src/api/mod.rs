//! The OpsWorks API: one file per action in `actions/`, the shapes of answers in `wire/`, errors in `error.rs`, permissions in
//! `permission.rs`, transactions in `transaction.rs`.
//!
//! A call goes through these checks in this order [WIRE-13]: caller, known action, JSON, scope, members and values, ids, permission,
//! state rules. The first four stand in this file, the rest in each action, in that order.

mod actions;
mod answer_memory;
mod call;
mod catalogue;
mod checks;
mod config;
mod error;
pub mod extension;
mod front;
mod input;
mod installer;
pub mod model;
mod permission;
mod references;
mod remembered;
mod repeat;
mod resources;
pub mod status;
#[cfg(test)]
mod tests;
mod transaction;
mod wire;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use strata_ports::http_service::Caller;
use strata_ports::{HttpService, Ports};

pub use config::{ApiConfig, LOCAL_CONTROLLER};

use answer_memory::AnswerMemory;
use call::Call;
use error::ApiError;
use extension::Extension;
use input::Input;
use permission::{IamMemory, Principal};
use references::AccountMemory;
use repeat::{RequestKey, Sweeper};

pub use front::{MAX_BODY_BYTES, Refusal};
pub use installer::PATH as INSTALLER_PATH;

/// AWS JSON 1.1.
const AMZ_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");

/// The OpsWorks API over the ports. Answers AWS JSON 1.1 through [`HttpService`]; the request's extensions hold the [`Caller`].
pub struct Api {
    ports: Ports,
    config: ApiConfig,
    sweeper: Sweeper,
    iam: IamMemory,
    account: AccountMemory,
    answers: AnswerMemory,
}

impl Api {
    /// An API over these ports.
    pub fn new(ports: Ports, config: ApiConfig) -> Self {
        let (iam, account, answers) = (IamMemory::default(), AccountMemory::default(), AnswerMemory::default());
        Self { ports, config, sweeper: Sweeper::default(), iam, account, answers }
    }

    /// What every answer has.
    fn complete(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, AMZ_JSON);
        if let Ok(id) = HeaderValue::from_str(&self.ports.ids.uuid()) {
            headers.insert("x-amzn-requestid", id);
        }
        response
    }

    async fn answer(&self, request: &Request<Bytes>) -> Result<Bytes, ApiError> {
        let caller = request.extensions().get::<Caller>().ok_or(ApiError::MissingAuthentication)?;
        let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
        if request.method() != http::Method::POST {
            return Err(ApiError::UnknownOperation(format!("Unknown operation: {} /", request.method())));
        }
        check_content_type(header("content-type"))?;
        let target = header("x-amz-target");
        let extension = Extension::of_target(target);
        let action = extension.map_or_else(|| catalogue::of_target(target), Extension::permission)?;
        let input = Input::parse(request.body())?;
        action.refuse_out_of_scope()?;
        let principal = Principal::of(&caller.arn, &self.config.controller_role_arns);
        let call = Call {
            ports: &self.ports,
            config: &self.config,
            principal,
            action,
            now: self.ports.clock.now(),
            iam: &self.iam,
            account: &self.account,
            answers: &self.answers,
        };
        if let Some(extension) = extension.filter(|extension| extension.is_read()) {
            return Ok(extension.run(&call, &input).await?.body);
        }
        if extension.is_none() && action.is_read() {
            let answer = actions::run(&call, &input).await?;
            if answer.changes.is_empty() {
                return Ok(answer.body);
            }
            // The first look at the own profile makes it [USR-2]: from here on it goes the way of writes.
        }
        let name = extension.map_or(action.name, Extension::name);
        let repeat = RequestKey::of(&caller.arn, name, header("amz-sdk-invocation-id"), self.ports.ids.as_ref());
        let body = transaction::write(call, extension, &input, &repeat).await?;
        self.sweeper.sweep(self.ports.store.as_ref(), self.ports.clock.now()).await;
        Ok(body)
    }
}

/// AWS JSON 1.1, with or without parameters; what names no content type at all is taken for it.
fn check_content_type(header: Option<&str>) -> Result<(), ApiError> {
    let named = header.map(|h| h.split(';').next().unwrap_or_default().trim());
    match named {
        Some(other) if !other.eq_ignore_ascii_case("application/x-amz-json-1.1") => {
            Err(ApiError::Serialization(format!("the content type must be application/x-amz-json-1.1, not \"{other}\"")))
        }
        Some(_) | None => Ok(()),
    }
}

#[async_trait]
impl HttpService for Api {
    async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        if request.method() == http::Method::GET && request.uri().path() == installer::PATH {
            return installer::answer();
        }
        let response = match self.answer(&request).await {
            Ok(body) => Response::new(body),
            Err(error) => error.response(),
        };
        self.complete(response)
    }
}
