//! What the compute adapter makes of answers that no server gives on demand.

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use strata_aws::compute::{Ec2Compute, USES};
use strata_domain::Ec2InstanceId;
use strata_domain::announced::Announced;
use strata_ports::contract::cloud::launch;
use strata_ports::{CloudError, Compute, Ec2State, LaunchSpec, ScheduledEvent, StatusChecks};
use support::canned::{Answer, Call, Canned, assumed, ec2, ec2_error};

/// A machine in a state, with tags.
fn machine(id: &str, state: &str, tags: &[(&str, &str)]) -> String {
    let tags: String = tags.iter().map(|(k, v)| format!("<item><key>{k}</key><value>{v}</value></item>")).collect();
    format!(
        "<item><instanceId>{id}</instanceId><instanceState><code>0</code><name>{state}</name></instanceState>\
         <launchTime>2026-03-01T00:00:00.000Z</launchTime><tagSet>{tags}</tagSet></item>"
    )
}

fn described(machines: &str) -> Answer {
    ec2("DescribeInstances", &format!("<reservationSet><item><instancesSet>{machines}</instancesSet></item></reservationSet>"))
}

fn launched(machine: &str) -> Answer {
    ec2("RunInstances", &format!("<instancesSet>{machine}</instancesSet>"))
}

fn impaired(ids: &[&str]) -> Answer {
    let check = "<systemStatus><status>impaired</status></systemStatus>";
    let items: String = ids.iter().map(|id| format!("<item><instanceId>{id}</instanceId>{check}</item>")).collect();
    ec2("DescribeInstanceStatus", &format!("<instanceStatusSet>{items}</instanceStatusSet>"))
}

fn image() -> Answer {
    let root = "<blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs><volumeSize>8</volumeSize></ebs></item></blockDeviceMapping>";
    let image = format!(
        "<item><imageId>ami-1</imageId><rootDeviceName>/dev/xvda</rootDeviceName><rootDeviceType>ebs</rootDeviceType>{root}</item>"
    );
    ec2("DescribeImages", &format!("<imagesSet>{image}</imagesSet>"))
}

fn ids(all: &[&str]) -> Vec<Ec2InstanceId> {
    all.iter().map(|id| Ec2InstanceId::from(*id)).collect()
}

fn of_own_image() -> LaunchSpec {
    LaunchSpec { os: "Custom".to_owned(), ami_id: Some("ami-1".to_owned()), ..launch("record-1", "us-east-1a") }
}

/// Exceptions: one look for what is down although it is wanted, one for each status check, and one for those that the checks named.
#[tokio::test]
async fn exceptions_are_looked_for_by_filters_and_cost_four_calls() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeInstanceStatus" if call.filter("system-status.status") == ["impaired"] => impaired(&["i-sick", "i-theirs"]),
        "DescribeInstanceStatus" => {
            assert_eq!(call.filter("instance-status.status"), ["impaired"]);
            impaired(&["i-sick"])
        }
        "DescribeInstances" if call.filter("tag:strata:power") == ["on"] => {
            assert_eq!(call.filter("instance-state-name").len(), 5, "every state but running");
            described(&machine("i-down", "stopped", &[("strata:instance", "record-1")]))
        }
        "DescribeInstances" => {
            assert_eq!(call.filter("instance-id"), ["i-sick", "i-theirs"]);
            described(&machine("i-sick", "running", &[("strata:instance", "record-2")]))
        }
        other => panic!("{other}"),
    });
    let base = canned.base();
    let found = Ec2Compute::new(&base).describe_exceptions(&support::scope()).await.unwrap();
    let shown: Vec<_> = found.iter().map(|h| (h.id.as_str(), h.state, h.impaired)).collect();
    assert_eq!(shown, [("i-down", Ec2State::Stopped, false), ("i-sick", Ec2State::Running, true)]);
    let calls = canned.calls();
    assert_eq!(calls.len(), 4);
    let of_machines = calls.iter().filter(|call| call.operation == "DescribeInstances");
    assert!(of_machines.clone().all(|call| call.filter("tag:strata:stack") == [support::scope().stack_id.as_str()]));
    support::check_uses(&base, USES, "describe_exceptions");
}

/// What is scheduled: one filtered look, without what is over. EC2 lists that for a week more.
#[tokio::test]
async fn scheduled_events_are_one_filtered_look_and_what_is_over_is_left_out() {
    let event = |code: &str, about: &str, at: &str| {
        format!("<item><code>{code}</code><description>{about}</description><notBefore>{at}</notBefore></item>")
    };
    let events = [
        event("instance-retirement", "The instance is running on degraded hardware", "2026-03-20T08:00:00.000Z"),
        event("instance-reboot", "[Completed] reboot", "2026-03-01T08:00:00.000Z"),
        event("instance-stop", "[Canceled] stop", "2026-03-02T08:00:00.000Z"),
        event("something-new", "what nobody knows yet", "2026-03-02T08:00:00.000Z"),
    ];
    let answer = format!(
        "<instanceStatusSet><item><instanceId>i-old</instanceId><eventsSet>{}</eventsSet></item></instanceStatusSet>",
        events.concat()
    );
    let canned = Canned::new(move |call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeInstanceStatus" => {
            assert_eq!(call.filter("event.code").len(), 5, "every code that Strata acts on");
            ec2("DescribeInstanceStatus", &answer)
        }
        other => panic!("{other}"),
    });
    let base = canned.base();
    let found = Ec2Compute::new(&base).scheduled_events(&support::scope()).await.unwrap();
    let expected = ScheduledEvent {
        host: "i-old".into(),
        what: Announced::InstanceRetirement,
        not_before: "2026-03-20T08:00:00Z".parse().unwrap(),
    };
    assert_eq!(found, [expected]);
    support::check_uses(&base, USES, "scheduled_events");
}

/// EC2 divides what it lists into pages, some of them with nothing that fits; a machine may have several events. The servers that stand in for
/// EC2 have none to show (moto 5.2 lists no events and takes any filter), so the bodies are written after the API's reference
/// ("InstanceStatusEvent"), times with and without parts of a second.
#[tokio::test]
async fn scheduled_events_of_every_page_and_of_each_machine_are_told() {
    let event = |code: &str, at: &str| {
        format!(
            "<item><instanceEventId>instance-event-0d59937288b749b32</instanceEventId><code>{code}</code>\
             <description>scheduled</description><notBefore>{at}</notBefore></item>"
        )
    };
    let several = [event("system-reboot", "2026-03-20T08:00:00.000Z"), event("instance-stop", "2026-03-21T08:00:00Z")].concat();
    let pages = [
        "<nextToken>a</nextToken><instanceStatusSet/>".to_owned(),
        format!(
            "<nextToken>b</nextToken><instanceStatusSet><item><instanceId>i-1</instanceId><eventsSet>{several}</eventsSet></item>\
             <item><instanceId>i-2</instanceId><eventsSet/></item><item><instanceId>i-3</instanceId></item></instanceStatusSet>"
        ),
        format!(
            "<instanceStatusSet><item><instanceId>i-4</instanceId><eventsSet>{}</eventsSet></item></instanceStatusSet>",
            event("system-maintenance", "2026-03-22T08:00:00.000Z")
        ),
    ];
    let canned = Canned::new(move |call| match (call.operation.as_str(), call.get("NextToken")) {
        ("AssumeRole", _) => assumed(),
        ("DescribeInstanceStatus", None) => ec2("DescribeInstanceStatus", &pages[0]),
        ("DescribeInstanceStatus", Some("a")) => ec2("DescribeInstanceStatus", &pages[1]),
        ("DescribeInstanceStatus", Some("b")) => ec2("DescribeInstanceStatus", &pages[2]),
        other => panic!("{other:?}"),
    });
    let base = canned.base();
    let found = Ec2Compute::new(&base).scheduled_events(&support::scope()).await.unwrap();
    let told: Vec<_> = found.iter().map(|e| (e.host.as_str(), e.what, e.not_before.to_string())).collect();
    let expected = [
        ("i-1", Announced::SystemReboot, "2026-03-20T08:00:00Z"),
        ("i-1", Announced::InstanceStop, "2026-03-21T08:00:00Z"),
        ("i-4", Announced::SystemMaintenance, "2026-03-22T08:00:00Z"),
    ];
    assert_eq!(told, expected.map(|(host, what, at)| (host, what, at.to_owned())));
}

/// A server for one launch: the first look finds nothing, the launch is refused as different, then the look gives `later`.
fn refused_as_different(later: Answer) -> Canned {
    let looks = AtomicUsize::new(0);
    Canned::new(move |call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeImages" => image(),
        "DescribeInstances" if looks.fetch_add(1, Ordering::SeqCst) == 0 => described(""),
        "DescribeInstances" => later.clone(),
        "RunInstances" => ec2_error(400, "IdempotentParameterMismatch", "The parameters of the request differ"),
        other => panic!("{other}"),
    })
}

#[tokio::test]
async fn a_repeat_that_asks_for_something_else_gives_the_tokens_machine_or_waits_for_it() {
    let shown = described(&machine("i-1", "running", &[("strata:instance", "record-1")]));
    let found = Ec2Compute::new(&refused_as_different(shown).base()).run_instance(&support::scope(), &of_own_image()).await;
    assert_eq!(found.unwrap().id.as_str(), "i-1");
    let hidden = refused_as_different(described(""));
    let error = Ec2Compute::new(&hidden.base()).run_instance(&support::scope(), &of_own_image()).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(hidden.calls().iter().filter(|call| call.operation == "RunInstances").count(), 1);
}

#[tokio::test]
async fn a_token_that_was_used_launches_nothing() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeInstances" => {
            assert_eq!(call.filter("tag:strata:token"), ["record-1-1"]);
            described(&machine("i-1", "terminated", &[]))
        }
        other => panic!("{other}"),
    });
    let found = Ec2Compute::new(&canned.base()).run_instance(&support::scope(), &of_own_image()).await.unwrap();
    assert_eq!((found.id.as_str(), found.state), ("i-1", Ec2State::Terminated));
}

#[tokio::test]
async fn a_launch_that_failed_looks_its_image_up_again() {
    let images = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = images.clone();
    let canned = Canned::new(move |call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeInstances" => described(""),
        "DescribeImages" => {
            counted.fetch_add(1, Ordering::SeqCst);
            image()
        }
        "RunInstances" if call.get("ClientToken") == Some("bad") => ec2_error(400, "InvalidAMIID.NotFound", "gone"),
        "RunInstances" => launched(&machine("i-1", "pending", &[])),
        other => panic!("{other}"),
    });
    let compute = Ec2Compute::new(&canned.base());
    for (token, looks) in [("a", 1), ("b", 1), ("bad", 1), ("c", 2)] {
        let spec = LaunchSpec { token: token.to_owned(), ..of_own_image() };
        let result = compute.run_instance(&support::scope(), &spec).await;
        assert_eq!(result.is_err(), token == "bad");
        assert_eq!(images.load(Ordering::SeqCst), looks, "{token}");
    }
}

#[tokio::test]
async fn an_os_that_nobody_publishes_an_image_of_is_named() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeInstances" => described(""),
        other => panic!("{other}"),
    });
    let spec = LaunchSpec { os: "CentOS Linux 7".to_owned(), ..launch("record-1", "us-east-1a") };
    let error = Ec2Compute::new(&canned.base()).run_instance(&support::scope(), &spec).await.unwrap_err();
    assert!(error.to_string().contains("nobody publishes an image of CentOS Linux 7 any more"), "{error}");
}

/// Each state is settled without EC2, or asked for; what is asked for is noted first.
#[tokio::test]
async fn machines_that_are_settled_by_their_state_are_not_asked_for() {
    let states = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"];
    let all: Vec<String> = states.iter().map(|state| format!("i-{state}")).chain(["i-unseen".to_owned()]).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for (method, force, asked, done, later) in [
        ("start_instances", false, vec!["i-stopped", "i-unseen"], vec!["i-pending", "i-running"], vec!["i-stopping"]),
        ("stop_instances", false, vec!["i-running", "i-unseen"], vec!["i-stopped", "i-stopping"], vec!["i-pending"]),
        ("stop_instances", true, vec!["i-running", "i-stopping", "i-unseen"], vec!["i-stopped"], vec!["i-pending"]),
        ("reboot_instances", false, vec!["i-running", "i-unseen"], vec![], vec![]),
        (
            "terminate_instances",
            false,
            vec!["i-pending", "i-running", "i-stopped", "i-stopping", "i-unseen"],
            vec!["i-shutting-down", "i-terminated"],
            vec![],
        ),
    ] {
        let canned = Canned::new(move |call| match call.operation.as_str() {
            "AssumeRole" => assumed(),
            "DescribeInstances" => described(&states.map(|state| machine(&format!("i-{state}"), state, &[])).concat()),
            other => ec2(other, ""),
        });
        let base = canned.base();
        let (compute, scope, all) = (Ec2Compute::new(&base), support::scope(), ids(&all));
        let results = match method {
            "start_instances" => compute.start_instances(&scope, &all).await,
            "stop_instances" => compute.stop_instances(&scope, &all, force).await,
            "terminate_instances" => compute.terminate_instances(&scope, &all).await,
            _ => compute.reboot_instances(&scope, &all).await,
        }
        .unwrap();
        let which = |pick: &dyn Fn(&Result<(), CloudError>) -> bool| {
            let mut found: Vec<&str> = results.iter().filter(|r| pick(&r.result)).map(|r| r.id.as_str()).collect();
            found.sort_unstable();
            found
        };
        let mut well = [asked.clone(), done].concat();
        well.sort_unstable();
        assert_eq!(which(&Result::is_ok), well, "{method}");
        assert_eq!(which(&|r| r.as_ref().is_err_and(CloudError::is_retryable)), later, "{method}");
        assert_eq!(results.len(), 7);
        let calls = canned.calls();
        let changing = calls.last().unwrap();
        let mut sent: Vec<&str> = (1..).map_while(|n| changing.get(&format!("InstanceId.{n}"))).collect();
        sent.sort_unstable();
        assert_eq!(sent, asked, "{method}");
        assert_eq!(changing.get("Force"), force.then_some("true"));
        support::check_uses(&base, USES, method);
    }
}

#[tokio::test]
async fn one_bad_id_never_spoils_a_batch() {
    let power: &'static Mutex<Vec<String>> = Box::leak(Box::default());
    let canned = Canned::new(|call: &Call| {
        let has = |id: &str| (1..).map_while(|n| call.get(&format!("InstanceId.{n}"))).any(|known| known == id);
        match call.operation.as_str() {
            "AssumeRole" => assumed(),
            "DescribeInstances" => described(""),
            "CreateTags" => {
                power.lock().unwrap().push(call.get("Tag.1.Value").unwrap().to_owned());
                ec2_error(403, "UnauthorizedOperation", "You are not authorized to perform this operation.")
            }
            "TerminateInstances" if has("i-gone") => {
                ec2_error(400, "InvalidInstanceID.NotFound", "The instance ID 'i-gone' does not exist")
            }
            "TerminateInstances" if has("i-kept") => ec2_error(
                400,
                "OperationNotPermitted",
                "The instance 'i-kept' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.",
            ),
            "TerminateInstances" => ec2("TerminateInstances", ""),
            other => panic!("{other}"),
        }
    });
    let compute = Ec2Compute::new(&canned.base());
    let results = compute.terminate_instances(&support::scope(), &ids(&["i-a", "i-gone", "i-kept", "i-b"])).await.unwrap();
    let failed: Vec<_> = results.iter().filter_map(|r| Some((r.id.as_str(), r.result.as_ref().err()?.code()?))).collect();
    assert_eq!(failed, [("i-gone", "InvalidInstanceID.NotFound"), ("i-kept", "OperationNotPermitted")]);
    assert_eq!(results.len(), 4);
    let tags = power.lock().unwrap();
    assert!(!tags.is_empty() && tags.iter().all(|value| value == "off"), "what cannot be noted is done all the same");
}

#[tokio::test]
async fn a_machine_that_status_checks_do_not_know_yet_is_described_all_the_same() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeInstances" => described(
            &["i-old", "i-new", "i-off"].map(|id| machine(id, if id == "i-off" { "stopped" } else { "running" }, &[])).concat(),
        ),
        "DescribeInstanceStatus" if call.get("InstanceId.2").is_some() => {
            ec2_error(400, "InvalidInstanceID.NotFound", "The instance ID 'i-new' does not exist")
        }
        "DescribeInstanceStatus" => {
            assert_eq!(call.get("InstanceId.1"), Some("i-old"));
            impaired(&["i-old"])
        }
        other => panic!("{other}"),
    });
    let found = Ec2Compute::new(&canned.base());
    let ids = ids(&["i-old", "i-new", "i-off"]);
    for (checks, old_is_impaired) in [(StatusChecks::Asked, true), (StatusChecks::Skipped, false)] {
        let found = found.describe_instances(&support::scope(), &ids, checks).await.unwrap();
        let shown: Vec<_> = found.iter().map(|h| (h.id.as_str(), h.impaired)).collect();
        assert_eq!(shown, [("i-old", old_is_impaired), ("i-new", false), ("i-off", false)], "{checks:?}");
    }
}

#[tokio::test]
async fn an_answer_to_a_launch_that_cannot_be_read_leaves_the_outcome_unknown() {
    for answer in [launched("<item>"), launched(""), launched("<item><instanceId>i-1</instanceId></item>")] {
        let canned = Canned::new(move |call| match call.operation.as_str() {
            "AssumeRole" => assumed(),
            "DescribeInstances" => described(""),
            "DescribeImages" => image(),
            "RunInstances" => answer.clone(),
            other => panic!("{other}"),
        });
        let error = Ec2Compute::new(&canned.base()).run_instance(&support::scope(), &of_own_image()).await.unwrap_err();
        assert!(matches!(error, CloudError::OutcomeUnknown { .. }), "{error}");
    }
}

/// Taken for a machine that is not there, it would be launched again.
#[tokio::test]
async fn a_state_that_nobody_knows_is_an_error_and_not_an_absence() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeInstances" => described(&machine("i-1", "dreaming", &[])),
        other => panic!("{other}"),
    });
    let error = Ec2Compute::new(&canned.base())
        .describe_instances(&support::scope(), &ids(&["i-1"]), StatusChecks::Asked)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("i-1"), "{error}");
}
