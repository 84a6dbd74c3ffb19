//! Instances.

use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_domain::claims::ClaimReport;
use strata_domain::holds::{Hold, HoldKind};
use strata_domain::model::Instance;
use strata_local::cloud::Policy;
use strata_ports::{Change, Expect, keys};

use super::TestApi;
use super::support::{ACCOUNT, CONTROLLERS, USER, text};

async fn hold(app: &TestApi, instance: &str) -> Option<Hold> {
    let record = app.record(instance).await.record;
    app.item(&keys::instance_hold(&record.stack_id, &record.id, "manual-stop")).await.map(|item| item.decode().unwrap())
}

/// Defaults of instances.md, section 6, and [CLT-4].
#[tokio::test]
async fn a_fresh_instance_is_stopped_and_has_the_stacks_defaults() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    let i = app.described(&id).await;
    for (member, value) in [
        ("Status", json!("stopped")),
        ("Hostname", json!("ecs-cluster1")),
        ("Os", json!("Amazon Linux 2023")),
        ("SubnetId", json!("subnet-a")),
        ("AvailabilityZone", json!("eu-west-1a")),
        ("RootDeviceType", json!("ebs")),
        ("Architecture", json!("x86_64")),
        ("InstallUpdatesOnBoot", json!(true)),
        ("EbsOptimized", json!(false)),
        ("AgentVersion", json!("INHERIT")),
        ("ReportedOs", json!({})),
        ("LayerIds", json!([layer])),
    ] {
        assert_eq!(i[member], value, "{member}");
    }
    for absent in ["AutoScalingType", "Ec2InstanceId", "EcsClusterArn", "PublicIp", "AmiId", "LastServiceErrorId"] {
        assert!(i.get(absent).is_none(), "{absent}");
    }
    let b = app.described(&app.instance(&stack, &layer, json!({ "AvailabilityZone": "eu-west-1b" })).await).await;
    assert_eq!((text(&b["SubnetId"]), text(&b["Hostname"])), ("subnet-b".into(), "ecs-cluster2".into()));
}

/// [ECS-11] [ECS-13] [ECS-14] [ECS-68] [TXT-8] and the value rules of section 6.
#[tokio::test]
async fn ecs_14_what_create_instance_refuses() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let other_stack = app.stack("other").await;
    let foreign = app.custom_layer(&other_stack, "x").await;
    let with = |more: Value| {
        let mut m = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "m5.large" });
        m.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        m
    };
    for (more, begins) in [
        (json!({ "LayerIds": [] }), "Layer Ids: is required"),
        (json!({ "LayerIds": [layer, foreign] }), "Please only provide layer IDs from the same stack"),
        (json!({ "LayerIds": [foreign] }), "Please only provide layer IDs from the same stack"),
        (json!({ "LayerIds": [layer, layer] }), "Layer Ids: names a layer twice"),
        (json!({ "InstanceType": "" }), "Instance Type: is required"),
        (json!({ "Os": "CentOS Linux 7" }), "Os:"),
        (json!({ "Os": "Custom" }), "Ami Id: is required"),
        (json!({ "AmiId": "ami-1" }), "Ami Id: needs Os Custom"),
        (json!({ "AgentVersion": "3424-20150727112318" }), "Agent Version:"),
        (json!({ "Hostname": "-a" }), "Hostname:"),
        (json!({ "Architecture": "arm64" }), "Architecture:"),
        (json!({ "Tenancy": "shared" }), "Tenancy:"),
        (json!({ "RootDeviceType": "floppy" }), "Root Device Type:"),
        (json!({ "SubnetId": "subnet-x" }), "Subnet Id:"),
        (json!({ "SubnetId": "subnet-a", "AvailabilityZone": "eu-west-1b" }), "Availability Zone:"),
    ] {
        let message = app.call("CreateInstance", with(more.clone())).await.invalid();
        assert!(message.starts_with(begins), "{more}: {message}");
    }
    app.call("CreateInstance", with(json!({ "LayerIds": ["unknown"] }))).await.not_found();
    app.call("CreateInstance", with(json!({ "StackId": "unknown" }))).await.not_found();
    app.call("UpdateStack", json!({ "StackId": stack, "DefaultOs": "CentOS Linux 7" })).await.good();
    assert!(app.call("CreateInstance", with(json!({}))).await.invalid().contains("explicitly"));
    app.call("CreateInstance", with(json!({ "Os": "Amazon Linux 2" }))).await.good();
    app.call("CreateInstance", with(json!({ "Os": "Custom", "AmiId": "ami-1" }))).await.good();
}

/// [INST-60] [INST-62]
#[tokio::test]
async fn inst_62_a_suggestion_reserves_nothing_and_names_are_unique_whatever_the_case() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let suggest = async || app.call("GetHostnameSuggestion", json!({ "LayerId": layer })).await.good();
    assert_eq!(suggest().await, json!({ "LayerId": layer, "Hostname": "ecs-cluster1" }));
    assert_eq!(suggest().await["Hostname"], "ecs-cluster1");
    app.instance(&stack, &layer, json!({ "Hostname": "Ecs-Cluster1" })).await;
    assert_eq!(suggest().await["Hostname"], "ecs-cluster2");
    let taken = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t", "Hostname": "ECS-CLUSTER1" });
    assert!(app.call("CreateInstance", taken).await.invalid().contains("already used"));
    app.call("UpdateStack", json!({ "StackId": stack, "HostnameTheme": "Roman Deities" })).await.good();
    assert_eq!(suggest().await["Hostname"], "bacchus");
    app.call("GetHostnameSuggestion", json!({ "LayerId": "unknown" })).await.not_found();
}

/// [INST-60]: names stay unique when many ask at once.
#[tokio::test]
async fn inst_60_ten_at_once_get_ten_names() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let calls = (0..10).map(|_| app.instance(&stack, &layer, json!({})));
    futures::future::join_all(calls).await;
    assert!(app.store.conflicts.load(std::sync::atomic::Ordering::Relaxed) > 0, "they did meet");
    let reply = app.call("DescribeInstances", json!({ "StackId": stack })).await.good();
    let mut names: Vec<String> = reply["Instances"].as_array().unwrap().iter().map(|i| text(&i["Hostname"])).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 10);
    assert!(names.contains(&"ecs-cluster10".to_owned()) && names.contains(&"ecs-cluster1".to_owned()));
}

/// [INST-2] [EVT-4] [EVT-9]
#[tokio::test]
async fn inst_2_start_sets_requested_before_it_answers() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.call("StartInstance", json!({ "InstanceId": id })).await.good();
    assert_eq!(app.described(&id).await["Status"], "requested");
    let record = app.record(&id).await.record;
    assert_eq!((record.launch_number, record.status_sequence), (1, 1));
    assert!(app.item(&keys::busy(&record.id)).await.is_some());
    assert!(app.item(&keys::last_start(&record.stack_id, &record.id)).await.is_some());
    let events = app.cloud.events.lock().unwrap().clone();
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0].detail["status"], &events[0].detail["initiated_by"]), (&json!("requested"), &json!("user")));
    assert!(app.store.partition(keys::OUTBOX_PK).is_empty(), "what was sent left the outbox");
    app.call("StartInstance", json!({ "InstanceId": id })).await.good();
    assert_eq!(app.record(&id).await.record.launch_number, 1, "a second start has no effect");
}

/// [INST-3] [INST-21]
#[tokio::test]
async fn inst_3_stop_leaves_the_start_side_before_it_answers() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    for (root, first) in [("ebs", "stopping"), ("instance-store", "terminating")] {
        for status in [InstanceStatus::Requested, InstanceStatus::Booting, InstanceStatus::Online, InstanceStatus::SetupFailed] {
            let id = app.instance(&stack, &layer, json!({ "RootDeviceType": root })).await;
            app.settle(&id, status).await;
            app.call("StopInstance", json!({ "InstanceId": id })).await.good();
            assert_eq!(app.described(&id).await["Status"], first, "{status} {root}");
            assert!(app.item(&keys::busy(&id.as_str().into())).await.is_some());
        }
    }
}

/// [INST-4] [INST-31] [INST-33]
#[tokio::test]
async fn inst_4_after_deletion_the_id_is_unknown_and_the_name_free() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({ "AutoScalingType": "timer" })).await;
    app.call("SetTimeBasedAutoScaling", json!({ "InstanceId": id, "AutoScalingSchedule": { "Monday": { "1": "on" } } }))
        .await
        .good();
    app.settle(&id, InstanceStatus::Online).await;
    let early = app.call("DeleteInstance", json!({ "InstanceId": id })).await.invalid();
    assert!(early.starts_with("You must stop an instance before you can delete it"), "{early}");
    app.settle(&id, InstanceStatus::Stopped).await;
    app.call("DeleteInstance", json!({ "InstanceId": id, "DeleteVolumes": true })).await.good();
    assert_eq!(app.described(&id).await["Status"], "terminating");
    let request = app.record(&id).await.record.delete.unwrap();
    assert_eq!((request.volumes, request.elastic_ip), (true, false));
    app.finish_deletion(&id).await;
    app.call("DescribeInstances", json!({ "InstanceIds": [id] })).await.not_found();
    let left = app.store.partition(&format!("stack#{stack}"));
    assert!(left.iter().all(|item| !item.key.sk.contains(&id)), "{left:?}");
    assert!(app.store.partition(keys::BUSY_PK).is_empty());
    let next = app.instance(&stack, &layer, json!({})).await;
    assert_eq!(app.described(&next).await["Hostname"], "ecs-cluster1");
}

/// [INST-25]
#[tokio::test]
async fn inst_25_force_drops_an_ebs_backed_record_and_does_nothing_more_to_an_instance_store_one() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let ebs = app.instance(&stack, &layer, json!({})).await;
    let store = app.instance(&stack, &layer, json!({ "RootDeviceType": "instance-store" })).await;
    for id in [&ebs, &store] {
        app.settle(id, InstanceStatus::Online).await;
        app.call("StopInstance", json!({ "InstanceId": id, "Force": true })).await.good();
    }
    app.call("DescribeInstances", json!({ "InstanceIds": [ebs] })).await.not_found();
    assert_eq!(app.described(&store).await["Status"], "terminating");
}

/// [INST-25]: what lifecycle said of a claim on it goes along, or its holder would wait for it for ever.
#[tokio::test]
async fn inst_25_a_forced_stop_leaves_no_word_about_a_claim() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.settle(&id, InstanceStatus::Online).await;
    let key = keys::claim_report(&stack.as_str().into(), &id.as_str().into());
    let report = ClaimReport { holder: "security-updates/c".to_owned(), out_of_service_since: None };
    app.commit(vec![Change::put(key.clone(), &report, Expect::Absent)]).await;
    app.call("StopInstance", json!({ "InstanceId": id, "Force": true })).await.good();
    assert!(app.item(&key).await.is_none());
}

/// [INST-25] [LIFE-2]: the others are told that it has left, and a page about it ends, since nobody is left to end it.
#[tokio::test]
async fn inst_25_a_forced_stop_makes_configure_due_and_resolves_the_hosts_page() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.settle(&id, InstanceStatus::Online).await;
    let key = keys::incident(&stack.as_str().into(), &id);
    let page = json!({
        "incident": "stop_failed/1", "resolved": false, "severity": "warning", "kind": "stop-failed", "stack": "shop", "layer": "web",
        "host": "web1", "what": "web1 is stop_failed", "why": "?", "did": "?", "next": "?", "decision": "d", "at": "2026-01-01T00:00:00Z",
    });
    app.commit(vec![Change::put(key.clone(), &json!({ "page": page }), Expect::Absent)]).await;
    app.call("StopInstance", json!({ "InstanceId": id, "Force": true })).await.good();
    assert!(app.item(&keys::configure_due_by(&stack.as_str().into(), &id.as_str().into())).await.is_some());
    assert!(app.item(&key).await.is_none());
    let told: Vec<Value> = app.store.all().iter().filter_map(|item| item.decode::<Value>().ok()).collect();
    let is_end = |value: &&Value| value["resolved"] == true || value["page"]["resolved"] == true;
    assert_eq!(told.iter().filter(is_end).count(), 1, "one message that ends it");
}

/// [INST-30]
#[tokio::test]
async fn inst_30_a_reboot_shows_rebooting() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.settle(&id, InstanceStatus::Online).await;
    app.call("RebootInstance", json!({ "InstanceId": id })).await.good();
    assert_eq!(app.described(&id).await["Status"], "rebooting");
    assert!(app.item(&keys::busy(&id.as_str().into())).await.is_some());
}

/// [TIME-9] [LOAD-15]: a person's stop holds, a controller's does not; a start ends the hold.
#[tokio::test]
async fn load_15_a_manual_stop_holds_scaled_instances_until_they_are_started() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    for (scaling, holds) in
        [(json!({}), false), (json!({ "AutoScalingType": "timer" }), true), (json!({ "AutoScalingType": "load" }), true)]
    {
        let id = app.instance(&stack, &layer, scaling.clone()).await;
        app.settle(&id, InstanceStatus::Online).await;
        app.call_as_controller("StopInstance", json!({ "InstanceId": id })).await.good();
        assert!(hold(&app, &id).await.is_none(), "{scaling}");
        app.settle(&id, InstanceStatus::Online).await;
        app.call("StopInstance", json!({ "InstanceId": id })).await.good();
        assert_eq!(
            hold(&app, &id).await.map(|h| (h.kind, h.by)),
            holds.then(|| (HoldKind::ManualStop, USER.to_owned())),
            "{scaling}"
        );
        app.settle(&id, InstanceStatus::Stopped).await;
        app.call_as_controller("StartInstance", json!({ "InstanceId": id })).await.good();
        assert!(hold(&app, &id).await.is_none(), "{scaling}");
    }
    assert_ne!(USER, CONTROLLERS);
    let by = app.cloud.events.lock().unwrap().iter().map(|e| text(&e.detail["initiated_by"])).collect::<Vec<_>>();
    assert_eq!(by[..3], ["auto-scaling", "user", "auto-scaling"]);
}

/// [INST-50] [INST-51] [INST-52] [INST-53]
#[tokio::test]
async fn inst_51_what_is_fixed_may_only_be_sent_unchanged() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let custom = app.custom_layer(&stack, "extra").await;
    let id = app.instance(&stack, &layer, json!({ "AutoScalingType": "load" })).await;
    let update = |more: Value| {
        let mut m = json!({ "InstanceId": id });
        m.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        m
    };
    let unchanged = json!({
        "AutoScalingType": "load", "EbsOptimized": false, "Os": "Amazon Linux 2023", "AmiId": "", "Hostname": "ecs-cluster1",
        "InstallUpdatesOnBoot": true, "Architecture": "x86_64",
    });
    app.call("UpdateInstance", update(unchanged)).await.good();
    for (more, begins) in [
        (json!({ "AutoScalingType": "timer" }), "Auto Scaling Type: cannot be changed"),
        (json!({ "EbsOptimized": true }), "Ebs Optimized: cannot be changed"),
        (json!({ "Os": "Amazon Linux 2" }), "Os: cannot be changed"),
        (json!({ "AmiId": "ami-1" }), "Ami Id: cannot be changed"),
    ] {
        let message = app.call("UpdateInstance", update(more.clone())).await.invalid();
        assert!(message.starts_with(begins), "{more}: {message}");
    }
    let change = json!({ "InstanceType": "m5.xlarge", "Hostname": "web", "LayerIds": [layer, custom], "SshKeyName": "ops" });
    app.call("UpdateInstance", update(change)).await.good();
    let i = app.described(&id).await;
    assert_eq!(
        (text(&i["InstanceType"]), text(&i["Hostname"]), text(&i["SshKeyName"])),
        ("m5.xlarge".into(), "web".into(), "ops".into())
    );
    assert_eq!(i["LayerIds"], json!([layer, custom]));
    app.instance(&stack, &layer, json!({ "Hostname": "ecs-cluster1" })).await;
    app.call("UpdateInstance", update(json!({ "Hostname": "ecs-cluster1" }))).await.invalid();
    let other = app.stack("other").await;
    let foreign = app.custom_layer(&other, "x").await;
    app.call("UpdateInstance", update(json!({ "LayerIds": [foreign] }))).await.invalid();
}

/// [INST-80] [INST-81] [INST-82]
#[tokio::test]
async fn inst_80_start_stack_starts_24_7_ones_and_stop_stack_stops_all_with_holds() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let always = app.instance(&stack, &layer, json!({})).await;
    let failed = app.instance(&stack, &layer, json!({})).await;
    let timer = app.instance(&stack, &layer, json!({ "AutoScalingType": "timer" })).await;
    app.settle(&failed, InstanceStatus::SetupFailed).await;
    app.call("StartStack", json!({ "StackId": stack })).await.good();
    let status = async |id: &str| text(&app.described(id).await["Status"]);
    assert_eq!([status(&always).await, status(&failed).await, status(&timer).await], ["requested", "setup_failed", "stopped"]);
    app.settle(&timer, InstanceStatus::Online).await;
    app.call("StopStack", json!({ "StackId": stack })).await.good();
    assert_eq!([status(&always).await, status(&failed).await, status(&timer).await], ["stopping", "stopping", "stopping"]);
    assert!(hold(&app, &timer).await.is_some() && hold(&app, &always).await.is_none());
    app.call("StartStack", json!({ "StackId": "unknown" })).await.not_found();
}

/// A layer that is being taken down starts nothing.
#[tokio::test]
async fn nothing_starts_in_a_layer_that_is_being_taken_down() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    let mark = keys::teardown_mark(&stack.as_str().into(), &layer.as_str().into());
    app.commit(vec![strata_ports::Change::put(mark, &"teardown-1", strata_ports::Expect::Absent)]).await;
    assert!(app.call("StartInstance", json!({ "InstanceId": id })).await.invalid().contains("being taken down"));
    app.call("StartStack", json!({ "StackId": stack })).await.good();
    assert_eq!(app.described(&id).await["Status"], "stopped");
}

/// A start and a stop at the same moment: one after the other, never both at once, and one event each.
#[tokio::test]
async fn a_start_and_a_stop_at_once_leave_one_consistent_record() {
    for _ in 0..10 {
        let app = TestApi::new();
        let (stack, layer) = app.shop().await;
        let id = app.instance(&stack, &layer, json!({})).await;
        let start = app.call("StartInstance", json!({ "InstanceId": id }));
        let (start, stop) = futures::future::join(start, app.call("StopInstance", json!({ "InstanceId": id }))).await;
        start.good();
        stop.good();
        let record = app.record(&id).await.record;
        assert_eq!(app.cloud.events.lock().unwrap().len() as u64, record.status_sequence);
        assert_eq!(app.store.partition(keys::BUSY_PK).len(), 1);
    }
}

/// A bus that does not answer leaves the event in the outbox for the tick, and the call succeeds.
#[tokio::test]
async fn an_event_that_cannot_be_sent_waits_in_the_outbox() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.cloud.events_fail.store(true, std::sync::atomic::Ordering::Relaxed);
    app.call("StartInstance", json!({ "InstanceId": id })).await.good();
    assert_eq!(app.store.partition(keys::OUTBOX_PK).len(), 1);
}

/// [DSC-9]: an answer that was kept is given again only as long as nothing it is made of has changed.
#[tokio::test]
async fn dsc_9_a_kept_answer_shows_every_write_that_was_answered() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    let all = async || app.call("DescribeInstances", json!({ "StackId": stack })).await.good()["Instances"].clone();
    let of_layer = async || app.call("DescribeInstances", json!({ "LayerId": layer })).await.good()["Instances"].clone();
    assert_eq!((all().await, of_layer().await), (all().await, of_layer().await));
    app.call("UpdateInstance", json!({ "InstanceId": id, "InstanceType": "c7i.large" })).await.good();
    assert_eq!(all().await[0]["InstanceType"], "c7i.large");
    assert_eq!(of_layer().await[0]["InstanceType"], "c7i.large");
    let profile = format!("arn:aws:iam::{ACCOUNT}:instance-profile/other");
    app.call("UpdateLayer", json!({ "LayerId": layer, "CustomInstanceProfileArn": profile })).await.good();
    assert_eq!(all().await[0]["InstanceProfileArn"], profile, "what it takes from the layer counts too");
    app.account.set_policy(USER, Policy { deny: vec!["opsworks:DescribeInstances".into()], ..Policy::administrator() });
    app.cloud.advance(60);
    app.call("DescribeInstances", json!({ "StackId": stack })).await.error("AccessDeniedException");
}

/// [INST-34] [ECS-61]: members of all three scaling types, each taken out of one of its layers, and none out of its last.
#[tokio::test]
async fn inst_34_a_stopped_instance_may_leave_one_of_its_layers_but_not_the_last() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let custom = app.custom_layer(&stack, "extra").await;
    let mut ids = Vec::new();
    for scaling in [json!({}), json!({ "AutoScalingType": "load" }), json!({ "AutoScalingType": "timer" })] {
        ids.push(app.instance(&stack, &layer, scaling).await);
    }
    let members = app.call("DescribeInstances", json!({ "LayerId": layer })).await.good()["Instances"].clone();
    let types: Vec<&Value> = members.as_array().unwrap().iter().map(|i| &i["AutoScalingType"]).collect();
    assert_eq!(types, [&Value::Null, &json!("load"), &json!("timer")]);
    for id in ids {
        for (sent, shown) in
            [([&layer, &custom].as_slice(), json!([layer, custom])), (&[&custom], json!([custom])), (&[], json!([custom]))]
        {
            app.call("UpdateInstance", json!({ "InstanceId": id, "LayerIds": sent })).await.good();
            assert_eq!(app.described(&id).await["LayerIds"], shown, "an empty list counts as absent");
        }
    }
}

/// [ECS-120] No agent of OpsWorks' runs any more; the version that is shown is at least the one that ECS layers ask for [ECS-13].
#[tokio::test]
async fn ecs_120_an_instance_reports_a_version_that_an_ecs_layer_takes() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    assert!(app.described(&instance).await.get("ReportedAgentVersion").is_none(), "it has never run");
    app.call("StartInstance", json!({ "InstanceId": instance })).await.good();
    app.settle(&instance, InstanceStatus::Online).await;
    let stored = app.record(&instance).await;
    let online = Instance { has_been_online: true, ..stored.record.clone() };
    app.commit(vec![stored.put(&online)]).await;
    let shown = text(&app.described(&instance).await["ReportedAgentVersion"]);
    let numbers = |version: &str| version.split('-').map(|part| part.parse::<u64>().unwrap()).collect::<Vec<_>>();
    assert!(numbers(&shown) >= numbers("3425-20150727112318"), "{shown}");
}
