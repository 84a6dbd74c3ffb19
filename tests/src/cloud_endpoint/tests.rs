//! The endpoint as its clients meet it: by target header and JSON.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::machines::follow;
use super::{Served, quick_cloud};

const HOST: &str = "i-0123456789abcdef0";

struct World(Arc<Served>);

impl World {
    fn new() -> Self {
        let served = Served::new(quick_cloud(), "2026-08-01T12:00:00Z".parse::<Timestamp>().unwrap());
        tokio::spawn(served.clone().live());
        Self(served)
    }

    async fn ecs(&self, operation: &str, parameters: Value) -> Result<Value, String> {
        self.call("AmazonEC2ContainerServiceV20141113", operation, parameters).await
    }

    async fn ssm(&self, operation: &str, parameters: Value) -> Result<Value, String> {
        self.call("AmazonSSM", operation, parameters).await
    }

    async fn call(&self, service: &str, operation: &str, parameters: Value) -> Result<Value, String> {
        self.0.answer(&format!("{service}.{operation}"), &parameters).await.map_err(|failure| failure.code)
    }

    async fn power(&self, state: &str) {
        let body = json!({ HOST: { "state": state, "zone": "us-east-1a", "instance_type": "c5.large" } }).to_string();
        let (status, why) = follow(axum::extract::State(self.0.clone()), body.into()).await;
        assert!(status.is_success(), "{why}");
    }

    /// On paused time this costs nothing.
    async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    fn told(&self) -> Vec<String> {
        let told = std::mem::take(&mut self.0.remembered().emissions);
        told.iter().map(|event| event["detail-type"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn setup(cluster: &str) -> Value {
    json!({
        "DocumentName": "strata-Setup", "InstanceIds": [HOST], "Comment": "setup-1", "TimeoutSeconds": 600,
        "Parameters": { "Nonce": ["setup-1"], "Cluster": [cluster], "ExecutionTimeout": ["600"] },
    })
}

#[tokio::test(start_paused = true)]
async fn a_machine_of_ec2s_is_set_up_drained_and_deregistered() {
    let w = World::new();
    let cluster = w.ecs("CreateCluster", json!({ "clusterName": "shop" })).await.unwrap()["cluster"]["clusterArn"].clone();
    let cluster = cluster.as_str().unwrap();
    let service = json!({ "cluster": cluster, "serviceName": "web", "desiredCount": 2 });
    w.ecs("CreateService", service).await.unwrap();
    assert_eq!(w.ssm("SendCommand", setup(cluster)).await, Err("InvalidInstanceId".to_owned()), "EC2 has not told of it");

    w.power("running").await;
    let sent = w.ssm("SendCommand", setup(cluster)).await.unwrap();
    let command = sent["Command"]["CommandId"].as_str().unwrap();
    w.pass(5).await;
    let invocations = w.ssm("ListCommandInvocations", json!({ "CommandId": command, "Details": true })).await.unwrap();
    assert_eq!(invocations["CommandInvocations"][0]["Status"], "Success");
    assert_eq!(invocations["CommandInvocations"][0]["CommandPlugins"][0]["ResponseCode"], 0);
    let named = json!({ "InstanceId": HOST, "Filters": [{ "key": "DocumentName", "value": "strata-Setup" }] });
    assert_eq!(w.ssm("ListCommands", named).await.unwrap()["Commands"][0]["Comment"], "setup-1");

    let list = json!({ "cluster": cluster, "filter": format!("ec2InstanceId in ['{HOST}']") });
    let arn = w.ecs("ListContainerInstances", list.clone()).await.unwrap()["containerInstanceArns"][0].clone();
    let described = json!({ "cluster": cluster, "containerInstances": [arn] });
    let found = w.ecs("DescribeContainerInstances", described.clone()).await.unwrap();
    assert_eq!(found["containerInstances"][0]["status"], "ACTIVE");
    assert_eq!(found["containerInstances"][0]["runningTasksCount"], 2);

    let drain = json!({ "cluster": cluster, "containerInstances": [arn], "status": "DRAINING" });
    assert_eq!(w.ecs("UpdateContainerInstancesState", drain).await.unwrap()["containerInstances"][0]["status"], "DRAINING");
    let draining = json!({ "cluster": cluster, "status": "DRAINING" });
    assert_eq!(w.ecs("ListContainerInstances", draining).await.unwrap()["containerInstanceArns"], json!([arn]));
    let on = json!({ "cluster": cluster, "containerInstance": arn, "desiredStatus": "RUNNING" });
    let tasks = w.ecs("ListTasks", on.clone()).await.unwrap()["taskArns"].clone();
    let tasks = json!({ "cluster": cluster, "tasks": tasks });
    assert_eq!(w.ecs("DescribeTasks", tasks.clone()).await.unwrap()["tasks"][0]["group"], "service:web");
    assert_eq!(w.ecs("GetTaskProtection", tasks).await.unwrap()["protectedTasks"][0]["protectionEnabled"], false);

    let gone = json!({ "cluster": cluster, "containerInstance": arn });
    assert!(w.ecs("DeregisterContainerInstance", gone.clone()).await.is_err(), "it has tasks");
    w.ecs("UpdateService", json!({ "cluster": cluster, "service": "web", "desiredCount": 0 })).await.unwrap();
    w.pass(5).await;
    w.ecs("DeregisterContainerInstance", gone).await.unwrap();
    assert_eq!(w.ecs("DescribeContainerInstances", described).await.unwrap()["failures"][0]["reason"], "MISSING");
    let told = w.told();
    for kind in ["EC2 Instance State-change Notification", "ECS Container Instance State Change"] {
        assert!(told.contains(&kind.to_owned()), "{kind} in {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_follows_its_machines_power() {
    let w = World::new();
    let cluster = w.ecs("CreateCluster", json!({ "clusterName": "shop" })).await.unwrap()["cluster"]["clusterArn"].clone();
    w.power("running").await;
    w.ssm("SendCommand", setup(cluster.as_str().unwrap())).await.unwrap();
    w.pass(5).await;
    let disconnected = json!({ "cluster": cluster, "filter": "agentConnected == false" });
    let count = async || {
        let listed = w.ecs("ListContainerInstances", disconnected.clone()).await.unwrap();
        listed["containerInstanceArns"].as_array().unwrap().len()
    };
    assert_eq!(count().await, 0);
    w.power("stopped").await;
    w.pass(1).await;
    assert_eq!(count().await, 1);
    w.power("running").await;
    w.pass(5).await;
    assert_eq!(count().await, 0);
    w.power("terminated").await;
    w.pass(1).await;
    let agents = json!({ "Filters": [{ "Key": "InstanceIds", "Values": [HOST] }] });
    let known = w.ssm("DescribeInstanceInformation", agents).await.unwrap();
    assert_eq!(known["InstanceInformationList"][0]["InstanceId"], HOST, "SSM remembers the last ping");
}

#[tokio::test(start_paused = true)]
async fn an_update_tells_how_it_ends() {
    let w = World::new();
    w.power("running").await;
    let update = json!({
        "DocumentName": "strata-Update", "InstanceIds": [HOST], "Parameters": { "Nonce": ["u"], "AllowReboot": ["true"] },
    });
    w.ssm("SendCommand", update).await.unwrap();
    w.pass(10).await;
    let told = std::mem::take(&mut w.0.remembered().emissions);
    let statuses: Vec<&str> = told.iter().filter_map(|event| event["detail"]["status"].as_str()).collect();
    assert_eq!(statuses, ["InProgress", "Success"]);
}

#[tokio::test(start_paused = true)]
async fn parameters_are_kept_and_what_is_not_served_is_named() {
    let w = World::new();
    let put = |value: &str, overwrite: bool| json!({ "Name": "/strata/mode", "Value": value, "Type": "String", "Overwrite": overwrite });
    w.ssm("PutParameter", put("observe", false)).await.unwrap();
    assert_eq!(w.ssm("PutParameter", put("active", false)).await, Err("ParameterAlreadyExists".to_owned()));
    w.ssm("PutParameter", put("active", true)).await.unwrap();
    let found = w.ssm("GetParameters", json!({ "Names": ["/strata/mode", "/other"] })).await.unwrap();
    assert_eq!((&found["Parameters"][0]["Value"], &found["InvalidParameters"]), (&json!("active"), &json!(["/other"])));
    assert_eq!(w.ecs("RunGarden", json!({})).await, Err("UnknownOperationException".to_owned()));
    assert_eq!(w.call("AmazonGarden", "Run", json!({})).await, Err("UnknownOperationException".to_owned()));
}
