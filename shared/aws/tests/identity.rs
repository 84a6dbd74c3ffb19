//! Identity against scripts: the server that the other adapters are held against lets anybody assume any role and cannot simulate policies.

mod support;

use std::time::{Duration, SystemTime};

use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource};
use serde_json::Value;
use strata_aws::identity::{IamIdentity, USES};
use strata_ports::{CloudError, IamDecision, Identity, RoleCheck};
use support::scripted::Scripted;

const ROLE: &str = "arn:aws:iam::123456789012:role/dev";
const WITH_PATH: &str = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/dev";

fn results(all: &[(&str, &str)]) -> String {
    let member = |(action, decision): &(&str, &str)| {
        format!("<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision></member>")
    };
    let members: String = all.iter().map(member).collect();
    format!(
        "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult>\
        <IsTruncated>false</IsTruncated><EvaluationResults>{members}</EvaluationResults></SimulatePrincipalPolicyResult>\
        </SimulatePrincipalPolicyResponse>"
    )
}

fn role(arn: &str) -> String {
    format!(
        "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role><Path>/</Path>\
        <RoleName>dev</RoleName><RoleId>AROAEXAMPLE</RoleId><Arn>{arn}</Arn><CreateDate>2026-03-01T00:00:00Z</CreateDate>\
        </Role></GetRoleResult></GetRoleResponse>"
    )
}

fn error(code: &str) -> String {
    format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>")
}

/// `seconds` after the scripted role was made.
fn later(seconds: u64) -> SharedTimeSource {
    let made = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_323_200);
    SharedTimeSource::new(StaticTimeSource::new(made + Duration::from_secs(seconds)))
}

fn settings() -> [(&'static str, &'static str); 2] {
    [("STRATA_ACCOUNT", support::ACCOUNT), ("STRATA_EXTERNAL_ID", "secret-between-us")]
}

#[tokio::test]
async fn a_decision_is_what_iam_says_of_the_principals_policies() {
    let script = Scripted::start().await;
    let identity = IamIdentity::new(&script.base(&settings()));
    for (word, expected) in [
        ("allowed", IamDecision::Allowed),
        ("explicitDeny", IamDecision::ExplicitlyDenied),
        ("implicitDeny", IamDecision::Silent),
    ] {
        script.answer("SimulatePrincipalPolicy", results(&[("opsworks:StartInstance", word)]));
        assert_eq!(identity.decide(ROLE, "opsworks:StartInstance", "*").await, Ok(expected), "{word}");
    }
    let asked = &script.asked("SimulatePrincipalPolicy")[0];
    let field = |name: &str| asked[name].as_str().unwrap_or_default();
    assert_eq!((field("PolicySourceArn"), field("ActionNames.member.1")), (ROLE, "opsworks:StartInstance"));
    assert_eq!((field("ResourceArns.member.1"), field("ContextEntries.member.1.ContextKeyName")), ("*", "aws:PrincipalArn"));

    script.answer("SimulatePrincipalPolicy", results(&[("opsworks:StartInstance", "perhaps")]));
    assert!(identity.decide(ROLE, "opsworks:StartInstance", "*").await.is_err(), "what is not understood is no decision");
    script.answer("SimulatePrincipalPolicy", results(&[]));
    assert!(identity.decide(ROLE, "opsworks:StartInstance", "*").await.is_err());
    script.is_done();
}

#[tokio::test]
async fn a_session_does_not_tell_its_roles_path_so_the_role_is_looked_up_by_name() {
    let script = Scripted::start().await;
    let base = script.base(&settings());
    let identity = IamIdentity::new(&base);
    script.answer_with("SimulatePrincipalPolicy", 404, error("NoSuchEntity"));
    script.answer("GetRole", role(WITH_PATH));
    script.answer("SimulatePrincipalPolicy", results(&[("opsworks:StartInstance", "allowed")]));
    assert_eq!(identity.decide(ROLE, "opsworks:StartInstance", "*").await, Ok(IamDecision::Allowed));
    assert_eq!(script.asked("GetRole")[0]["RoleName"], "dev");
    let asked: Vec<Value> =
        script.asked("SimulatePrincipalPolicy").iter().map(|asked| asked["PolicySourceArn"].clone()).collect();
    assert_eq!(asked, [ROLE, WITH_PATH]);
    support::check_uses(&base, USES, "decide");

    let foreign = "arn:aws:iam::999999999999:role/dev";
    script.answer_with("SimulatePrincipalPolicy", 404, error("NoSuchEntity"));
    assert_eq!(identity.decide(foreign, "a:B", "*").await.unwrap_err().code(), Some("NoSuchEntity"));
    assert!(script.asked("GetRole").is_empty(), "a role of that name in our account is another role");
    script.is_done();
}

#[tokio::test]
async fn the_root_user_is_not_asked_about() {
    let script = Scripted::start().await;
    let identity = IamIdentity::new(&script.base(&settings()));
    let of = async |account: &str| identity.decide(&format!("arn:aws:iam::{account}:root"), "opsworks:StartInstance", "*").await;
    assert_eq!(of(support::ACCOUNT).await, Ok(IamDecision::Allowed));
    assert!(matches!(of("999999999999").await, Err(CloudError::Wrong { .. })));
    assert!(script.asked("SimulatePrincipalPolicy").is_empty());
}

#[tokio::test]
async fn a_role_is_assumed_with_the_external_id_and_what_it_lacks_is_named() {
    let script = Scripted::start().await;
    let identity = IamIdentity::new(&script.base(&settings()));
    script
        .answer("SimulatePrincipalPolicy", results(&[("ecs:DescribeClusters", "allowed"), ("ec2:RunInstances", "implicitDeny")]));
    let actions = ["ecs:DescribeClusters", "ec2:RunInstances", "iam:PassRole"];
    let missing = ["ec2:RunInstances", "iam:PassRole"].map(str::to_owned).to_vec();
    assert_eq!(identity.check_role(ROLE, &actions, None).await, Ok(RoleCheck::Usable { missing }), "no answer is no permission");
    assert_eq!(script.asked("AssumeRole")[0]["ExternalId"], "secret-between-us");
    assert_eq!(identity.check_role(ROLE, &[], None).await, Ok(RoleCheck::Usable { missing: Vec::new() }));
    script.is_done();
}

/// [ECS-35]: a role that is narrowed to one cluster lacks nothing for that cluster.
#[tokio::test]
async fn about_a_cluster_each_action_is_asked_on_what_it_has_in_that_cluster() {
    let script = Scripted::start().await;
    let identity = IamIdentity::new(&script.base(&settings()));
    let cluster = strata_domain::ClusterArn::from("arn:aws:ecs:us-east-1:123456789012:cluster/shop".to_owned());
    // In the order of the resources: `*`, the cluster, its tasks.
    script.answer("SimulatePrincipalPolicy", results(&[("ecs:ListServices", "allowed")]));
    script.answer("SimulatePrincipalPolicy", results(&[("ecs:DescribeClusters", "allowed")]));
    script.answer("SimulatePrincipalPolicy", results(&[("ecs:StopTask", "implicitDeny")]));
    let actions = ["ecs:DescribeClusters", "ecs:StopTask", "ecs:ListServices"];
    let missing = vec!["ecs:StopTask".to_owned()];
    assert_eq!(identity.check_role(ROLE, &actions, Some(&cluster)).await, Ok(RoleCheck::Usable { missing }));
    let asked = script.asked("SimulatePrincipalPolicy");
    let resources: Vec<_> = asked.iter().map(|asked| asked["ResourceArns.member.1"].as_str().unwrap()).collect();
    assert_eq!(resources, ["*", cluster.as_str(), "arn:aws:ecs:us-east-1:123456789012:task/shop/*"]);
    for asked in &asked {
        let named = |key: &str| asked.as_object().unwrap().values().any(|value| value == key);
        assert!(named("ecs:cluster") && named(cluster.as_str()), "{asked}");
    }
    script.is_done();
}

#[tokio::test]
async fn a_refusal_is_distrust_unless_the_role_was_made_within_a_minute() {
    for (seconds, expected) in [(59, RoleCheck::NotYetPropagated), (60, RoleCheck::NotTrusted)] {
        let script = Scripted::start().await;
        let identity = IamIdentity::at(&script.base(&settings()), later(seconds));
        script.answer_with("AssumeRole", 403, error("AccessDenied"));
        script.answer("GetRole", role(ROLE));
        assert_eq!(identity.check_role(ROLE, &["ecs:DescribeClusters"], None).await, Ok(expected), "{seconds}");
        script.is_done();
    }
    let script = Scripted::start().await;
    let base = script.base(&settings());
    let identity = IamIdentity::at(&base, later(0));
    script.answer_with("AssumeRole", 403, error("AccessDenied"));
    script.answer_with("GetRole", 404, error("NoSuchEntity"));
    assert_eq!(identity.check_role(ROLE, &[], None).await, Ok(RoleCheck::NotTrusted), "it is not there");
    // The answer of all three calls, for the table.
    script.answer("SimulatePrincipalPolicy", results(&[("a:B", "allowed")]));
    assert_eq!(identity.check_role(ROLE, &["a:B"], None).await, Ok(RoleCheck::Usable { missing: Vec::new() }));
    let mut seen: Vec<String> = base.log().take().iter().map(strata_aws::SeenCall::action).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, USES.iter().find(|uses| uses.method == "check_role").unwrap().actions);
    script.is_done();
}

#[tokio::test]
async fn an_iam_that_is_busy_says_nothing_about_the_role() {
    let script = Scripted::start().await;
    let identity = IamIdentity::new(&script.base(&settings()));
    for _ in 0..2 {
        script.answer_with("AssumeRole", 400, error("Throttling"));
    }
    assert!(identity.check_role(ROLE, &[], None).await.unwrap_err().is_retryable());
    script.is_done();
}
