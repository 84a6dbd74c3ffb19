//! `strata sim serve` and `strata sim world`, the built binary over real HTTP: a layer comes up, survives kill -9, and is refused well.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

#[path = "support/served.rs"]
mod served;

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use served::{POLLS, Server, layer, request, strata, tool, world};

#[test]
fn a_layer_comes_up_survives_kill_9_in_the_middle_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("world");
    let server = Server::start(&data, &["--speed", "600"]);
    let account = world(&[], &data);
    let (_, layer_id, instance) = layer(&server, &account);
    server.call("StartInstance", json!({ "InstanceId": instance }));
    // Its machine is launched, and it is not up yet.
    let booting = loop {
        let seen = server.status_of(&instance);
        if seen["Ec2InstanceId"].is_string() {
            break seen;
        }
        std::thread::yield_now();
    };
    server.kill_9();

    let server = Server::start(&data, &["--speed", "600"]);
    let online = server.wait_for(&instance, "online");
    assert_eq!(online["Ec2InstanceId"], booting["Ec2InstanceId"], "one launch, remembered on both sides");
    let made = world(&["cpu", &layer_id, "92"], &data);
    assert!(made["made"].as_str().unwrap().contains("92 % CPU"), "{made}");
    let tasks = world(&["add", "task", "shop", "--count", "2"], &data);
    assert_eq!(tasks["made"], "2 of 2 tasks found room");
    server.call("StopInstance", json!({ "InstanceId": instance }));
    server.kill_9();

    let server = Server::start(&data, &["--speed", "600"]);
    server.wait_for(&instance, "stopped");
    assert_eq!(world(&[], &data), account, "the account is as it was");
}

#[test]
fn the_account_starts_with_what_a_first_walk_needs_and_takes_more() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("world");
    let server = Server::start(&data, &[]);
    let account = world(&[], &data);
    let count = |member: &str| account[member].as_array().unwrap().len();
    assert_eq!(account.as_object().unwrap().len(), 10);
    assert_eq!(account["account_id"], "123456789012");
    assert_eq!(account["vpc_id"], "vpc-default");
    assert_eq!(account["subnet_ids"], json!(["subnet-00000000", "subnet-00000001", "subnet-00000002"]));
    assert_eq!(account["user_arns"], json!(["arn:aws:iam::123456789012:user/ada", "arn:aws:iam::123456789012:user/bob"]));
    assert_eq!((count("cluster_arns"), count("volume_ids"), count("elastic_ips"), count("load_balancers")), (4, 2, 2, 2));
    for what in [
        &["add", "cluster", "more"][..],
        &["add", "volume", "--zone", "us-east-1c", "--size", "8"],
        &["add", "elastic-ip"],
        &["add", "load-balancer", "more-front"],
        &["add", "user", "eve"],
        &["add", "service", "more", "web", "--count", "3"],
    ] {
        world(what, &data);
    }
    server.kill_9();

    let server = Server::start(&data, &[]);
    let account = world(&[], &data);
    let count = |member: &str| account[member].as_array().unwrap().len();
    let counts = ["cluster_arns", "volume_ids", "elastic_ips", "load_balancers", "user_arns"].map(count);
    assert_eq!(counts, [5, 3, 3, 3, 3], "what was added is there after kill -9");
    for (what, says) in [
        (&["add", "cluster", "no name"][..], "expected 1 to 32 letters"),
        (&["add", "volume", "--zone", "mars-1a"], "expected one of us-east-1a"),
        (&["add", "service", "none", "web"], "cluster none: there is none"),
        (&["cpu", "5f2ad4c1", "50"], "there is no layer of that id"),
        (&["cpu", "5f2ad4c1", "101"], "expected a CPU percentage"),
    ] {
        let output = strata(&[&["sim", "world"][..], what].concat(), &data);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{what:?}: {stderr}");
        assert!(stderr.contains(says) && stderr.lines().count() == 1, "{what:?}: {stderr}");
    }
    assert_eq!(server.terminate(), Some(0));
    assert!(!data.join("endpoint").exists(), "nobody is sent to a server that has ended");
}

#[test]
fn the_endpoint_answers_what_clients_send_in_whatever_path_and_size_and_keeps_web_pages_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("world"), &[]);
    let target = "x-amz-target: OpsWorks_20130218.DescribeStacks\r\n";
    let at = |line: &str, headers: &str| request(&server.address, line, headers, b"{}");
    assert_eq!(at("POST /a/base/path HTTP/1.1", target), (200, json!({ "Stacks": [] })));
    assert_eq!(at("GET / HTTP/1.1", target).1["__type"], "UnknownOperationException");
    let (status, body) = server.send("DescribeStacks", &vec![b' '; 6_000_001], None);
    assert_eq!((status, &body["__type"]), (400, &json!("SerializationException")));
    assert!(body["message"].as_str().unwrap().contains("6000001 bytes"), "{body}");
    let (status, body) = server.send("DescribeStacks", b"{}", Some("A/20260301/eu-west-1/opsworks/aws4_request"));
    assert_eq!((status, &body["__type"]), (400, &json!("InvalidSignatureException")));
    assert_eq!(body["message"], "Credential should be scoped to a valid region, not 'eu-west-1'.");
    for headers in ["origin: http://localhost\r\n", "host: evil.example\r\n"] {
        assert_eq!(at("GET /_strata/world HTTP/1.1", headers).0, 403, "{headers}");
        assert_eq!(at("POST /_strata/world HTTP/1.1", headers).0, 403, "{headers}");
    }
}

#[test]
fn with_a_keys_file_the_access_key_is_the_caller_and_policies_count() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    let text = "[keys]\nAKIAADA = \"arn:aws:iam::123456789012:user/ada\"\nAKIABOB = \"arn:aws:iam::123456789012:user/bob\"\n\
                [policies.\"arn:aws:iam::123456789012:user/ada\"]\nallow = [\"opsworks:*\", \"iam:PassRole\"]\n";
    std::fs::write(&keys, text).unwrap();
    let server = Server::start(&folder.path().join("world"), &["--keys", keys.to_str().unwrap()]);
    let kind = |scope: Option<&str>| {
        let (status, body) = server.send("DescribeUserProfiles", b"{}", scope);
        (status, body["__type"].as_str().unwrap_or_default().to_owned())
    };
    let scope = |key: &str| format!("{key}/20260301/us-east-1/opsworks/aws4_request");
    assert_eq!(kind(None), (400, "MissingAuthenticationTokenException".to_owned()));
    assert_eq!(kind(Some(&scope("AKIAEVE"))), (400, "UnrecognizedClientException".to_owned()));
    let create = |key: &str| {
        let input = json!({
            "Name": "shop", "Region": "us-east-1", "ServiceRoleArn": "arn:aws:iam::123456789012:role/aws-opsworks-service-role",
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/aws-opsworks-ec2-role-with-ecs",
        });
        server.send("CreateStack", input.to_string().as_bytes(), Some(&scope(key)))
    };
    let (status, body) = create("AKIABOB");
    assert_eq!((status, &body["__type"]), (400, &json!("AccessDeniedException")), "{body}");
    assert_eq!(create("AKIAADA").0, 200);
}

/// Expects one sentence on stderr that has all of `says`, and nothing on stdout.
#[track_caller]
fn refused(output: &Output, code: i32, says: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(output.stdout.is_empty());
    assert!(stderr.starts_with("strata: ") && stderr.lines().count() == 1, "{stderr}");
    for part in says {
        assert!(stderr.contains(part), "{stderr}lacks {part}");
    }
}

#[test]
fn what_cannot_be_served_ends_with_one_sentence_and_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("world");
    let other = folder.path().join("other");
    let server = Server::start(&data, &[]);
    let serve = |listen: &str, data: &Path| strata(&["sim", "serve", "--listen", listen], data);
    let any = "127.0.0.1:0";
    refused(&serve(&server.address, &other), 1, &["the port is taken", "127.0.0.1:0"]);
    refused(&serve(any, &data), 1, &["world", "in use by another process"]);
    refused(&serve("0.0.0.0:0", &other), 2, &["--listen 0.0.0.0:0", "other machines", "expected a loopback address"]);
    refused(&serve("4280", &other), 2, &["--listen 4280", "expected a loopback address"]);
    assert!(!other.exists(), "nothing is left behind");

    let with = |name: &str, file: &str, text: &str| {
        let data = folder.path().join(name);
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("format"), "strata-world 1\n").unwrap();
        std::fs::write(data.join(file), text).unwrap();
        data
    };
    let diary = "dear diary ".repeat(1_000);
    refused(&serve(any, &with("newer", "format", "strata-world 2\n")), 2, &["newer strata", "format 2", "update strata"]);
    refused(&serve(any, &with("foreign", "format", "hello")), 2, &["\"hello\"", "expected \"strata-world 1\""]);
    refused(&serve(any, &with("store", "store.redb", &diary)), 2, &["store.redb cannot be opened", "choose another folder"]);
    refused(&serve(any, &with("cloud", "cloud.redb", &diary)), 2, &["cloud.redb cannot be opened"]);
    std::fs::write(folder.path().join("file"), "").unwrap();
    refused(&serve(any, &folder.path().join("file")), 2, &["file", "cannot be made"]);
    refused(&strata(&["sim", "serve", "--listen", any, "--keys", "absent.toml"], &other), 2, &["absent.toml", "cannot be read"]);

    refused(&strata(&["sim", "world"], &other), 1, &["no world is served in", "strata sim serve"]);
    refused(&strata(&["sim", "world", "--endpoint", "ftp://x"], &other), 2, &["--endpoint ftp://x", "http://127.0.0.1:4280"]);
    server.kill_9();
    refused(&strata(&["sim", "world"], &data), 1, &["no world is served at http://127.0.0.1:", "strata sim serve"]);
}

/// [ECS-23] [ECS-31] [ECS-41] [ECS-50] [ECS-78] [ECS-92] [ELB-12]: the page's console steps, and what is undone when one of them fails.
#[test]
fn ecs_23_a_layer_is_added_in_one_step_or_everything_is_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let role = world(&["add", "role", "narrow", "--allow", "ec2:*"], folder.path())["made"].as_str().unwrap().to_owned();
    let stack = server.call(
        "CreateStack",
        json!({
            "Name": "shop", "Region": "us-east-1", "ServiceRoleArn": role,
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/plain",
        }),
    );
    let clusters = || server.call("DescribeEcsClusters", json!({ "StackId": stack["StackId"] }))["EcsClusters"].clone();

    let (code, told, why) = tool(&server, &["layer", "add", "--cluster", "shop"]);
    assert_eq!(code, Some(2), "{why}");
    assert!(told.contains("does not allow ecs:DescribeClusters") && why.contains("--yes"), "nobody agreed: {told}{why}");
    let too_long = "x".repeat(33);
    let (code, _, why) = tool(&server, &["layer", "add", "--cluster", "shop", "--yes", "--name", &too_long]);
    assert!(code == Some(1) && why.contains("Name:") && why.contains("nothing has changed"), "{why}");
    assert_eq!(clusters(), json!([]), "the registration is undone");

    let (code, told, why) = tool(&server, &["layer", "add", "--cluster", "shop", "--output", "json"]);
    assert_eq!(code, Some(0), "{why}");
    let added: Value = serde_json::from_str(&told).unwrap();
    let layer = &server.call("DescribeLayers", json!({ "StackId": stack["StackId"] }))["Layers"][0];
    assert_eq!(layer["LayerId"], added["layer_id"]);
    assert_eq!(layer["CustomInstanceProfileArn"], "arn:aws:iam::123456789012:instance-profile/aws-opsworks-ec2-role-with-ecs");
    assert!(added["console"].as_str().unwrap().contains("/clusters/shop/"), "{added}");
    assert!(added["hint"].as_str().unwrap().contains("give the ECS service a load balancer of its own"), "{added}");
    let (code, _, why) = tool(&server, &["layer", "add", "--cluster", "jobs"]);
    assert!(code == Some(2) && why.contains("has an ECS Cluster layer already"), "{why}");

    let instance = json!({ "StackId": stack["StackId"], "LayerIds": [layer["LayerId"]], "InstanceType": "c7i.large" });
    let instance = server.call("CreateInstance", instance)["InstanceId"].as_str().unwrap().to_owned();
    let (code, told, _) = tool(&server, &["status"]);
    assert!(code == Some(0) && told.contains("24/7         1 stopped") && told.contains("ECS cluster shop"), "{told}");
    let (code, _, why) = tool(&server, &["layer", "delete", "--stack", "shop"]);
    let next = format!("aws opsworks delete-instance --instance-id {instance}");
    assert!(code == Some(2) && why.contains(&next), "{why}");
    assert_eq!(clusters().as_array().unwrap().len(), 1, "what was refused changed nothing");
    server.call("DeleteInstance", json!({ "InstanceId": instance }));
    let is_gone = || server.send("DescribeInstances", json!({ "InstanceIds": [instance] }).to_string().as_bytes(), None).0 == 400;
    assert!((0..POLLS).any(|_| is_gone()), "a stopped instance's deletion comes to its end");
    let (code, told, why) = tool(&server, &["layer", "delete"]);
    assert!(code == Some(0) && told.contains("it stays in ECS"), "{told}{why}");
    assert_eq!(clusters(), json!([]));
    let (code, _, why) = tool(&server, &["layer", "delete", "--stack", "nonsense"]);
    assert!(code == Some(2) && why.contains("no stack that you may see"), "{why}");
}
