//! ECS and SSM over HTTP, from the simulated cloud: what the servers of the end-to-end test lack, namely container instances that drain and
//! commands that come to something.
//!
//! Both services speak JSON 1.1 with a target header. Machines are EC2's, which is another server: whoever runs the test tells their power
//! at `/_strata/machines`, and takes what the cloud has told from `/_strata/emissions`. Signatures are not looked at. The clock is the
//! machine's.

mod ecs;
mod machines;
mod ssm;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::{Value, json};
use strata_local::cloud::{ApiSettings, BucketSize, CloudWatchSettings, Ec2Settings, EcsSettings, Spread, SsmSettings};
use strata_local::{CloudConfig, SimCloud, VirtualClock};
use strata_ports::{Clock, CloudError, StackScope};

/// What answering takes.
pub struct Served {
    cloud: Arc<SimCloud>,
    clock: Arc<VirtualClock>,
    scope: StackScope,
    remembered: Mutex<Remembered>,
}

/// What the two services' clients want to hear again and the cloud's ports do not tell.
#[derive(Default)]
struct Remembered {
    commands: Vec<ssm::Sent>,
    parameters: BTreeMap<String, ssm::Parameter>,
    /// On which container instance a task was seen, by ARN.
    tasks: BTreeMap<String, String>,
    emissions: Vec<Value>,
}

/// A service's no.
#[derive(Debug)]
struct Failure {
    status: StatusCode,
    code: String,
    message: String,
}

impl Failure {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: code.to_owned(), message: message.into() }
    }
}

impl From<CloudError> for Failure {
    fn from(error: CloudError) -> Self {
        let message = error.to_string();
        match error {
            CloudError::Wrong { code, .. } | CloudError::Refused { code, .. } => Self::new(&code, message),
            CloudError::RetryLater { .. } => Self::new("ThrottlingException", message),
            CloudError::OutcomeUnknown { .. } => {
                Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "ServerException".to_owned(), message }
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "__type": self.code, "message": self.message });
        (self.status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string()).into_response()
    }
}

/// A cloud in which things take a second or less, so that a test in real time does not wait for what it does not show.
pub fn quick_cloud() -> CloudConfig {
    let ms = Spread::fixed_ms;
    let many = BucketSize { burst: 100_000, per_second: 100_000 };
    CloudConfig {
        ec2: Ec2Settings {
            zones: Vec::new(),
            pending: ms(0),
            boot: ms(500),
            stop: ms(0),
            stop_hung: ms(0),
            terminate: ms(0),
            reboot: ms(500),
            describe_lag: ms(0),
            ..Ec2Settings::default()
        },
        ssm: SsmSettings {
            ping_ms: 5_000,
            delivery: ms(100),
            setup: ms(1_000),
            setup_updates: ms(500),
            shutdown: ms(200),
            configure: ms(200),
            update: ms(1_000),
            update_reboot_per_mille: 1_000,
            ..SsmSettings::default()
        },
        ecs: EcsSettings {
            task_start: ms(300),
            task_stop: ms(300),
            task_stop_unreachable_ms: 300,
            scheduler_ms: 100,
            agent_connect: ms(300),
            ..EcsSettings::default()
        },
        cloudwatch: CloudWatchSettings { evaluation: ms(100) },
        api: ApiSettings {
            read_latency: ms(0),
            write_latency: ms(0),
            run_instances: many,
            start_instances: many,
            ec2_mutating: many,
            ec2_describe: many,
            ..ApiSettings::default()
        },
        ..CloudConfig::default()
    }
}

impl Served {
    /// A cloud with nothing in it. To be called on the runtime that will serve it.
    pub fn new(config: CloudConfig, start: Timestamp) -> Arc<Self> {
        let clock = Arc::new(VirtualClock::new(start));
        let scope = StackScope {
            stack_id: "".into(),
            region: config.region.clone(),
            service_role_arn: format!("arn:aws:iam::{}:role/any", config.account),
        };
        let cloud = SimCloud::new(config, 1, clock.clone());
        Arc::new(Self { cloud, clock, scope, remembered: Mutex::default() })
    }

    /// Lets the cloud do what it does by itself, and keeps what it tells; never returns.
    pub async fn live(self: Arc<Self>) {
        loop {
            for emission in self.cloud.advance(self.clock.now()) {
                let event = serde_json::from_str(&emission.body).unwrap_or(Value::Null);
                self.remembered().emissions.push(event);
            }
            let due = self.cloud.next_due().unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = self.cloud.changed().notified() => {}
                () = self.clock.sleep_until(due) => {}
            }
        }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, target: &str, parameters: &Value) -> Result<Value, Failure> {
        let (service, operation) = target.rsplit_once('.').unwrap_or_default();
        match service {
            "AmazonEC2ContainerServiceV20141113" => ecs::answer(self, operation, parameters).await,
            "AmazonSSM" => ssm::answer(self, operation, parameters).await,
            _ => Err(unknown(target)),
        }
    }
}

/// The endpoint.
pub fn router(served: Arc<Served>) -> Router {
    Router::new()
        .route("/", post(call))
        .route("/_strata/machines", post(machines::follow))
        .route("/_strata/emissions", get(emissions))
        .with_state(served)
}

async fn call(State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parameters = match serde_json::from_slice::<Value>(&body) {
        Ok(parameters @ Value::Object(_)) => parameters,
        Ok(_) | Err(_) => return Failure::new("SerializationException", "the body is no JSON object").into_response(),
    };
    match served.answer(target, &parameters).await {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/x-amz-json-1.1")], answer.to_string()).into_response(),
        Err(failure) => failure.into_response(),
    }
}

/// What was told since the last look, in AWS's exact JSON.
async fn emissions(State(served): State<Arc<Served>>) -> Response {
    let told = std::mem::take(&mut served.remembered().emissions);
    ([(header::CONTENT_TYPE, "application/json")], Value::Array(told).to_string()).into_response()
}

fn unknown(target: &str) -> Failure {
    Failure::new("UnknownOperationException", format!("{target} is not served here: add it to tests/src/cloud_endpoint"))
}

/// A text member.
fn text<'a>(parameters: &'a Value, name: &str) -> Result<&'a str, Failure> {
    optional(parameters, name).ok_or_else(|| Failure::new("InvalidParameterException", format!("{name} is missing")))
}

fn optional<'a>(parameters: &'a Value, name: &str) -> Option<&'a str> {
    parameters[name].as_str()
}

/// A list of texts; a missing one is empty.
fn texts<'a>(parameters: &'a Value, name: &str) -> Vec<&'a str> {
    parameters[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Seconds since the epoch, as JSON protocols write times.
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}
