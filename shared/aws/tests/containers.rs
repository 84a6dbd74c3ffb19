//! Containers against a server that speaks ECS's protocol, and against scripts for what it does not have.
//!
//! Where the server differs: its lists know neither filter nor status, so the adapter's own look at what was described counts; it places
//! no tasks of services, what it answers about a standalone task does not have the model's types, and it knows no task protection; it
//! answers 500 for what is gone.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use serde_json::{Value, json};
use strata_aws::containers::{EcsContainers, USES};
use strata_domain::workload::Resources;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, ServiceArn, TaskArn};
use strata_ports::contract::{container_instances_contract, services_contract};
use strata_ports::{CloudError, ContainerInstanceState, Containers};
use support::scripted::Scripted;

const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/shop";

fn container(n: u32, more: &Value) -> Value {
    let mut container = json!({
        "containerInstanceArn": arn(n).as_str(),
        "ec2InstanceId": host(n).as_str(),
        "status": "ACTIVE",
        "agentConnected": true,
        "runningTasksCount": 1,
        "pendingTasksCount": 0,
        "registeredAt": 1_700_000_000.5,
        "remainingResources": [{ "name": "CPU", "integerValue": 1536 }, { "name": "MEMORY", "integerValue": 3000 }, { "name": "PORTS" }],
    });
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    container
}

fn arn(n: u32) -> ContainerInstanceArn {
    ContainerInstanceArn::new(format!("arn:aws:ecs:us-east-1:123456789012:container-instance/shop/{n:032x}"))
}

fn host(n: u32) -> Ec2InstanceId {
    Ec2InstanceId::new(format!("i-{n:017x}"))
}

fn task_arn(name: &str) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task/shop/{name}")
}

/// Clients of the server, a cluster of its own and a host that has registered with it.
async fn cluster_with_host(name: &str) -> (strata_aws::Base, ClusterArn, Ec2InstanceId) {
    let base = support::base(&[]);
    let ec2 = aws_sdk_ec2::Client::new(&base.own("EC2"));
    let run = ec2.run_instances().image_id("ami-12c6146b").min_count(1).max_count(1).send().await.expect("a launch");
    let host = run.instances()[0].instance_id().expect("an id").to_owned();
    let ecs = aws_sdk_ecs::Client::new(&base.own("ECS"));
    let made = ecs.create_cluster().cluster_name(name).send().await.expect("a cluster");
    let cluster = ClusterArn::from(made.cluster().and_then(|c| c.cluster_arn()).expect("an ARN"));
    let document = json!({ "instanceId": host }).to_string();
    ecs.register_container_instance().cluster(name).instance_identity_document(document).send().await.expect("registered");
    (base, cluster, Ec2InstanceId::from(host))
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_of_container_instances_holds() {
    let (base, cluster, host) = cluster_with_host("hosts").await;
    let containers = EcsContainers::new(&base);
    container_instances_contract(&containers, &support::scope(), &cluster, &host).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_of_services_holds() {
    let (base, cluster, _) = cluster_with_host("services").await;
    let ecs = aws_sdk_ecs::Client::new(&base.own("ECS"));
    let memory = aws_sdk_ecs::types::ContainerDefinition::builder().name("job").image("job").memory(64).build();
    ecs.register_task_definition().family("job").container_definitions(memory).send().await.expect("a definition");
    let made = ecs.create_service().cluster("services").service_name("job").task_definition("job").desired_count(2).send().await;
    let service = made.expect("a service").service.and_then(|s| s.service_arn).expect("an ARN");
    let settle = || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(async {}) };
    let containers = EcsContainers::new(&base);
    services_contract(&containers, &support::scope(), &cluster, &ServiceArn::new(service), &settle).await;
}

/// Shows each method once and holds its calls against the table.
#[tokio::test]
async fn each_method_calls_what_its_table_says() {
    let script = Scripted::start().await;
    let base = script.base(&[]);
    let (containers, scope, cluster) = (EcsContainers::new(&base), support::scope(), ClusterArn::from(CLUSTER));
    let check = |method: &str| support::check_uses(&base, USES, method);

    script.answer("DescribeClusters", json!({ "clusters": [{ "clusterArn": CLUSTER, "status": "INACTIVE" }] }));
    let view = containers.describe_cluster(&scope, &cluster).await.unwrap().unwrap();
    assert_eq!((view.arn.as_str(), view.active), (CLUSTER, false));
    check("describe_cluster");

    let failures = json!([{ "arn": arn(2).as_str(), "reason": "INACTIVE" }]);
    let changed = json!({ "containerInstances": [container(1, &json!({}))], "failures": failures });
    script.answer("UpdateContainerInstancesState", changed);
    let set = containers.set_state(&scope, &cluster, &[arn(1), arn(2)], ContainerInstanceState::Draining).await.unwrap();
    assert_eq!(set[0].result, Ok(()));
    assert_eq!(set[1].result.as_ref().unwrap_err().code(), Some("INACTIVE"));
    assert_eq!(script.asked("UpdateContainerInstancesState")[0]["status"], "DRAINING");
    check("set_state");

    script.answer("ListServices", json!({ "serviceArns": (0..11).map(|n| format!("{CLUSTER}/s{n}")).collect::<Vec<_>>() }));
    script.answer(
        "DescribeServices",
        json!({ "services": [service("web", "REPLICA", "ACTIVE"), service("log", "DAEMON", "ACTIVE")] }),
    );
    script.answer("DescribeServices", json!({ "services": [service("old", "REPLICA", "INACTIVE")] }));
    let services = containers.services(&scope, &cluster).await.unwrap();
    assert_eq!(
        services.iter().map(|s| (s.name.as_str(), s.daemon, s.desired)).collect::<Vec<_>>(),
        [("web", false, 2), ("log", true, 2)]
    );
    let asked = script.asked("DescribeServices");
    assert_eq!(asked.iter().map(|a| a["services"].as_array().unwrap().len()).collect::<Vec<_>>(), [10, 1]);
    check("services");

    script.answer("UpdateService", json!({}));
    containers.scale_service(&scope, &cluster, &ServiceArn::from("web"), 3).await.unwrap();
    assert_eq!(script.asked("UpdateService")[0]["desiredCount"], 3);
    check("scale_service");

    script.answer("DeleteService", json!({}));
    script.answer_with("DeleteService", 400, json!({ "__type": "ServiceNotFoundException", "message": "Service not found." }));
    for _ in 0..2 {
        containers.delete_service(&scope, &cluster, &ServiceArn::from("web")).await.unwrap();
    }
    assert!(script.asked("DeleteService").iter().all(|asked| asked.get("force").is_none()), "never forced");
    check("delete_service");
    script.is_done();
}

fn service(name: &str, strategy: &str, status: &str) -> Value {
    json!({
        "serviceArn": format!("arn:aws:ecs:us-east-1:123456789012:service/shop/{name}"),
        "serviceName": name,
        "schedulingStrategy": strategy,
        "status": status,
        "desiredCount": 2,
        "runningCount": 1,
        "pendingCount": 1,
    })
}

#[tokio::test]
async fn hosts_are_found_by_a_filter_that_leaves_out_nothing_but_inactive_ones() {
    let script = Scripted::start().await;
    let base = script.base(&[]);
    let (containers, scope, cluster) = (EcsContainers::new(&base), support::scope(), ClusterArn::from(CLUSTER));
    script.answer("ListContainerInstances", json!({ "containerInstanceArns": [arn(1).as_str()], "nextToken": "more" }));
    script.answer("ListContainerInstances", json!({ "containerInstanceArns": [arn(2).as_str(), arn(3).as_str()] }));
    let described = [
        container(1, &json!({})),
        container(2, &json!({ "status": "DRAINING" })),
        container(3, &json!({ "status": "INACTIVE" })),
        container(9, &json!({})),
    ];
    let failures = json!([{ "arn": arn(4).as_str(), "reason": "MISSING" }]);
    script.answer("DescribeContainerInstances", json!({ "containerInstances": described, "failures": failures }));
    let found = containers.find_by_host(&scope, &cluster, &[host(1), host(2), host(3)]).await.unwrap();
    let seen: Vec<_> = found.iter().map(|c| (c.ec2_instance_id.clone(), c.state)).collect();
    assert_eq!(seen, [(host(1), ContainerInstanceState::Active), (host(2), ContainerInstanceState::Draining)]);
    assert_eq!(found[0].registered_at.as_millisecond(), 1_700_000_000_500);
    assert_eq!(found[0].free, Resources { cpu: 1_536, memory: 3_000 });

    let asked = script.asked("ListContainerInstances");
    let quoted = format!("ec2InstanceId in ['{}', '{}', '{}']", host(1), host(2), host(3));
    assert_eq!((asked[0]["filter"].as_str(), asked[0].get("status")), (Some(quoted.as_str()), None));
    assert_eq!(asked[1]["nextToken"], "more");
    support::check_uses(&base, USES, "find_by_host");

    script.answer("DescribeContainerInstances", json!({ "failures": [{ "arn": arn(1).as_str(), "reason": "MISSING" }] }));
    assert_eq!(containers.describe_container_instances(&scope, &cluster, &[arn(1)]).await, Ok(Vec::new()));
    support::check_uses(&base, USES, "describe_container_instances");
    assert_eq!(containers.find_by_host(&scope, &cluster, &[]).await, Ok(Vec::new()), "nobody is asked about nothing");
    script.is_done();
}

#[tokio::test]
async fn exceptions_are_two_lists_however_many_hosts_there_are() {
    let script = Scripted::start().await;
    let base = script.base(&[]);
    let (containers, scope, cluster) = (EcsContainers::new(&base), support::scope(), ClusterArn::from(CLUSTER));
    script.answer("ListContainerInstances", json!({ "containerInstanceArns": [arn(1).as_str(), arn(2).as_str()] }));
    script.answer("ListContainerInstances", json!({ "containerInstanceArns": [arn(2).as_str(), arn(3).as_str()] }));
    let away = json!({ "agentConnected": false });
    let draining = json!({ "status": "DRAINING", "agentConnected": false });
    let mended = container(3, &json!({}));
    let described = [container(1, &away), container(2, &draining), mended];
    script.answer("DescribeContainerInstances", json!({ "containerInstances": described }));
    let found = containers.describe_exceptions(&scope, &cluster).await.unwrap();
    assert_eq!(found.iter().map(|c| c.arn.clone()).collect::<Vec<_>>(), [arn(1), arn(2)], "what was mended meanwhile is none");
    let asked = script.asked("ListContainerInstances");
    assert_eq!((asked[0]["filter"].as_str(), asked[1]["status"].as_str()), (Some("agentConnected == false"), Some("DRAINING")));
    assert_eq!(script.asked("DescribeContainerInstances")[0]["containerInstances"].as_array().unwrap().len(), 3, "each once");
    support::check_uses(&base, USES, "describe_exceptions");
    script.is_done();
}

#[tokio::test]
async fn tasks_are_told_apart_by_service_strategy_and_protection() {
    let script = Scripted::start().await;
    let base = script.base(&[]);
    let (containers, scope, cluster) = (EcsContainers::new(&base), support::scope(), ClusterArn::from(CLUSTER));
    script.answer("ListTasks", json!({ "taskArns": (["web", "held", "log", "job"].map(task_arn)) }));
    script.answer("ListTasks", json!({ "taskArns": (["going", "gone"].map(task_arn)) }));
    let task = |name: &str, group: &str, status: &str| json!({ "taskArn": task_arn(name), "group": group, "lastStatus": status });
    let tasks = [
        task("web", "service:web", "PENDING"),
        task("held", "service:web", "RUNNING"),
        task("log", "service:log", "RUNNING"),
        task("job", "family:job", "RUNNING"),
        task("going", "service:lost", "DEACTIVATING"),
        task("gone", "service:web", "STOPPED"),
    ];
    let [mut web, mut held, mut log, job, going, gone] = tasks;
    (held["cpu"], held["memory"]) = (json!("512"), json!("1024"));
    held["containers"] = json!([{ "cpu": "9", "memory": "9" }]);
    log["containers"] = json!([{ "cpu": "64", "memory": "128" }]);
    web["containers"] = json!([{ "cpu": "256", "memory": "512", "memoryReservation": "384" }, { "cpu": "44", "memory": "64" }]);
    script.answer("DescribeTasks", json!({ "tasks": [web, held, log, job, going, gone] }));
    let services = [service("web", "REPLICA", "ACTIVE"), service("log", "DAEMON", "ACTIVE")];
    script.answer("DescribeServices", json!({ "services": services, "failures": [{ "arn": "lost", "reason": "MISSING" }] }));
    let held = json!([{ "taskArn": task_arn("held"), "protectionEnabled": true }, { "taskArn": task_arn("web"), "protectionEnabled": false }]);
    script.answer("GetTaskProtection", json!({ "protectedTasks": held }));

    let mut found = containers.tasks_on(&scope, &cluster, &arn(1)).await.unwrap();
    found.sort_by(|a, b| a.arn.cmp(&b.arn));
    let name = |arn: &str| arn.rsplit('/').next().unwrap().to_owned();
    let seen: Vec<_> = found
        .iter()
        .map(|t| (name(t.arn.as_str()), t.service.as_ref().map(|s| name(s.as_str())), t.daemon, t.protected))
        .collect();
    let expected = [
        ("going", Some("lost"), false, false),
        ("held", Some("web"), false, true),
        ("job", None, false, false),
        ("log", Some("log"), true, false),
        ("web", Some("web"), false, false),
    ];
    assert_eq!(seen, expected.map(|(task, service, daemon, held)| (task.to_owned(), service.map(str::to_owned), daemon, held)));
    let reserves: Vec<(u32, u32)> = found.iter().map(|t| (t.reserves.cpu, t.reserves.memory)).collect();
    let expected = [(0, 0), (512, 1_024), (0, 0), (64, 128), (300, 448)];
    assert_eq!(reserves, expected, "its own figures, or its containers' with the soft limits of memory, or none");
    let desired: Vec<Value> = script.asked("ListTasks").iter().map(|asked| asked["desiredStatus"].clone()).collect();
    assert_eq!(desired, ["RUNNING", "STOPPED"]);
    // In the order of the answer to DescribeTasks.
    assert_eq!(
        script.asked("GetTaskProtection")[0]["tasks"],
        json!((["web", "held", "going"].map(task_arn))),
        "of REPLICA services only"
    );
    support::check_uses(&base, USES, "tasks_on");
    script.is_done();
}

#[tokio::test]
async fn what_is_gone_is_a_success_and_what_is_not_is_told() {
    let script = Scripted::start().await;
    let base = script.base(&[]);
    let (containers, scope, cluster) = (EcsContainers::new(&base), support::scope(), ClusterArn::from(CLUSTER));
    let wrong = |text: &str| json!({ "__type": "InvalidParameterException", "message": text });
    let task = TaskArn::new(task_arn("web"));
    let stop = async || containers.stop_task(&scope, &cluster, &task, "why").await;
    let not_found = wrong("The referenced task was not found.");
    script.answer_with("StopTask", 400, &not_found);
    script.answer("DescribeTasks", json!({ "failures": [{ "arn": task.as_str(), "reason": "MISSING" }] }));
    assert_eq!(stop().await, Ok(()));
    support::check_uses(&base, USES, "stop_task");
    script.answer_with("StopTask", 400, &not_found);
    script.answer("DescribeTasks", json!({ "tasks": [{ "taskArn": task.as_str(), "desiredStatus": "RUNNING" }] }));
    assert!(matches!(stop().await, Err(CloudError::Wrong { .. })), "it runs on");

    base.log().take();
    let deregister = async || containers.deregister(&scope, &cluster, &arn(1)).await;
    script.answer("DeregisterContainerInstance", json!({}));
    assert_eq!(deregister().await, Ok(()));
    script.answer_with("DeregisterContainerInstance", 400, wrong("Found running tasks on the instance."));
    script.answer("DescribeContainerInstances", json!({ "containerInstances": [container(1, &json!({}))] }));
    let error = deregister().await.unwrap_err();
    assert!(error.to_string().contains("InvalidParameterException: Found running tasks"), "{error}");
    script.answer_with("DeregisterContainerInstance", 400, wrong("no such thing"));
    script
        .answer("DescribeContainerInstances", json!({ "containerInstances": [container(1, &json!({ "status": "INACTIVE" }))] }));
    assert_eq!(deregister().await, Ok(()));
    assert!(script.asked("DeregisterContainerInstance").iter().all(|asked| asked.get("force").is_none()), "never forced");
    support::check_uses(&base, USES, "deregister");

    script.answer_with("DescribeClusters", 400, json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }));
    script.answer_with("DescribeClusters", 400, json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }));
    assert!(containers.describe_cluster(&scope, &cluster).await.unwrap_err().is_retryable());
    script.is_done();
}
