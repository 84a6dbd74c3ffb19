//! Drives the API with requests that nobody would send: raw bytes as method, headers and body, and members of the API's own names with
//! values that do not fit. Whatever comes, there is an answer, it is no 500, and its body is JSON or nothing.
//!
//! One input is one short life of a small world, so that a failure repeats from its input alone. The fuzzer (`fuzz/`) and the
//! deterministic run in `tests/tests/fuzz.rs` share this file.

use std::sync::{Arc, OnceLock};

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use serde_json::{Map, Value, json};
use strata_control::{Api, ApiConfig};
use strata_local::Standalone;
use strata_ports::HttpService;
use strata_ports::http_service::Caller;

/// At most so many requests come of one input.
const REQUESTS: usize = 12;
/// So deep objects and lists are nested.
const DEPTH: u32 = 3;

/// Actions with the names of their members, as the API's own model has them.
struct Names {
    actions: Vec<(String, Vec<String>)>,
}

fn names() -> &'static Names {
    static NAMES: OnceLock<Names> = OnceLock::new();
    NAMES.get_or_init(|| {
        let model = strata_control::api::model::service(None);
        let members = |operation: &Value| -> Vec<String> {
            let shape = operation["input"]["shape"].as_str().unwrap_or_default();
            model["shapes"][shape]["members"].as_object().into_iter().flat_map(Map::keys).cloned().collect()
        };
        let operations = model["operations"].as_object().into_iter().flatten();
        Names { actions: operations.map(|(name, operation)| (name.clone(), members(operation))).collect() }
    })
}

/// Lives one input's life.
///
/// # Panics
/// When an answer is a 500 or its body is not JSON: that is what is looked for.
pub fn live(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(async {
        let mut input = Unstructured::new(input);
        let world = Standalone::new();
        let api = Arc::new(Api::new(world.ports, ApiConfig::default()));
        let mut ids = shop(api.as_ref()).await;
        for _ in 0..REQUESTS {
            if input.is_empty() {
                break;
            }
            let Ok(request) = request(&mut input, &ids) else { break };
            let told = format!("{} {:?} {:?}", request.method(), request.headers(), request.body());
            let response = api.call(request).await;
            ids.extend(check(&told, &response));
        }
    });
}

/// Looks at an answer, and gives the ids in it for requests to come.
fn check(told: &str, response: &Response<Bytes>) -> Vec<String> {
    let body = String::from_utf8_lossy(response.body());
    assert_ne!(response.status(), 500, "{told}\nwas answered {body}");
    if response.body().is_empty() {
        assert_eq!(response.status(), 200, "{told}: an error without a body");
        return Vec::new();
    }
    let json: Value = serde_json::from_slice(response.body()).unwrap_or_else(|e| panic!("{told}\nwas answered {body}: {e}"));
    let error = json.get("__type").is_some();
    assert_eq!(error, response.status() != 200, "{told}\nwas answered {} {body}", response.status());
    let texts = json.as_object().into_iter().flat_map(|members| members.values()).filter_map(Value::as_str);
    texts.filter(|_| !error).map(str::to_owned).collect()
}

/// A stack with a layer and an instance, so that ids can be right; their ids.
async fn shop(api: &Api) -> Vec<String> {
    let mut ids = Vec::new();
    let stack = json!({
        "Name": "shop", "Region": "us-east-1", "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
        "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2",
    });
    ids.push(made(api, "CreateStack", stack, "StackId").await);
    let layer = json!({ "StackId": ids[0], "Type": "custom", "Name": "web", "Shortname": "web" });
    ids.push(made(api, "CreateLayer", layer, "LayerId").await);
    let instance = json!({ "StackId": ids[0], "LayerIds": [ids[1]], "InstanceType": "m5.large" });
    ids.push(made(api, "CreateInstance", instance, "InstanceId").await);
    ids
}

async fn made(api: &Api, action: &str, members: Value, id: &str) -> String {
    let response = api.call(shaped(action, &members)).await;
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    body[id].as_str().unwrap_or_else(|| panic!("{action} was answered {body}")).to_owned()
}

fn shaped(action: &str, members: &Value) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(members.to_string()));
    *request.method_mut() = Method::POST;
    let target = HeaderValue::try_from(format!("OpsWorks_20130218.{action}")).expect("action names are plain ASCII");
    request.headers_mut().insert("x-amz-target", target);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/x-amz-json-1.1"));
    request.extensions_mut().insert(Caller { arn: "arn:aws:iam::123456789012:user/ada".to_owned() });
    request
}

fn request(input: &mut Unstructured<'_>, ids: &[String]) -> arbitrary::Result<Request<Bytes>> {
    let (action, members) = input.choose(&names().actions)?;
    if input.ratio(1, 8)? {
        return raw(input, action);
    }
    let mut body = Map::new();
    for member in members {
        if input.ratio(2, 3)? {
            body.insert(member.clone(), value(input, ids, DEPTH)?);
        }
    }
    Ok(shaped(action, &Value::Object(body)))
}

/// Bytes where a request has its method, headers and body.
fn raw(input: &mut Unstructured<'_>, action: &str) -> arbitrary::Result<Request<Bytes>> {
    let mut request = shaped(action, &json!({}));
    if bool::arbitrary(input)?
        && let Ok(method) = Method::from_bytes(<&[u8]>::arbitrary(input)?)
    {
        *request.method_mut() = method;
    }
    for _ in 0..input.int_in_range(0..=3)? {
        let name = *input.choose(&["x-amz-target", "content-type", "amz-sdk-invocation-id", "authorization", "x"])?;
        if let Ok(value) = HeaderValue::from_bytes(<&[u8]>::arbitrary(input)?) {
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    if bool::arbitrary(input)? {
        request.extensions_mut().remove::<Caller>();
    }
    *request.body_mut() = Bytes::copy_from_slice(input.bytes(input.len().min(200))?);
    Ok(request)
}

/// Words that mean something somewhere in the API, and some that mean too much.
const WORDS: [&str; 24] = [
    "",
    "on",
    "off",
    "manage",
    "iam_only",
    "load",
    "timer",
    "ebs",
    "custom",
    "ecs-cluster",
    "Custom",
    "12",
    "11.10",
    "us-east-1",
    "203.0.113.2",
    "vol-0123456789abcdef0",
    "arn:aws:ecs:us-east-1:123456789012:cluster/shop",
    "arn:aws:iam::123456789012:user/ada",
    "arn:aws:opsworks:us-east-1:123456789012:stack/x/",
    "{\"strata\":{\"mode\":\"frozen\"}}",
    "[[[[[[[[",
    "\u{0}\u{202e}\u{fffd}",
    "-1",
    "Monday",
];

fn value(input: &mut Unstructured<'_>, ids: &[String], depth: u32) -> arbitrary::Result<Value> {
    Ok(match input.int_in_range(0..=9)? {
        0..=2 => json!(input.choose(ids)?),
        3 | 4 => json!(input.choose(&WORDS)?),
        5 => json!(i64::arbitrary(input)?),
        6 => json!(bool::arbitrary(input)?),
        7 => input.choose(&[Value::Null, json!(1.5e308), json!(-0.1), json!({}), json!([])])?.clone(),
        8 if depth > 0 => {
            let items = (0..input.int_in_range(0..=3)?).map(|_| value(input, ids, depth - 1)).collect::<Result<_, _>>()?;
            Value::Array(items)
        }
        _ if depth > 0 => object(input, ids, depth - 1)?,
        _ => json!(String::arbitrary(input)?),
    })
}

/// An object with member names from anywhere in the API.
fn object(input: &mut Unstructured<'_>, ids: &[String], depth: u32) -> arbitrary::Result<Value> {
    let mut members = Map::new();
    for _ in 0..input.int_in_range(0..=4)? {
        let (_, names) = input.choose(&names().actions)?;
        let name = if names.is_empty() || input.ratio(1, 3)? {
            input
                .choose(&["Name", "Version", "Args", "Monday", "0", "Shutdown", "MountPoint", "Size", "Alarms", "CpuThreshold"])?
                .to_string()
        } else {
            input.choose(names)?.clone()
        };
        members.insert(name, value(input, ids, depth)?);
    }
    Ok(Value::Object(members))
}
