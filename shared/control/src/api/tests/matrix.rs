//! Who may do what: every action by every level and word of IAM, one test per cell [PERM-3..13, 15, 18].
//!
//! The table below is written from the spec, not from the code's catalogue.

use serde_json::{Value, json};
use strata_local::cloud::Policy;

use super::TestApi;
use super::support::{ACCOUNT, CLUSTER, CONTROLLERS, REGION, text};
use crate::api::catalogue;

const BOB: &str = "arn:aws:iam::123456789012:user/bob";
const LOAD_BALANCER: &str = "lb";

/// What IAM says of everything Bob does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Iam {
    Silent,
    Allows,
    Denies,
}

/// The columns, in the order of the rows' signs: Bob's level on the stack, and IAM.
const COLUMNS: [(&str, &str, Iam); 8] = [
    ("deny", "deny", Iam::Silent),
    ("deny_and_iam_allow", "deny", Iam::Allows),
    ("show", "show", Iam::Silent),
    ("deploy", "deploy", Iam::Silent),
    ("manage", "manage", Iam::Silent),
    ("iam_only", "iam_only", Iam::Silent),
    ("iam_only_and_iam_allow", "iam_only", Iam::Allows),
    ("manage_and_iam_deny", "manage", Iam::Denies),
];

/// A stack with something of each kind in it, and Bob.
struct Shop {
    app: TestApi,
    stack: String,
    layer: String,
    instance: String,
    timer: String,
    /// Registered with the stack.
    volume: String,
    /// Registered with the stack.
    ip: String,
    /// Known to the account only.
    other_volume: String,
    /// Known to the account only.
    other_ip: String,
}

impl Shop {
    async fn new() -> Self {
        let app = TestApi::new();
        let (stack, layer) = app.shop().await;
        let instance = app.instance(&stack, &layer, json!({})).await;
        let timer = app.instance(&stack, &layer, json!({ "AutoScalingType": "timer" })).await;
        app.account.add_load_balancer(LOAD_BALANCER);
        let [volume, other_volume] = [(); 2].map(|()| app.account.add_volume(&format!("{REGION}a"), 8, "gp3"));
        let [ip, other_ip] = [(); 2].map(|()| app.account.add_address());
        app.call("CreateUserProfile", json!({ "IamUserArn": BOB })).await.good();
        let mut shop = Self { app, stack, layer, instance, timer, volume, ip, other_volume, other_ip };
        let registered = json!({ "Ec2VolumeId": shop.volume, "StackId": shop.stack });
        shop.volume = text(&shop.app.call("RegisterVolume", registered).await.good()["VolumeId"]);
        shop.app.call("RegisterElasticIp", json!({ "ElasticIp": shop.ip, "StackId": shop.stack })).await.good();
        shop
    }

    /// Gives Bob this level, and lets IAM say this of him.
    async fn admit(&self, level: &str, iam: Iam) {
        let members = json!({ "StackId": self.stack, "IamUserArn": BOB, "Level": level });
        self.app.call("SetPermission", members).await.good();
        let policy = match iam {
            Iam::Silent => Policy::default(),
            Iam::Allows => Policy::administrator(),
            Iam::Denies => Policy { deny: vec!["*".to_owned()], ..Policy::administrator() },
        };
        self.app.account.set_policy(BOB, policy);
    }

    fn stack_arn(&self) -> String {
        format!("arn:aws:opsworks:{REGION}:{ACCOUNT}:stack/{}/", self.stack)
    }
}

/// One cell. Allowed means that whatever is answered, it is not AccessDeniedException; that the members get as far as the permission
/// check is what the denied cells of the same row show.
async fn check(action: &str, row: &str, column: &str, body: fn(&Shop) -> Value) {
    let place = COLUMNS.iter().position(|(name, ..)| *name == column).unwrap();
    let (_, level, iam) = COLUMNS[place];
    let shop = Shop::new().await;
    shop.admit(level, iam).await;
    let reply = shop.app.call_as(BOB, action, body(&shop)).await;
    match row.as_bytes()[place] {
        b'+' => assert_ne!(reply.body["__type"], "AccessDeniedException", "{}", reply.body),
        b'-' => {
            let message = reply.error("AccessDeniedException");
            let start = format!("User: {BOB} is not authorized to perform: opsworks:{action} on resource: ");
            let resource = message.strip_prefix(&start).unwrap_or_else(|| panic!("{message}"));
            assert!(resource == "*" || resource == shop.stack_arn(), "{resource}");
        }
        other => panic!("{action} has the sign {}", char::from(other)),
    }
}

macro_rules! cells {
    ($action:literal $row:literal $($column:ident)*) => {
        $(
            #[tokio::test]
            async fn $column() {
                check($action, $row, stringify!($column), body).await;
            }
        )*
    };
}

macro_rules! matrix {
    ($($module:ident $action:literal $row:literal |$shop:pat_param| $body:expr;)*) => {
        /// Action, signs, members.
        const ROWS: &[(&str, &str, fn(&Shop) -> Value)] = &[$(($action, $row, $module::body)),*];
        $(
            mod $module {
                use super::*;

                pub(super) fn body($shop: &Shop) -> Value {
                    $body
                }

                cells!($action $row deny deny_and_iam_allow show deploy manage iam_only iam_only_and_iam_allow manage_and_iam_deny);
            }
        )*
    };
}

// `+`: may, `-`: AccessDenied; one sign per column of `COLUMNS`. What is out of scope is refused as such, whoever asks [WIRE-13].
matrix! {
    // Every known caller [PERM-12].
    describe_agent_versions "DescribeAgentVersions" "++++++++" |s| json!({ "StackId": s.stack });
    describe_operating_systems "DescribeOperatingSystems" "++++++++" |_| json!({});

    // show [PERM-6] [PERM-12]
    describe_apps "DescribeApps" "--+++-+-" |s| json!({ "StackId": s.stack });
    describe_commands "DescribeCommands" "--+++-+-" |s| json!({ "InstanceId": s.instance });
    describe_deployments "DescribeDeployments" "--+++-+-" |s| json!({ "StackId": s.stack });
    describe_ecs_clusters "DescribeEcsClusters" "--+++-+-" |s| json!({ "StackId": s.stack });
    describe_elastic_ips "DescribeElasticIps" "--+++-+-" |s| json!({ "StackId": s.stack });
    describe_elastic_load_balancers "DescribeElasticLoadBalancers" "--+++-+-" |s| json!({ "LayerIds": [s.layer] });
    describe_instances "DescribeInstances" "--+++-+-" |s| json!({ "InstanceIds": [s.instance] });
    describe_layers "DescribeLayers" "--+++-+-" |s| json!({ "LayerIds": [s.layer] });
    describe_load_based_auto_scaling "DescribeLoadBasedAutoScaling" "--+++-+-" |s| json!({ "LayerIds": [s.layer] });
    describe_raid_arrays "DescribeRaidArrays" "--+++-+-" |s| json!({ "StackId": s.stack });
    describe_rds_db_instances "DescribeRdsDbInstances" "--+++-+-" |s| json!({ "StackId": s.stack });
    describe_service_errors "DescribeServiceErrors" "--+++-+-" |s| json!({ "InstanceId": s.instance });
    describe_stack_summary "DescribeStackSummary" "--+++-+-" |s| json!({ "StackId": s.stack });
    describe_stacks "DescribeStacks" "--+++-+-" |s| json!({ "StackIds": [s.stack] });
    describe_time_based_auto_scaling "DescribeTimeBasedAutoScaling" "--+++-+-" |s| json!({ "InstanceIds": [s.timer] });
    describe_volumes "DescribeVolumes" "--+++-+-" |s| json!({ "StackId": s.stack });
    list_tags "ListTags" "--+++-+-" |s| json!({ "ResourceArn": s.stack_arn() });

    // deploy [PERM-7]
    create_deployment "CreateDeployment" "---++-+-" |s| json!({ "StackId": s.stack, "Command": { "Name": "configure" }, "InstanceIds": [s.instance] });

    // manage [PERM-8] [PERM-11] [PERM-12] [PERM-13]
    assign_instance "AssignInstance" "----+-+-" |s| json!({ "InstanceId": s.instance, "LayerIds": [s.layer] });
    assign_volume "AssignVolume" "----+-+-" |s| json!({ "VolumeId": s.volume, "InstanceId": s.instance });
    associate_elastic_ip "AssociateElasticIp" "----+-+-" |s| json!({ "ElasticIp": s.ip, "InstanceId": s.instance });
    attach_elastic_load_balancer "AttachElasticLoadBalancer" "----+-+-" |s| json!({ "ElasticLoadBalancerName": LOAD_BALANCER, "LayerId": s.layer });
    create_instance "CreateInstance" "----+-+-" |s| json!({ "StackId": s.stack, "LayerIds": [s.layer], "InstanceType": "m5.large" });
    create_layer "CreateLayer" "----+-+-" |s| json!({ "StackId": s.stack, "Type": "custom", "Name": "other", "Shortname": "other" });
    delete_instance "DeleteInstance" "----+-+-" |s| json!({ "InstanceId": s.instance });
    delete_layer "DeleteLayer" "----+-+-" |s| json!({ "LayerId": s.layer });
    delete_stack "DeleteStack" "----+-+-" |s| json!({ "StackId": s.stack });
    deregister_ecs_cluster "DeregisterEcsCluster" "----+-+-" |_| json!({ "EcsClusterArn": CLUSTER });
    deregister_elastic_ip "DeregisterElasticIp" "----+-+-" |s| json!({ "ElasticIp": s.ip });
    deregister_instance "DeregisterInstance" "----+-+-" |s| json!({ "InstanceId": s.instance });
    deregister_volume "DeregisterVolume" "----+-+-" |s| json!({ "VolumeId": s.volume });
    describe_permissions "DescribePermissions" "----+-+-" |s| json!({ "StackId": s.stack });
    describe_stack_provisioning_parameters "DescribeStackProvisioningParameters" "----+-+-" |s| json!({ "StackId": s.stack });
    detach_elastic_load_balancer "DetachElasticLoadBalancer" "----+-+-" |s| json!({ "ElasticLoadBalancerName": LOAD_BALANCER, "LayerId": s.layer });
    disassociate_elastic_ip "DisassociateElasticIp" "----+-+-" |s| json!({ "ElasticIp": s.ip });
    get_hostname_suggestion "GetHostnameSuggestion" "----+-+-" |s| json!({ "LayerId": s.layer });
    reboot_instance "RebootInstance" "----+-+-" |s| json!({ "InstanceId": s.instance });
    register_ecs_cluster "RegisterEcsCluster" "----+-+-" |s| json!({ "EcsClusterArn": CLUSTER, "StackId": s.stack });
    register_elastic_ip "RegisterElasticIp" "----+-+-" |s| json!({ "ElasticIp": s.other_ip, "StackId": s.stack });
    register_instance "RegisterInstance" "----+-+-" |s| json!({ "StackId": s.stack, "Hostname": "own1" });
    register_volume "RegisterVolume" "----+-+-" |s| json!({ "Ec2VolumeId": s.other_volume, "StackId": s.stack });
    set_load_based_auto_scaling "SetLoadBasedAutoScaling" "----+-+-" |s| json!({ "LayerId": s.layer, "Enable": false });
    set_permission "SetPermission" "----+-+-" |s| json!({ "StackId": s.stack, "IamUserArn": BOB, "AllowSsh": true });
    set_time_based_auto_scaling "SetTimeBasedAutoScaling" "----+-+-" |s| json!({ "InstanceId": s.timer, "AutoScalingSchedule": {} });
    start_instance "StartInstance" "----+-+-" |s| json!({ "InstanceId": s.instance });
    start_stack "StartStack" "----+-+-" |s| json!({ "StackId": s.stack });
    stop_instance "StopInstance" "----+-+-" |s| json!({ "InstanceId": s.instance });
    stop_stack "StopStack" "----+-+-" |s| json!({ "StackId": s.stack });
    tag_resource "TagResource" "----+-+-" |s| json!({ "ResourceArn": s.stack_arn(), "Tags": { "team": "shop" } });
    unassign_instance "UnassignInstance" "----+-+-" |s| json!({ "InstanceId": s.instance });
    unassign_volume "UnassignVolume" "----+-+-" |s| json!({ "VolumeId": s.volume });
    untag_resource "UntagResource" "----+-+-" |s| json!({ "ResourceArn": s.stack_arn(), "TagKeys": ["team"] });
    update_elastic_ip "UpdateElasticIp" "----+-+-" |s| json!({ "ElasticIp": s.ip, "Name": "front" });
    update_instance "UpdateInstance" "----+-+-" |s| json!({ "InstanceId": s.instance, "InstanceType": "m5.xlarge" });
    update_layer "UpdateLayer" "----+-+-" |s| json!({ "LayerId": s.layer, "Name": "front" });
    update_stack "UpdateStack" "----+-+-" |s| json!({ "StackId": s.stack, "Name": "store" });
    update_volume "UpdateVolume" "----+-+-" |s| json!({ "VolumeId": s.volume, "Name": "data" });

    // IAM only [PERM-9]; on no stack, so that no level counts, but for a clone, which reads its source.
    clone_stack "CloneStack" "------+-" |s| json!({ "SourceStackId": s.stack, "ServiceRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/service") });
    create_stack "CreateStack" "-+----+-" |_| json!({
        "Name": "other", "Region": REGION, "ServiceRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/service"),
        "DefaultInstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/ec2"),
    });
    create_user_profile "CreateUserProfile" "-+----+-" |_| json!({ "IamUserArn": format!("arn:aws:iam::{ACCOUNT}:user/eve") });
    delete_user_profile "DeleteUserProfile" "-+----+-" |_| json!({ "IamUserArn": BOB });
    describe_user_profiles "DescribeUserProfiles" "-+----+-" |_| json!({ "IamUserArns": [BOB] });
    update_user_profile "UpdateUserProfile" "-+----+-" |_| json!({ "IamUserArn": BOB, "SshUsername": "robert" });

    // The own profile, without self-management [PERM-10].
    describe_my_user_profile "DescribeMyUserProfile" "-+----+-" |_| json!({});
    update_my_user_profile "UpdateMyUserProfile" "-+----+-" |_| json!({});

    // Out of scope.
    create_app "CreateApp" "++++++++" |s| json!({ "StackId": s.stack });
    delete_app "DeleteApp" "++++++++" |_| json!({});
    deregister_rds_db_instance "DeregisterRdsDbInstance" "++++++++" |_| json!({});
    grant_access "GrantAccess" "++++++++" |s| json!({ "InstanceId": s.instance });
    register_rds_db_instance "RegisterRdsDbInstance" "++++++++" |s| json!({ "StackId": s.stack });
    update_app "UpdateApp" "++++++++" |_| json!({});
    update_rds_db_instance "UpdateRdsDbInstance" "++++++++" |_| json!({});
}

/// [PERM-3]: the table knows all 74 actions, each once.
#[test]
fn perm_3_no_action_is_missing_in_the_table() {
    let mut named: Vec<&str> = ROWS.iter().map(|(action, ..)| *action).collect();
    named.sort_unstable();
    let known: Vec<&str> = catalogue::ACTIONS.iter().map(|a| a.name).collect();
    assert_eq!(named, known);
    assert!(ROWS.iter().all(|(_, row, _)| row.len() == COLUMNS.len()));
}

/// Our own controllers need neither a record nor a look-up, whatever somebody may have written about their role.
#[tokio::test]
async fn the_controllers_role_passes_everything_and_iam_is_not_asked() {
    for (action, _, body) in ROWS {
        let shop = Shop::new().await;
        shop.app.account.set_closed(true);
        shop.app.account.set_policy(CONTROLLERS, Policy { deny: vec!["*".to_owned()], ..Policy::default() });
        let before = shop.app.account.calls().get("iam:SimulatePrincipalPolicy").copied();
        let reply = shop.app.call_as_controller(action, body(&shop)).await;
        assert_ne!(reply.body["__type"], "AccessDeniedException", "{action}: {}", reply.body);
        assert_eq!(shop.app.account.calls().get("iam:SimulatePrincipalPolicy").copied(), before, "{action}");
    }
}
