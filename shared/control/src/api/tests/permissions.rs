//! Permissions on stacks, and what IAM says beside them. Which action needs what is the table in `matrix.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use strata_domain::ClusterArn;
use strata_local::cloud::Policy;
use strata_ports::CloudError;
use strata_ports::identity::{IamDecision, Identity, InstanceIdentity, RoleCheck};

use super::TestApi;
use super::support::{REGION, USER, text};

const BOB: &str = "arn:aws:iam::123456789012:user/bob";
const EVE: &str = "arn:aws:iam::123456789012:user/eve";

fn policy(allow: &[&str], resources: &[&str]) -> Policy {
    let words = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    Policy { allow: words(allow), resources: words(resources), ..Policy::default() }
}

fn stack_arn(stack: &str) -> String {
    format!("arn:aws:opsworks:{REGION}:123456789012:stack/{stack}/")
}

/// An installation in which these users are imported, and IAM allows them nothing.
async fn with_users(arns: &[&str]) -> TestApi {
    let app = TestApi::new();
    for arn in arns {
        app.call("CreateUserProfile", json!({ "IamUserArn": arn })).await.good();
        app.account.set_policy(arn, Policy::default());
    }
    app
}

async fn set_level(app: &TestApi, stack: &str, arn: &str, level: &str) {
    app.call("SetPermission", json!({ "StackId": stack, "IamUserArn": arn, "Level": level })).await.good();
}

async fn permissions(app: &TestApi, members: Value) -> Value {
    app.call("DescribePermissions", members).await.good()["Permissions"].clone()
}

fn permission(stack: &str, arn: &str, level: &str, allow_ssh: bool, allow_sudo: bool) -> Value {
    json!({ "StackId": stack, "IamUserArn": arn, "Level": level, "AllowSsh": allow_ssh, "AllowSudo": allow_sudo })
}

/// [WIRE-14] [PERM-3]: who has no level on the stack and no IAM allow is told so, with the stack's ARN.
#[tokio::test]
async fn wire_14_a_denied_call_names_caller_action_and_stack() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.account.set_policy(USER, Policy { deny: vec!["opsworks:UpdateStack".into()], ..Policy::administrator() });
    let text = app.call("UpdateStack", json!({ "StackId": stack, "Name": "other" })).await.error("AccessDeniedException");
    let resource = stack_arn(&stack);
    assert_eq!(text, format!("User: {USER} is not authorized to perform: opsworks:UpdateStack on resource: {resource}"));
    app.call("DescribeStacks", json!({ "StackIds": [stack] })).await.good();
}

/// [WIRE-13]: an unknown id is told before the missing permission, and that before what the state forbids.
#[tokio::test]
async fn wire_13_ids_then_permission_then_state() {
    let app = with_users(&[BOB]).await;
    let stack = app.stack("shop").await;
    let set = |stack: &str, arn: &str, level: &str| json!({ "StackId": stack, "IamUserArn": arn, "Level": level });
    let bob = |members: Value| app.call_as(BOB, "SetPermission", members);
    bob(set("unknown", EVE, "root")).await.invalid();
    bob(set("unknown", EVE, "show")).await.not_found();
    bob(set(&stack, EVE, "show")).await.not_found();
    bob(set(&stack, BOB, "show")).await.error("AccessDeniedException");
    set_level(&app, &stack, BOB, "manage").await;
    bob(set(&stack, BOB, "show")).await.invalid();
}

/// [PERM-1] [PERM-2] [PERM-17] [ACT-34] [DSC-2]
#[tokio::test]
async fn perm_17_a_record_for_every_user_and_stack_given_or_not() {
    let app = with_users(&[BOB]).await;
    let (a, b) = (app.stack("a").await, app.stack("b").await);
    app.call("CreateUserProfile", json!({ "IamUserArn": EVE })).await.good();
    let full = json!({ "StackId": a, "IamUserArn": BOB, "Level": "deploy", "AllowSsh": true, "AllowSudo": true });
    app.call("SetPermission", full).await.good();
    let given = permission(&a, BOB, "deploy", true, true);
    let default = |stack: &str, arn: &str| permission(stack, arn, "iam_only", false, false);
    assert_eq!(permissions(&app, json!({ "StackId": a })).await, json!([given, default(&a, EVE)]));
    assert_eq!(permissions(&app, json!({ "StackId": b })).await, json!([default(&b, BOB), default(&b, EVE)]));
    assert_eq!(permissions(&app, json!({ "IamUserArn": BOB })).await, json!([given, default(&b, BOB)]));
    assert_eq!(permissions(&app, json!({ "StackId": a, "IamUserArn": BOB })).await, json!([given]));
    assert_eq!(permissions(&app, json!({ "StackId": b, "IamUserArn": EVE })).await, json!([default(&b, EVE)]));
    // A stack that comes later has them too.
    app.cloud.advance(60);
    let c = app.stack("c").await;
    assert_eq!(permissions(&app, json!({ "StackId": c })).await, json!([default(&c, BOB), default(&c, EVE)]));
    assert!(app.call("DescribePermissions", json!({})).await.invalid().contains("a stack ID or an IAM user ARN"));
    app.call("DescribePermissions", json!({ "IamUserArn": USER })).await.not_found();
    app.call("DescribePermissions", json!({ "StackId": "unknown" })).await.not_found();
}

/// [PERM-17]: without naming a stack only those are told whose permissions the caller may see.
#[tokio::test]
async fn perm_17_a_manage_user_sees_the_permissions_on_the_own_stacks() {
    let app = with_users(&[BOB]).await;
    let (a, _b) = (app.stack("a").await, app.stack("b").await);
    app.call_as(BOB, "DescribePermissions", json!({ "IamUserArn": BOB })).await.error("AccessDeniedException");
    set_level(&app, &a, BOB, "manage").await;
    let seen = app.call_as(BOB, "DescribePermissions", json!({ "IamUserArn": BOB })).await.good();
    assert_eq!(seen["Permissions"], json!([permission(&a, BOB, "manage", false, false)]));
}

/// [PERM-16] [TXT-6] [ACT-56] [PERM-1]
#[tokio::test]
async fn perm_16_only_the_members_sent_change_and_an_unknown_user_is_named() {
    let app = with_users(&[BOB]).await;
    let stack = app.stack("shop").await;
    let (mut level, mut ssh, mut sudo) = ("iam_only", false, false);
    for members in [
        json!({ "AllowSsh": true }),
        json!({ "Level": "show" }),
        json!({ "AllowSudo": true }),
        json!({}),
        json!({ "Level": "deny", "AllowSsh": false }),
        json!({ "Level": "" }),
    ] {
        level = members["Level"].as_str().filter(|l| !l.is_empty()).map_or(level, |l| if l == "show" { "show" } else { "deny" });
        ssh = members["AllowSsh"].as_bool().unwrap_or(ssh);
        sudo = members["AllowSudo"].as_bool().unwrap_or(sudo);
        let mut full = json!({ "StackId": stack, "IamUserArn": BOB });
        full.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        app.call("SetPermission", full).await.good();
        let expected = json!([permission(&stack, BOB, level, ssh, sudo)]);
        assert_eq!(permissions(&app, json!({ "StackId": stack })).await, expected, "{members}");
    }
    let unknown = app.call("SetPermission", json!({ "StackId": stack, "IamUserArn": EVE, "Level": "show" })).await.not_found();
    assert_eq!(unknown, format!("Unable to find user with ARN {EVE}"));
    let bad = app.call("SetPermission", json!({ "StackId": stack, "IamUserArn": BOB, "Level": "admin" })).await.invalid();
    assert_eq!(bad, "Level: \"admin\" is not one of deny, show, deploy, manage, iam_only");
}

/// [SSH-8]: the record.
#[tokio::test]
async fn ssh_8_sudo_without_ssh_is_stored() {
    let app = with_users(&[BOB]).await;
    let stack = app.stack("shop").await;
    app.call("SetPermission", json!({ "StackId": stack, "IamUserArn": BOB, "AllowSudo": true })).await.good();
    assert_eq!(permissions(&app, json!({ "StackId": stack })).await, json!([permission(&stack, BOB, "iam_only", false, true)]));
}

/// [SSH-1] [SSH-2]: the records of the two ways in do not touch each other.
#[tokio::test]
async fn ssh_1_key_pairs_of_stacks_and_keys_of_users_are_independent() {
    let app = with_users(&[BOB]).await;
    let stack = app.stack("shop").await;
    app.call("UpdateStack", json!({ "StackId": stack, "DefaultSshKeyName": "ops" })).await.good();
    for ssh in [true, false] {
        app.call("SetPermission", json!({ "StackId": stack, "IamUserArn": BOB, "AllowSsh": ssh })).await.good();
        let described = app.call("DescribeStacks", json!({ "StackIds": [stack] })).await.good();
        assert_eq!(described["Stacks"][0]["DefaultSshKeyName"], "ops");
    }
}

/// [PERM-14]
#[tokio::test]
async fn perm_14_nobody_sets_the_own_level_but_a_manage_user_the_own_flags() {
    let app = with_users(&[BOB, USER]).await;
    app.account.set_policy(USER, Policy::administrator());
    let stack = app.stack("shop").await;
    set_level(&app, &stack, BOB, "manage").await;
    for arn in [BOB, USER] {
        for level in ["manage", "deny", "iam_only"] {
            let own = json!({ "StackId": stack, "IamUserArn": arn, "Level": level, "AllowSsh": true });
            let message = app.call_as(arn, "SetPermission", own).await.invalid();
            assert!(message.starts_with("Level: nobody may set the own"), "{message}");
        }
    }
    let before = json!([permission(&stack, BOB, "manage", false, false), permission(&stack, USER, "iam_only", false, false)]);
    assert_eq!(permissions(&app, json!({ "StackId": stack })).await, before, "refused as a whole");
    let flags = json!({ "StackId": stack, "IamUserArn": BOB, "AllowSsh": true, "AllowSudo": true });
    app.call_as(BOB, "SetPermission", flags).await.good();
    let after = permissions(&app, json!({ "StackId": stack, "IamUserArn": BOB })).await;
    assert_eq!(after, json!([permission(&stack, BOB, "manage", true, true)]));
}

/// [PERM-15] [PERM-4]: level `manage` or an IAM allow, on that very stack.
#[tokio::test]
async fn perm_15_manage_users_change_the_permissions_of_their_stack_only() {
    let app = with_users(&[BOB, EVE]).await;
    let (mine, other) = (app.stack("mine").await, app.stack("other").await);
    set_level(&app, &mine, BOB, "manage").await;
    set_level(&app, &other, BOB, "deploy").await;
    let raise = |stack: &str| json!({ "StackId": stack, "IamUserArn": EVE, "Level": "show" });
    app.call_as(BOB, "SetPermission", raise(&mine)).await.good();
    app.call_as(BOB, "SetPermission", raise(&other)).await.error("AccessDeniedException");
    app.account.set_policy(BOB, policy(&["opsworks:SetPermission"], &[&stack_arn(&other)]));
    app.cloud.advance(60);
    app.call_as(BOB, "SetPermission", raise(&other)).await.good();
}

/// [PERM-18]: IAM is asked for the stack, with the slash at the end; layers and instances are judged on theirs.
#[tokio::test]
async fn perm_18_layers_and_instances_are_judged_on_their_stack() {
    let app = with_users(&[BOB]).await;
    let (shop, layer) = app.shop().await;
    let instance = app.instance(&shop, &layer, json!({})).await;
    let other = app.stack("other").await;
    let other_layer = app.custom_layer(&other, "web").await;
    app.account.set_policy(BOB, policy(&["opsworks:*"], &[&stack_arn(&shop)]));
    app.call_as(BOB, "UpdateLayer", json!({ "LayerId": layer, "Name": "front" })).await.good();
    app.call_as(BOB, "StartInstance", json!({ "InstanceId": instance })).await.good();
    app.call_as(BOB, "UpdateLayer", json!({ "LayerId": other_layer, "Name": "front" })).await.error("AccessDeniedException");
    let both = json!({ "LayerIds": [layer, other_layer] });
    app.call_as(BOB, "DescribeLayers", both).await.error("AccessDeniedException");
    app.account.set_policy(BOB, policy(&["opsworks:*"], &[stack_arn(&shop).trim_end_matches('/')]));
    app.cloud.advance(60);
    app.call_as(BOB, "DescribeLayers", json!({ "LayerIds": [layer] })).await.error("AccessDeniedException");
}

async fn seen(app: &TestApi, arn: &str) -> Vec<String> {
    let stacks = app.call_as(arn, "DescribeStacks", json!({})).await.good();
    stacks["Stacks"].as_array().unwrap().iter().map(|s| text(&s["Name"])).collect()
}

/// [DSC-3] [ACT-40], and Q8: who may see every stack sees all but those that deny.
#[tokio::test]
async fn dsc_3_a_list_without_ids_leaves_out_the_stacks_that_deny() {
    let app = with_users(&[BOB]).await;
    let (a, _b) = (app.stack("a").await, app.stack("b").await);
    app.account.set_policy(BOB, policy(&["opsworks:DescribeStacks"], &[]));
    assert_eq!(seen(&app, BOB).await, ["a", "b"]);
    set_level(&app, &a, BOB, "deny").await;
    assert_eq!(seen(&app, BOB).await, ["b"]);
    app.call_as(BOB, "DescribeStacks", json!({ "StackIds": [a] })).await.error("AccessDeniedException");
    // The controllers' role sees all, whatever IAM says.
    app.account.set_closed(true);
    assert_eq!(seen(&app, super::support::CONTROLLERS).await, ["a", "b"]);
}

/// [PERM-19]
#[tokio::test]
async fn perm_19_where_iam_names_stacks_a_list_without_ids_is_an_access_error() {
    let app = with_users(&[BOB]).await;
    let (a, b) = (app.stack("a").await, app.stack("b").await);
    app.account.set_policy(BOB, policy(&["opsworks:DescribeStacks"], &[&stack_arn(&a)]));
    let denied = app.call_as(BOB, "DescribeStacks", json!({})).await.error("AccessDeniedException");
    assert_eq!(denied, format!("User: {BOB} is not authorized to perform: opsworks:DescribeStacks on resource: *"));
    app.call_as(BOB, "DescribeStacks", json!({ "StackIds": [a] })).await.good();
    app.call_as(BOB, "DescribeStacks", json!({ "StackIds": [a, b] })).await.error("AccessDeniedException");
    // A level is as good as IAM's word: those stacks are seen.
    set_level(&app, &b, BOB, "show").await;
    assert_eq!(seen(&app, BOB).await, ["b"]);
    app.account.set_policy(BOB, Policy { deny: vec!["opsworks:DescribeStacks".into()], ..Policy::default() });
    app.cloud.advance(60);
    app.call_as(BOB, "DescribeStacks", json!({})).await.error("AccessDeniedException");
}

/// What IAM said counts for 60 seconds, for that caller, action and stack.
#[tokio::test]
async fn iam_is_asked_again_after_60_seconds() {
    let app = with_users(&[BOB]).await;
    let stack = app.stack("shop").await;
    let asked = || app.account.calls().get("iam:SimulatePrincipalPolicy").copied().unwrap_or_default();
    let update = || app.call_as(BOB, "UpdateStack", json!({ "StackId": stack, "Name": "store" }));
    update().await.error("AccessDeniedException");
    let first = asked();
    app.account.set_policy(BOB, Policy::administrator());
    app.cloud.advance(59);
    update().await.error("AccessDeniedException");
    assert_eq!(asked(), first);
    app.cloud.advance(1);
    update().await.good();
    assert_eq!(asked(), first + 1);
    app.call_as(BOB, "DescribeLayers", json!({ "StackId": stack })).await.good();
    assert_eq!(asked(), first + 2, "another action is another question");
}

/// [PERM-3]: IAM is not asked where it could change nothing, and a level that allows still gives way to an explicit Deny.
#[tokio::test]
async fn perm_3_iam_is_not_asked_of_whom_the_level_denies() {
    let app = with_users(&[BOB]).await;
    let stack = app.stack("shop").await;
    set_level(&app, &stack, BOB, "deny").await;
    let before = app.account.calls();
    app.call_as(BOB, "DescribeLayers", json!({ "StackId": stack })).await.error("AccessDeniedException");
    assert_eq!(app.account.calls(), before);
}

/// A session is asked for as its role, while its level is its own.
#[tokio::test]
async fn role_sessions_ask_for_their_role() {
    let app = with_users(&[]).await;
    let stack = app.stack("shop").await;
    let (ada, bob) = ("arn:aws:sts::123456789012:assumed-role/Ops/ada", "arn:aws:sts::123456789012:assumed-role/Ops/bob");
    app.account.set_closed(true);
    let get = |arn: &'static str| app.call_as(arn, "DescribeLayers", json!({ "StackId": stack }));
    get(ada).await.error("AccessDeniedException");
    app.account.set_policy("arn:aws:iam::123456789012:role/Ops", Policy::administrator());
    app.cloud.advance(60);
    get(ada).await.good();
    get(bob).await.good();
    app.call_as(bob, "CreateUserProfile", json!({ "IamUserArn": ada })).await.good();
    let deny = json!({ "StackId": stack, "IamUserArn": ada, "Level": "deny" });
    app.call_as(bob, "SetPermission", deny).await.good();
    get(ada).await.error("AccessDeniedException");
    get(bob).await.good();
}

/// [IAM-8] [TXT-10]: who may create stacks but not pass the role is told so in OpsWorks' words, and there is no stack.
#[tokio::test]
async fn iam_8_the_caller_must_be_allowed_to_pass_the_service_role() {
    let app = TestApi::new();
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let profile = "arn:aws:iam::123456789012:instance-profile/ec2";
    let create = |name: &str| json!({ "Name": "shop", "ServiceRoleArn": role(name), "DefaultInstanceProfileArn": profile });
    app.account.set_policy(BOB, policy(&["opsworks:CreateStack"], &[]));
    let denied = app.call_as(BOB, "CreateStack", create("service")).await.invalid();
    let expected = format!("User: {BOB} is not authorized to perform: iam:PassRole on resource: {}", role("service"));
    assert_eq!(denied, format!("Service Role Arn: {expected}"));
    assert!(app.store.partition("stacks").is_empty());
    app.account.set_policy(BOB, policy(&["opsworks:CreateStack", "iam:PassRole"], &[]));
    app.cloud.advance(60);
    app.call_as(BOB, "CreateStack", create("service")).await.good();
}

/// IAM that answers only when it is told to, and then allows nothing.
#[derive(Default)]
struct MuteIam {
    answers: AtomicBool,
}

#[async_trait]
impl Identity for MuteIam {
    async fn decide(&self, _: &str, _: &str, _: &str) -> Result<IamDecision, CloudError> {
        let why = || CloudError::RetryLater { action: "iam:SimulatePrincipalPolicy", why: "Throttling".into() };
        self.answers.load(Ordering::Relaxed).then_some(IamDecision::Silent).ok_or_else(why)
    }
    async fn check_role(&self, _: &str, _: &[&str], _: Option<&ClusterArn>) -> Result<RoleCheck, CloudError> {
        Ok(RoleCheck::Usable { missing: Vec::new() })
    }
    async fn verify_instance(&self, _: &str, _: &str) -> Result<Option<InstanceIdentity>, CloudError> {
        Ok(None)
    }
}

/// Q3 of updates-and-access.md: what cannot be asked is denied, and asked again at the next call.
#[tokio::test]
async fn an_iam_that_does_not_answer_denies_whatever_the_level() {
    let iam = Arc::new(MuteIam::default());
    let app = TestApi::over(|ports| ports.identity = iam.clone());
    let role = |kind: &str| format!("arn:aws:iam::123456789012:{kind}/a");
    let members =
        json!({ "Name": "shop", "ServiceRoleArn": role("role"), "DefaultInstanceProfileArn": role("instance-profile") });
    let stack = text(&app.call_as_controller("CreateStack", members).await.good()["StackId"]);
    app.call_as_controller("CreateUserProfile", json!({ "IamUserArn": BOB })).await.good();
    let show = json!({ "StackId": stack, "IamUserArn": BOB, "Level": "show" });
    app.call_as_controller("SetPermission", show).await.good();
    for members in [json!({}), json!({ "StackIds": [stack] })] {
        app.call_as(BOB, "DescribeStacks", members.clone()).await.error("AccessDeniedException");
        iam.answers.store(true, Ordering::Relaxed);
        app.call_as(BOB, "DescribeStacks", members).await.good();
        iam.answers.store(false, Ordering::Relaxed);
    }
}

/// [ECS-74] What each level lets somebody do by itself, when IAM says nothing: nobody is above `deny`, and nobody sets the own level.
#[tokio::test]
async fn ecs_74_each_level_allows_what_the_one_below_it_does_and_more() {
    let app = with_users(&[BOB]).await;
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    app.call("StartInstance", json!({ "InstanceId": instance })).await.good();
    app.settle(&instance, strata_domain::InstanceStatus::Online).await;
    let deploy = json!({ "StackId": stack, "Command": { "Name": "update_dependencies" } });
    let calls = [
        ("DescribeStacks", json!({ "StackIds": [stack] })),
        ("CreateDeployment", deploy),
        ("UpdateLayer", json!({ "LayerId": layer, "Name": "front" })),
    ];
    for (level, allowed) in [("deny", 0), ("iam_only", 0), ("show", 1), ("deploy", 2), ("manage", 3)] {
        set_level(&app, &stack, BOB, level).await;
        for (place, (action, members)) in calls.iter().enumerate() {
            let reply = app.call_as(BOB, action, members.clone()).await;
            if place < allowed {
                reply.good();
            } else {
                reply.error("AccessDeniedException");
            }
        }
    }
    let own = json!({ "StackId": stack, "IamUserArn": BOB, "Level": "show" });
    assert!(app.call_as(BOB, "SetPermission", own).await.invalid().starts_with("Level: nobody may set the own"));
    // A level and an IAM allow add up; `deny` is stronger than both.
    // What IAM has said of other actions counts for a minute, so this one is new.
    app.account.set_policy(BOB, policy(&["opsworks:DescribeLayers"], &[]));
    for (level, is_allowed) in [("iam_only", true), ("deny", false)] {
        set_level(&app, &stack, BOB, level).await;
        let reply = app.call_as(BOB, "DescribeLayers", json!({ "LayerIds": [layer] })).await;
        if is_allowed { drop(reply.good()) } else { drop(reply.error("AccessDeniedException")) }
    }
}
