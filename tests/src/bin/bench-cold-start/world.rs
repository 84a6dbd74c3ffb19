//! The AWS that the measured functions see: a stack with a load-based layer, read through DynamoDB's and the API's own protocols, and
//! everything answered from memory, at once, from the second time on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json};
use strata_control::{Api, ApiConfig, LOCAL_CONTROLLER};
use strata_local::canned_aws::{Asked, CannedAws};
use strata_local::loopback::Reply;
use strata_local::{Standalone, opsworks_client};
use strata_ports::http_service::Caller;
use strata_ports::store::Listing;
use strata_ports::{HttpService, Item, Key, Store};
use tokio::runtime::Handle;

/// A world with one stack, and what a function must be told of it.
pub(crate) struct World {
    pub(crate) aws: CannedAws,
    pub(crate) stack_id: String,
}

impl World {
    /// With so many load-based instances. To be made on a runtime with several threads.
    pub(crate) async fn new(instances: usize) -> anyhow::Result<Self> {
        let world = Standalone::new();
        let api: Arc<dyn HttpService> = Arc::new(Api::new(world.ports.clone(), ApiConfig::default()));
        let stack_id = furnish(&world, api.clone(), instances).await?;
        let back = Back { store: world.ports.store, api, handle: Handle::current(), known: Mutex::default() };
        Ok(Self { aws: CannedAws::answering(move |asked| back.answer(asked))?, stack_id })
    }
}

async fn furnish(world: &Standalone, api: Arc<dyn HttpService>, instances: usize) -> anyhow::Result<String> {
    let user = opsworks_client(api, LOCAL_CONTROLLER, world.ports.clock.clone(), 1);
    let role_of = |name: &str| format!("arn:aws:iam::123456789012:{name}");
    let stack = user.create_stack().name("shop").region("us-east-1").service_role_arn(role_of("role/service"));
    let stack = stack.default_instance_profile_arn(role_of("instance-profile/ec2")).send().await?;
    let stack = stack.stack_id.context("a stack's id")?;
    let layer = user.create_layer().stack_id(&stack).r#type(aws_sdk_opsworks::types::LayerType::Custom);
    let layer = layer.name("Web").shortname("web").send().await?.layer_id.context("a layer's id")?;
    for _ in 0..instances {
        let one = user.create_instance().stack_id(&stack).layer_ids(&layer).instance_type("m5.large");
        one.auto_scaling_type(aws_sdk_opsworks::types::AutoScalingType::Load).send().await?;
    }
    let up = aws_sdk_opsworks::types::AutoScalingThresholds::builder().cpu_threshold(80.0).instance_count(1).build();
    let down = aws_sdk_opsworks::types::AutoScalingThresholds::builder().cpu_threshold(20.0).instance_count(1).build();
    let scaling = user.set_load_based_auto_scaling().layer_id(&layer).enable(true);
    scaling.up_scaling(up).down_scaling(down).send().await?;
    Ok(stack)
}

/// Answers by what was asked: service, operation and body.
type Known = BTreeMap<(String, String, Vec<u8>), Reply>;

/// What stands behind the protocols.
struct Back {
    store: Arc<dyn Store>,
    api: Arc<dyn HttpService>,
    handle: Handle,
    /// Answers that were given, so that what is measured waits for nothing.
    known: Mutex<Known>,
}

impl Back {
    fn answer(&self, asked: &Asked) -> Option<Reply> {
        let key = (asked.service.clone(), asked.operation.clone(), asked.request.body.clone());
        if let Some(known) = self.known().get(&key) {
            return Some(known.clone());
        }
        let reply = match asked.service.as_str() {
            "dynamodb" => self.table(asked),
            "lambda" | "opsworks" => Some(self.api(asked)),
            "monitoring" if asked.operation == "DescribeAlarms" => Some(alarms(asked)),
            _ => None,
        }?;
        self.known().insert(key, reply.clone());
        Some(reply)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// DynamoDB's reads. Writes are accepted and forgotten, so that every invocation finds the same world.
    fn table(&self, asked: &Asked) -> Option<Reply> {
        let body: Value = serde_json::from_slice(&asked.request.body).ok()?;
        let answer = match asked.operation.as_str() {
            "GetItem" => {
                let key = Key::new(body["Key"]["pk"]["S"].as_str()?, body["Key"]["sk"]["S"].as_str()?);
                let item = self.handle.block_on(self.store.get(&key)).ok()?;
                item.map_or_else(|| json!({}), |item| json!({ "Item": row(&item) }))
            }
            "Query" => {
                let values = &body["ExpressionAttributeValues"];
                let listing = Listing {
                    descending: body["ScanIndexForward"] == false,
                    limit: body["Limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()),
                    ..Listing::of(values[":pk"]["S"].as_str()?, values[":prefix"]["S"].as_str().unwrap_or_default())
                };
                let items = self.handle.block_on(self.store.list(&listing)).ok()?;
                json!({ "Items": items.iter().map(row).collect::<Vec<_>>(), "Count": items.len(), "ScannedCount": items.len() })
            }
            _ => json!({}),
        };
        Some(reply("application/x-amz-json-1.0", answer.to_string()))
    }

    fn api(&self, asked: &Asked) -> Reply {
        let mut request = http::Request::new(Bytes::from(asked.request.body.clone()));
        *request.method_mut() = http::Method::POST;
        let target = format!("OpsWorks_20130218.{}", asked.operation);
        request
            .headers_mut()
            .insert("x-amz-target", http::HeaderValue::try_from(target).unwrap_or(http::HeaderValue::from_static("")));
        request.extensions_mut().insert(Caller { arn: LOCAL_CONTROLLER.to_owned() });
        let response = self.handle.block_on(self.api.call(request));
        let kind = vec![("Content-Type", "application/x-amz-json-1.1".to_owned())];
        Reply { status: response.status().as_u16(), headers: kind, body: response.body().to_vec() }
    }
}

/// A record as the store's adapter keeps it.
fn row(item: &Item) -> Value {
    json!({
        "pk": { "S": item.key.pk }, "sk": { "S": item.key.sk }, "v": { "N": item.version.to_string() },
        "d": { "S": String::from_utf8_lossy(&item.value) },
    })
}

/// The alarms that are asked for, the one for more CPU in ALARM for an hour.
fn alarms(asked: &Asked) -> Reply {
    let members: String = url::form_urlencoded::parse(&asked.request.body)
        .filter(|(name, _)| name.starts_with("AlarmNames."))
        .map(|(_, name)| {
            let state = if name.ends_with("up-cpu") { "ALARM" } else { "OK" };
            format!(
                "<member><AlarmName>{name}</AlarmName><StateValue>{state}</StateValue>\
                 <StateUpdatedTimestamp>2026-01-01T00:00:00.000Z</StateUpdatedTimestamp></member>"
            )
        })
        .collect();
    reply(
        "text/xml",
        format!(
            "<DescribeAlarmsResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><DescribeAlarmsResult>\
             <MetricAlarms>{members}</MetricAlarms></DescribeAlarmsResult></DescribeAlarmsResponse>"
        ),
    )
}

fn reply(kind: &str, body: String) -> Reply {
    Reply { status: 200, headers: vec![("Content-Type", kind.to_owned())], body: body.into_bytes() }
}
