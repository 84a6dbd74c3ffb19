//! Commands against a server that speaks SSM's protocol, and against scripts for what it does not have: results and pings.

mod support;

use serde_json::{Value, json};
use strata_aws::commands::{SsmCommands, USES};
use strata_domain::{Ec2InstanceId, SsmCommandId};
use strata_ports::contract::{CommandsDiffer, commands_contract};
use strata_ports::{CloudError, CommandKind, CommandRequest, CommandResult, CommandStatus, Commands};
use support::scripted::Scripted;

fn request(nonce: &str) -> CommandRequest {
    CommandRequest {
        nonce: nonce.to_owned(),
        kind: CommandKind::Setup,
        host: Ec2InstanceId::from("i-0123456789abcdef1"),
        parameters: vec![("hostname".to_owned(), "web1".to_owned()), ("install_updates".to_owned(), "true".to_owned())],
        timeout_seconds: 3_600,
    }
}

fn id(n: usize) -> SsmCommandId {
    SsmCommandId::new(format!("00000000-0000-4000-8000-{n:012}"))
}

fn invocation(n: usize, status: &str, code: i32, output: &str) -> Value {
    let plugin = json!({ "Name": "run", "Status": status, "ResponseCode": code, "Output": output });
    json!({ "CommandId": id(n).as_str(), "Status": status, "StatusDetails": status, "CommandPlugins": [plugin] })
}

fn invocations(all: &[Value]) -> Value {
    json!({ "CommandInvocations": all })
}

/// The server sends and lists commands; it has neither ListCommandInvocations nor DescribeInstanceInformation.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let differ = CommandsDiffer { without_results: true, without_pings: true };
    let settle = || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(async {}) };
    let base = support::base(&[]);
    commands_contract(&SsmCommands::new(&base), &support::scope(), &request("setup-contract-1"), &settle, differ).await;
}

#[tokio::test]
async fn a_command_names_our_document_and_carries_its_nonce_twice() {
    let script = Scripted::start().await;
    let base = script.base(&[("STRATA_INSTALLATION", "shop")]);
    let commands = SsmCommands::new(&base);
    script.answer(
        "ListCommands",
        json!({ "Commands": [{ "CommandId": id(1).as_str(), "Comment": "setup-0", "DocumentName": "shop-Setup" }] }),
    );
    script.answer("SendCommand", json!({ "Command": { "CommandId": id(2).as_str() } }));
    assert_eq!(commands.send(&support::scope(), &request("setup-1")).await, Ok(id(2)));
    support::check_uses(&base, USES, "send");
    let listed = &script.asked("ListCommands")[0];
    assert_eq!(listed["InstanceId"], "i-0123456789abcdef1");
    assert_eq!(listed["Filters"], json!([{ "key": "DocumentName", "value": "shop-Setup" }]));
    let sent = &script.asked("SendCommand")[0];
    let parameters = json!({
        "Nonce": ["setup-1"], "ExecutionTimeout": ["3600"], "Hostname": ["web1"], "InstallUpdates": ["true"],
    });
    let expected = json!({
        "DocumentName": "shop-Setup",
        "InstanceIds": ["i-0123456789abcdef1"],
        "Comment": "setup-1",
        "TimeoutSeconds": 3600,
        "Parameters": parameters,
    });
    assert_eq!(*sent, expected);
    script.is_done();
}

#[tokio::test]
async fn a_nonce_that_was_sent_is_found_on_a_later_page_and_not_sent_again() {
    let script = Scripted::start().await;
    let commands = SsmCommands::new(&script.base(&[]));
    let command =
        |n: usize, comment: &str| json!({ "CommandId": id(n).as_str(), "Comment": comment, "DocumentName": "strata-Setup" });
    script.answer("ListCommands", json!({ "Commands": [command(1, "setup-10")], "NextToken": "more" }));
    script.answer("ListCommands", json!({ "Commands": [command(2, "setup-1")] }));
    assert_eq!(commands.send(&support::scope(), &request("setup-1")).await, Ok(id(2)));
    assert!(script.asked("SendCommand").is_empty());
    script.is_done();
}

#[tokio::test]
async fn a_nonce_that_does_not_fit_or_a_host_without_an_agent_is_wrong_and_a_lost_answer_is_unknown() {
    let script = Scripted::start().await;
    let commands = SsmCommands::new(&script.base(&[]));
    let send = async |nonce: String| commands.send(&support::scope(), &request(&nonce)).await;
    let error = send("n".repeat(101)).await.unwrap_err();
    assert!(matches!(&error, CloudError::Wrong { why, .. } if why.contains("longer than 100 characters")), "{error}");
    assert!(script.asked("ListCommands").is_empty(), "nothing was asked");

    script.answer("ListCommands", json!({}));
    script.answer_with("SendCommand", 400, json!({ "__type": "InvalidInstanceId", "message": "not in a valid state" }));
    assert_eq!(send("n".repeat(100)).await.unwrap_err().code(), Some("InvalidInstanceId"));
    script.answer("ListCommands", json!({}));
    for _ in 0..2 {
        script.answer_with("SendCommand", 500, json!({ "__type": "InternalServerError", "message": "oops" }));
    }
    let error = send("n".to_owned()).await.unwrap_err();
    assert!(matches!(error, CloudError::OutcomeUnknown { .. }), "{error}");
    script.is_done();
}

/// [CMD-32]
#[tokio::test]
async fn what_a_command_says_goes_to_the_installations_bucket_under_its_nonce() {
    let script = Scripted::start().await;
    let commands = SsmCommands::new(&script.base(&[("STRATA_BUCKET", "files")]));
    script.answer("ListCommands", json!({}));
    script.answer("SendCommand", json!({ "Command": { "CommandId": id(1).as_str() } }));
    commands.send(&support::scope(), &request("command-7")).await.unwrap();
    let sent = &script.asked("SendCommand")[0];
    assert_eq!((&sent["OutputS3BucketName"], &sent["OutputS3KeyPrefix"]), (&json!("files"), &json!("logs/command-7")));
}

#[tokio::test]
async fn results_tell_code_and_last_line_and_what_nobody_knows_is_left_out() {
    let script = Scripted::start().await;
    let base = script.base(&[]);
    let commands = SsmCommands::new(&base);
    let failed = "updating\n----------ERROR-------\nE: no repository\nfailed to run commands: exit status 100";
    script.answer("ListCommandInvocations", invocations(&[invocation(1, "Failed", 100, failed)]));
    script.answer("ListCommandInvocations", invocations(&[invocation(2, "InProgress", -1, "")]));
    // Sent a moment ago: the command is listed, its invocation is not.
    script.answer("ListCommandInvocations", invocations(&[]));
    script.answer("ListCommands", json!({ "Commands": [{ "CommandId": id(3).as_str(), "Status": "Pending" }] }));
    script.answer("ListCommandInvocations", invocations(&[]));
    script.answer_with("ListCommands", 400, json!({ "__type": "InvalidCommandId", "message": "no such command" }));

    let results = commands.results(&support::scope(), &[id(1), id(2), id(3), id(4)]).await.unwrap();
    let result =
        |n, status, exit_code, line: &str| CommandResult { id: id(n), status, exit_code, last_line: line.to_owned(), log: None };
    let expected = [
        result(1, CommandStatus::Failed, Some(100), "E: no repository"),
        result(2, CommandStatus::InProgress, None, ""),
        result(3, CommandStatus::Pending, None, ""),
    ];
    assert_eq!(results, expected);
    support::check_uses(&base, USES, "results");
    assert!(script.asked("ListCommandInvocations").iter().all(|asked| asked["Details"] == true));
    script.is_done();
}

#[tokio::test]
async fn many_results_are_read_by_the_page_and_only_the_rest_one_by_one() {
    let script = Scripted::start().await;
    let commands = SsmCommands::new(&script.base(&[]));
    let page = |from: usize, to: usize| {
        let mut page = invocations(&(from..to).map(|n| invocation(n, "Success", 0, "done")).collect::<Vec<_>>());
        page["NextToken"] = json!(format!("after {to}"));
        page
    };
    script.answer("ListCommandInvocations", page(100, 150));
    script.answer("ListCommandInvocations", page(150, 198));
    script.answer("ListCommandInvocations", page(0, 50));
    for _ in ["Shutdown", "Update", "Configure", "Recipes", "Users"] {
        script.answer("ListCommandInvocations", page(0, 50));
    }
    script.answer("ListCommandInvocations", invocations(&[invocation(198, "Success", 0, "done")]));
    script.answer("ListCommandInvocations", invocations(&[invocation(199, "Success", 0, "done")]));
    let wanted: Vec<SsmCommandId> = (100..200).map(id).collect();
    let mut seen: Vec<_> = commands.results(&support::scope(), &wanted).await.unwrap().into_iter().map(|r| r.id).collect();
    seen.sort();
    assert_eq!(seen, wanted);
    let asked = script.asked("ListCommandInvocations");
    assert_eq!(asked[0]["Filters"], json!([{ "key": "DocumentName", "value": "strata-Setup" }]));
    assert_eq!(asked[3]["Filters"][0]["value"], "strata-Shutdown");
    script.is_done();
}

#[tokio::test]
async fn pings_are_asked_by_fifties_and_who_never_called_is_left_out() {
    let script = Scripted::start().await;
    let base = script.base(&[]);
    let commands = SsmCommands::new(&base);
    let hosts: Vec<Ec2InstanceId> = (0..51).map(|n| Ec2InstanceId::new(format!("i-{n:017x}"))).collect();
    let called = json!([{ "InstanceId": hosts[0].as_str(), "LastPingDateTime": 1_700_000_000.25, "PingStatus": "Online" }]);
    script.answer("DescribeInstanceInformation", json!({ "InstanceInformationList": called }));
    script.answer("DescribeInstanceInformation", json!({ "InstanceInformationList": [{ "InstanceId": hosts[50].as_str() }] }));
    let pings = commands.pings(&support::scope(), &hosts).await.unwrap();
    let seen: Vec<_> = pings.iter().map(|ping| (&ping.host, ping.last_ping.as_millisecond())).collect();
    assert_eq!(seen, [(&hosts[0], 1_700_000_000_250)]);
    let asked = script.asked("DescribeInstanceInformation");
    assert_eq!(asked.iter().map(|a| a["Filters"][0]["Values"].as_array().unwrap().len()).collect::<Vec<_>>(), [50, 1]);
    support::check_uses(&base, USES, "pings");
    assert_eq!(commands.pings(&support::scope(), &[]).await, Ok(Vec::new()));
    script.is_done();
}

#[tokio::test]
async fn each_region_is_asked_by_itself() {
    let script = Scripted::start().await;
    let commands = SsmCommands::new(&script.base(&[]));
    let mut elsewhere = support::scope();
    elsewhere.region = "eu-west-1".to_owned();
    script.answer("ListCommandInvocations", invocations(&[invocation(1, "Success", 0, "done")]));
    script.answer("ListCommandInvocations", invocations(&[invocation(1, "Success", 0, "done")]));
    for scope in [support::scope(), elsewhere] {
        assert_eq!(commands.results(&scope, &[id(1)]).await.unwrap().len(), 1);
    }
    assert_eq!(script.regions(), ["us-east-1", "eu-west-1"]);
}
