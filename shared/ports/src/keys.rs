//! Where each record stands. One place, so that the functions that share a record agree on its key.

use serde::{Deserialize, Serialize};
use strata_domain::settings::WindowSettings;
use strata_domain::time_based::lead;
use strata_domain::{
    CampaignId, ClusterArn, CommandId, DeploymentId, Ec2InstanceId, InstanceId, LayerId, ServiceErrorId, StackId, TeardownId,
    VolumeId,
};

/// Partition and sort key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Partition.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    /// A key.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.pk, self.sk)
    }
}

/// A stack's partition: the stack and all that belongs to it alone.
pub fn stack_pk(stack: &StackId) -> String {
    format!("stack#{stack}")
}
/// `model::Stack`.
pub fn stack(stack: &StackId) -> Key {
    Key::new(stack_pk(stack), "stack")
}
/// The list of all stacks: one empty record each.
pub const STACKS_PK: &str = "stacks";
/// A stack's entry in the list of stacks.
pub fn stack_entry(stack: &StackId) -> Key {
    Key::new(STACKS_PK, stack.as_str())
}
/// Clones of stacks that are under way.
pub const CLONING_PK: &str = "cloning";
/// The intent of a clone: removed in the commit that writes the stack. Until then nobody sees what stands in its partition.
pub fn cloning(stack: &StackId) -> Key {
    Key::new(CLONING_PK, stack.as_str())
}
/// Sort key prefix of layers in a stack's partition.
pub const LAYER: &str = "layer#";
/// `model::Layer`.
pub fn layer(stack: &StackId, layer: &LayerId) -> Key {
    Key::new(stack_pk(stack), format!("{LAYER}{layer}"))
}
/// Sort key prefix of instances in a stack's partition.
pub const INSTANCE: &str = "instance#";
/// `model::Instance`.
pub fn instance(stack: &StackId, instance: &InstanceId) -> Key {
    Key::new(stack_pk(stack), format!("{INSTANCE}{instance}"))
}
/// `load_based::Configuration` of a layer.
pub fn load_based(stack: &StackId, layer: &LayerId) -> Key {
    Key::new(stack_pk(stack), format!("load-based#{layer}"))
}
/// Sort key prefix of schedules.
pub const TIME_BASED: &str = "time-based#";
/// `time_based` schedule of an instance.
pub fn time_based(stack: &StackId, instance: &InstanceId) -> Key {
    Key::new(stack_pk(stack), format!("{TIME_BASED}{instance}"))
}
/// Sort key prefix of last starts.
pub const LAST_START: &str = "last-start#";
/// [`LastStart`] of an instance, written by StartInstance in its own commit.
pub fn last_start(stack: &StackId, instance: &InstanceId) -> Key {
    Key::new(stack_pk(stack), format!("{LAST_START}{instance}"))
}
/// When an instance was last asked to start; the API does not tell it, the scalers need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastStart {
    /// When StartInstance was accepted.
    pub at: jiff::Timestamp,
    /// How many starts right before it had failed: scalers wait longer each time.
    #[serde(default)]
    pub failed_before: u32,
    /// In how many seconds its newest measured start before this one came to be online, if any did: what a lead time is measured by.
    #[serde(default)]
    pub took_seconds: Option<u32>,
}

impl LastStart {
    /// What is noted of a start at `at` of an instance whose record is still that of the start before; `standing` is what that one noted.
    pub fn following(
        before: &strata_domain::model::Instance,
        standing: Option<&Self>,
        at: jiff::Timestamp,
        failed_before: u32,
    ) -> Self {
        let took = lead::time_to_online(before).and_then(|took| u32::try_from(took.as_secs()).ok());
        Self { at, failed_before, took_seconds: took.or(standing.and_then(|last| last.took_seconds)) }
    }
}
/// Sort key prefix of claims.
pub const CLAIM: &str = "claim#";
/// `claims::Claim` on an instance.
pub fn claim(stack: &StackId, instance: &InstanceId) -> Key {
    Key::new(stack_pk(stack), format!("{CLAIM}{instance}"))
}
/// Sort key prefix of claim reports.
pub const CLAIM_REPORT: &str = "claim-report#";
/// `claims::ClaimReport` on an instance: what lifecycle tells the claim's holder, since controllers don't read instance records.
///
/// Lifecycle writes it in the very commit that sets the record's `drained_for` or `out_of_service_since` (holder and since as in the
/// record), and deletes it in the commit that clears `drained_for`, which is when the host is ACTIVE again. Whoever released a claim
/// counts the host as out until this record is gone.
pub fn claim_report(stack: &StackId, instance: &InstanceId) -> Key {
    Key::new(stack_pk(stack), format!("{CLAIM_REPORT}{instance}"))
}
/// Sort key prefix of holds.
pub const HOLD: &str = "hold#";
/// `holds::Hold` of a person or a manual stop on an instance; `kind` is `person`, `manual-stop` or `foreign`.
pub fn instance_hold(stack: &StackId, instance: &InstanceId, kind: &str) -> Key {
    Key::new(stack_pk(stack), format!("{HOLD}instance#{instance}#{kind}"))
}
/// `holds::Hold` on a layer.
pub fn layer_hold(stack: &StackId, layer: &LayerId) -> Key {
    Key::new(stack_pk(stack), format!("{HOLD}layer#{layer}"))
}
/// The kind of [`instance_hold`] that a person sets.
pub const PERSON_HOLD: &str = "person";
/// The ends of persons' holds, soonest first; the tick reads the first ones.
pub const HOLD_ENDS_PK: &str = "hold-ends";
/// The end of a hold, by the hold's own key; value: [`HoldEnd`]. Written with the hold and removed with it. One whose hold has gone with its
/// instance or layer is removed when its time has come.
pub fn hold_end(until: jiff::Timestamp, hold: &Key) -> Key {
    Key::new(HOLD_ENDS_PK, format!("{until:.0}#{}#{}", hold.pk, hold.sk))
}
/// What [`hold_end`] records hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldEnd {
    /// The hold's stack.
    pub stack_id: StackId,
    /// The hold's sort key in its stack's partition.
    pub sk: String,
    /// When it ends.
    pub until: jiff::Timestamp,
}
/// Sort key prefix of deployments.
pub const DEPLOYMENT: &str = "deployment#";
/// A deployment.
pub fn deployment(stack: &StackId, deployment: &DeploymentId) -> Key {
    Key::new(stack_pk(stack), format!("{DEPLOYMENT}{deployment}"))
}
/// All deployments that still have unfinished commands; the tick reads these and no finished one.
pub const OPEN_DEPLOYMENTS_PK: &str = "open-deployments";
/// A deployment's entry among the open ones; value: [`Owner`]. Written with the deployment, removed in the commit that completes it.
pub fn open_deployment(deployment: &DeploymentId) -> Key {
    Key::new(OPEN_DEPLOYMENTS_PK, deployment.as_str())
}
/// The first results of writing API calls, for repeats [WIRE-15]; sort keys begin with a time bucket, so the oldest come first.
pub const REPEATS_PK: &str = "repeats";
/// A command of an instance.
pub fn command(stack: &StackId, instance: &InstanceId, command: &CommandId) -> Key {
    Key::new(stack_pk(stack), format!("command#{instance}#{command}"))
}
/// Sort key prefix of an instance's commands in its stack's partition.
pub fn commands_of(instance: &InstanceId) -> String {
    format!("command#{instance}#")
}
/// All commands that are not finished; the tick reads these and no finished one.
pub const PENDING_COMMANDS_PK: &str = "pending-commands";
/// A command's entry there; value: `CommandPointer`. Written in the commit that makes the command, removed in the one that ends it.
pub fn pending_command(instance: &InstanceId, command: &CommandId) -> Key {
    Key::new(PENDING_COMMANDS_PK, format!("{instance}#{command}"))
}
/// Sort key prefix of an instance's entries among the pending commands.
pub fn pending_commands_of(instance: &InstanceId) -> String {
    format!("{instance}#")
}
/// Sort key prefix of what hosts have said of their hooks.
pub const HOOKS: &str = "hooks#";
/// What a host's last run said of its hooks; value: [`Hooks`].
pub fn hooks(stack: &StackId, instance: &InstanceId) -> Key {
    Key::new(stack_pk(stack), format!("{HOOKS}{instance}"))
}
/// What [`hooks`] records hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// It has one for the Configure event.
    pub configure: bool,
}
/// Sort key prefix of what hosts have said of their updates.
pub const PATCH_STATE: &str = "patch#";
/// `updates::PatchState` of an instance: what it said at the end of its last update or scan. Removed with the instance.
pub fn patch_state(stack: &StackId, instance: &InstanceId) -> Key {
    Key::new(stack_pk(stack), format!("{PATCH_STATE}{instance}"))
}
/// Scans that are under way or did not end well, and [`next_scans`]; the tick reads these.
pub const SCANS_PK: &str = "scans";
/// A scan of an instance: security-updates' own note.
pub fn scan(instance: &InstanceId) -> Key {
    Key::new(SCANS_PK, instance.as_str())
}
/// When hosts are next looked through for scans that are due: a timestamp.
pub fn next_scans() -> Key {
    Key::new(SCANS_PK, "#next")
}
/// Sort key prefix of service errors.
pub const SERVICE_ERROR: &str = "service-error#";
/// A service error.
pub fn service_error(stack: &StackId, error: &ServiceErrorId) -> Key {
    Key::new(stack_pk(stack), format!("{SERVICE_ERROR}{error}"))
}
/// What [`pointer`], [`busy`], [`cluster`], [`registered_address`], [`load_based_layer`] and [`alarm_index`] records hold: whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// `stack`, `layer`, `instance`, `deployment`, `command`, `service-error`, `volume`, `elastic-ip`, `cluster` or `alarm`.
    pub kind: String,
    /// Its stack.
    pub stack_id: StackId,
}
/// Sort key prefix of permissions in a stack's partition.
pub const PERMISSION: &str = "permission#";
/// `permissions::Permission` of a user on a stack.
pub fn permission(stack: &StackId, iam_user_arn: &str) -> Key {
    Key::new(stack_pk(stack), format!("{PERMISSION}{iam_user_arn}"))
}
/// All user profiles; the sort key is the IAM ARN.
pub const USERS_PK: &str = "users";
/// `model::UserProfile`.
pub fn user(iam_user_arn: &str) -> Key {
    Key::new(USERS_PK, iam_user_arn)
}
/// The SSH user names that are taken: one record each, so that no two profiles become one Unix user.
pub const SSH_NAMES_PK: &str = "ssh-names";
/// An SSH user name that is taken; value: the ARN of the profile that has it.
pub fn ssh_name(name: &str) -> Key {
    Key::new(SSH_NAMES_PK, name)
}
/// The Unix UIDs that were ever given [USR-5].
pub const UIDS_PK: &str = "uids";
/// A UID that was given; value: the ARN of the profile that has it, `null` once that is deleted.
pub fn uid(uid: u32) -> Key {
    Key::new(UIDS_PK, format!("{uid:04}"))
}
/// Uniqueness: the record exists while the name is taken; its value names the owner's id. `what` is `host`, `layer-type`,
/// `layer-name`, `layer-shortname`, or `cluster` (name `one`, value the ARN of the stack's one cluster).
pub fn unique(stack: &StackId, what: &str, name: &str) -> Key {
    Key::new(stack_pk(stack), format!("unique#{what}#{name}"))
}
/// Pointer from a layer's, instance's, volume's, deployment's or command's uuid to its stack.
pub fn pointer(uuid: &str) -> Key {
    Key::new(format!("id#{uuid}"), "pointer")
}
/// All registered clusters; the sort key is the ARN.
pub const CLUSTERS_PK: &str = "clusters";
/// A cluster's registration; the record itself is the uniqueness of "one stack per cluster".
pub fn cluster(arn: &ClusterArn) -> Key {
    Key::new(CLUSTERS_PK, arn.as_str())
}
/// Sort key prefix of registered volumes.
pub const VOLUME: &str = "volume#";
/// `model::RegisteredVolume`.
pub fn volume(stack: &StackId, volume: &VolumeId) -> Key {
    Key::new(stack_pk(stack), format!("{VOLUME}{volume}"))
}
/// Where a volume is registered; the record itself is the uniqueness of "one stack per volume" [RES-1]. Value: [`VolumeOwner`].
pub fn registered_volume(ec2_volume_id: &str) -> Key {
    Key::new(format!("ec2-volume#{ec2_volume_id}"), "owner")
}
/// What [`registered_volume`] records hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeOwner {
    /// Its stack.
    pub stack_id: StackId,
    /// The uuid under which it is registered.
    pub volume_id: VolumeId,
}
/// Sort key prefix of registered Elastic IP addresses.
pub const ELASTIC_IP: &str = "elastic-ip#";
/// `model::ElasticIp`.
pub fn elastic_ip(stack: &StackId, ip: &str) -> Key {
    Key::new(stack_pk(stack), format!("{ELASTIC_IP}{ip}"))
}
/// Where an address is registered; the record itself is the uniqueness of "one stack per address" [RES-1]. Value: [`Owner`]. It moves
/// to another stack with the address [EIP-13].
pub fn registered_address(ip: &str) -> Key {
    Key::new(format!("address#{ip}"), "owner")
}
/// Sort key prefix of layers' load balancers.
pub const LOAD_BALANCER: &str = "load-balancer#";
/// `model::LayerLoadBalancer`: the one of a layer [ELB-2].
pub fn load_balancer(stack: &StackId, layer: &LayerId) -> Key {
    Key::new(stack_pk(stack), format!("{LOAD_BALANCER}{layer}"))
}
/// Where a load balancer is attached, by its region and name; the record itself is the uniqueness of "one layer per load balancer"
/// [ELB-2]. Value: [`LoadBalancerOwner`].
pub fn attached_load_balancer(region: &str, name: &str) -> Key {
    Key::new(format!("load-balancer#{region}#{name}"), "owner")
}
/// What [`attached_load_balancer`] records hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancerOwner {
    /// The layer's stack.
    pub stack_id: StackId,
    /// The layer.
    pub layer_id: LayerId,
}
/// Load balancers and target groups that were attached to a layer or detached from one, and whose hosts have not been brought in step since;
/// the tick reads these.
pub const BALANCERS_DUE_PK: &str = "balancers-due";
/// A balancer's entry there, by its region and its name or ARN. Written in the commit that attaches or detaches it; removed when a look has found
/// it in step.
pub fn balancer_due(region: &str, balancer: &str) -> Key {
    Key::new(BALANCERS_DUE_PK, format!("{region}#{balancer}"))
}
/// What [`balancer_due`] records hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerDue {
    /// The layer's stack.
    pub stack_id: StackId,
    /// The layer that it was attached to or detached from; who has it now is read anew.
    pub layer_id: LayerId,
    /// Its name, or the target group's ARN.
    pub balancer: String,
    /// When it last became due.
    pub at: jiff::Timestamp,
}
/// New stacks whose built-in security groups have yet to get the standard rules; the tick reads these.
pub const GROUPS_DUE_PK: &str = "groups-due";
/// A stack's entry there: empty. Written in the commit that writes the stack [SG-8]; removed when it is done, or what is wrong was told.
pub fn groups_due(stack: &StackId) -> Key {
    Key::new(GROUPS_DUE_PK, stack.as_str())
}
/// Configure is due on all online instances of a stack, since its addresses or load balancers have changed [EIP-15] [ELB-7]. Value:
/// [`ConfigureDue`]. The tick makes one run on each host of all that has come up to it [CMD-33], and removes it.
pub fn configure_due(stack: &StackId) -> Key {
    Key::new(CONFIGURE_DUE_PK, format!("{stack}#"))
}
/// The same, since this instance has entered or left `online`. Each has an entry of its own, so that a thousand starts do not write one
/// record.
pub fn configure_due_by(stack: &StackId, instance: &InstanceId) -> Key {
    Key::new(CONFIGURE_DUE_PK, format!("{stack}#{instance}"))
}
/// The same on all online instances of a layer, whether they have a hook or not, since the logs that they ship have changed [CWL-3].
pub fn configure_due_on(stack: &StackId, layer: &LayerId) -> Key {
    Key::new(CONFIGURE_DUE_PK, format!("{stack}#{CONFIGURE_DUE_LAYER}{layer}"))
}
/// What follows the stack in the sort keys of [`configure_due_on`].
pub const CONFIGURE_DUE_LAYER: &str = "layer#";
/// Everything that makes Configure due, by stack.
pub const CONFIGURE_DUE_PK: &str = "configure-due";
/// What [`configure_due`] records hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigureDue {
    /// When it last became due.
    pub at: jiff::Timestamp,
}
/// Stacks whose hosts' users are to be brought in step with permissions and profiles [SSH-9].
pub const USERS_DUE_PK: &str = "users-due";
/// A stack's entry there, or that of all stacks; value: [`UsersDue`]. Written in the commit that changes who has access; whoever makes
/// the runs removes it.
pub fn users_due(stack: Option<&StackId>) -> Key {
    Key::new(USERS_DUE_PK, stack.map_or("*", StackId::as_str))
}
/// What [`users_due`] records hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersDue {
    /// When it last became due.
    pub at: jiff::Timestamp,
}
/// Hosts whose users could not be brought in step; the tick tries again.
pub const USERS_BEHIND_PK: &str = "users-behind";
/// A host's entry there.
pub fn users_behind(instance: &InstanceId) -> Key {
    Key::new(USERS_BEHIND_PK, instance.as_str())
}
/// All instances that lifecycle still has to bring forward; the tick reads these and no settled record.
pub const BUSY_PK: &str = "busy";
/// An instance's entry among the busy; value: its stack's id. Written and removed in the commit that changes its status.
pub fn busy(instance: &InstanceId) -> Key {
    Key::new(BUSY_PK, instance.as_str())
}
/// Whose machine an EC2 instance is; value: [`Ec2Owner`]. Written and removed with the record's `ec2_instance_id`.
pub fn ec2_index(ec2: &Ec2InstanceId) -> Key {
    Key::new(format!("ec2#{ec2}"), "owner")
}
/// What [`ec2_index`] records hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ec2Owner {
    /// Its stack.
    pub stack_id: StackId,
    /// Its record.
    pub instance_id: InstanceId,
}
/// Launches that EC2 has throttled; every invocation of lifecycle takes some of them along.
pub const LAUNCH_BACKLOG_PK: &str = "launch-backlog";
/// An instance's entry there; value: [`Owner`]. Removed when the launch is accepted or no longer wanted.
pub fn launch_backlog(instance: &InstanceId) -> Key {
    Key::new(LAUNCH_BACKLOG_PK, instance.as_str())
}
/// Written whenever a launch had to wait: the table's change feed then wakes lifecycle again within a second, so launches go on at the
/// pace of EC2's bucket without anybody sleeping. Value: a count.
pub fn launch_poke() -> Key {
    Key::new("launch-poke", "poke")
}
/// A hint that instances of the stack have changed: lifecycle writes it for every batch of the change feed. Its version is all that
/// counts; value: when.
pub fn fleet_changed(stack: &StackId) -> Key {
    Key::new("fleet-changed", stack.as_str())
}
/// Time-scaling's own note that it found all of a stack's time-based instances as their schedules want them. The API overwrites it with `null`
/// when the stack's or a layer's `time_scaling` settings change, so that the next check looks.
pub fn timers_settled(stack: &StackId) -> Key {
    Key::new("timers-settled", stack.as_str())
}
/// Sort key prefix of open incidents of a stack.
pub const INCIDENT: &str = "incident#";
/// The open page about an instance or a layer, `subject` is its uuid; removed when the page is resolved.
pub fn incident(stack: &StackId, subject: &str) -> Key {
    Key::new(stack_pk(stack), format!("{INCIDENT}{subject}"))
}
/// The open page about a layer's starts that EC2 refuses in a zone for want of capacity: one, however many hosts it meets.
pub fn shortage(stack: &StackId, layer: &LayerId, zone: &str) -> Key {
    Key::new(stack_pk(stack), format!("{SHORTAGE}{layer}#{zone}"))
}
/// Sort key prefix of [`shortage`] among the incidents.
pub const SHORTAGE: &str = "incident#shortage#";
/// How far the tags of a stack's machines and volumes have come.
pub fn tagging(stack: &StackId) -> Key {
    Key::new(stack_pk(stack), TAGGING)
}
/// Sort key of [`tagging`].
pub const TAGGING: &str = "tagging";
/// Launch templates for break-glass: a partition of its own, so that one is found when its stack is gone.
pub const LAUNCH_TEMPLATES_PK: &str = "launch-templates";
/// A layer's.
pub fn launch_template(layer: &LayerId) -> Key {
    Key::new(LAUNCH_TEMPLATES_PK, layer.as_str())
}
/// When lifecycle last looked at every record that is not stopped.
pub fn full_sweep() -> Key {
    Key::new("sweep", "full")
}
/// When service errors whose time is over were last looked for: a timestamp [SVE-5].
pub fn error_sweep() -> Key {
    Key::new("sweep", "errors")
}
/// Load-scaling's partition for a layer: `last-event`, `intent`.
pub fn scaling(layer: &LayerId, what: &str) -> Key {
    Key::new(format!("scaling#{layer}"), what)
}
/// The layers that cannot scale just now, or could not a moment ago.
pub const SCALING_BLOCKED_PK: &str = "scaling-blocked";
/// A layer's entry there.
pub fn scaling_blocked(layer: &LayerId) -> Key {
    Key::new(SCALING_BLOCKED_PK, layer.as_str())
}
/// The open page about a layer that cannot scale.
pub fn scaling_incident(stack: &StackId, layer: &LayerId) -> Key {
    Key::new(stack_pk(stack), format!("{INCIDENT}scaling#{layer}"))
}
/// All layers with load-based scaling enabled; value: the stack's id.
pub const LOAD_BASED_LAYERS_PK: &str = "load-based-layers";
/// A layer's entry there.
pub fn load_based_layer(layer: &LayerId) -> Key {
    Key::new(LOAD_BASED_LAYERS_PK, layer.as_str())
}
/// Index of alarm names: which layers an alarm belongs to, managed and custom; one record per layer.
pub fn alarm_index_pk(alarm: &str) -> String {
    format!("alarm#{alarm}")
}
/// An alarm's entry for a layer; value: the stack's id.
pub fn alarm_index(alarm: &str, layer: &LayerId) -> Key {
    Key::new(alarm_index_pk(alarm), layer.as_str())
}
/// All layers with an update window; security-updates' tick reads these and no other layer.
pub const UPDATE_WINDOWS_PK: &str = "update-windows";
/// A layer's entry there; value: [`UpdateWindow`]. Written and removed in the commit that changes the layer's settings.
pub fn update_window(layer: &LayerId) -> Key {
    Key::new(UPDATE_WINDOWS_PK, layer.as_str())
}
/// What [`update_window`] records hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateWindow {
    /// The layer's stack.
    pub stack_id: StackId,
    /// Its window.
    pub window: WindowSettings,
    /// How long a window is open that says nothing of it.
    pub window_minutes: u32,
}
/// Running campaigns.
pub const CAMPAIGNS_PK: &str = "campaigns";
/// A campaign.
pub fn campaign(id: &CampaignId) -> Key {
    Key::new(CAMPAIGNS_PK, id.as_str())
}
/// The one running campaign of a layer; the record is the uniqueness of "one at a time". Value: the campaign's id.
pub fn campaign_mark(stack: &StackId, layer: &LayerId) -> Key {
    Key::new(stack_pk(stack), format!("campaign#{layer}"))
}
/// Campaigns that have ended, so that a late repeat of their request begins nothing; the tick doesn't read them.
pub const ENDED_CAMPAIGNS_PK: &str = "ended-campaigns";
/// A campaign that has ended.
pub fn ended_campaign(id: &CampaignId) -> Key {
    Key::new(ENDED_CAMPAIGNS_PK, id.as_str())
}
/// Running teardowns.
pub const TEARDOWNS_PK: &str = "teardowns";
/// A teardown.
pub fn teardown(id: &TeardownId) -> Key {
    Key::new(TEARDOWNS_PK, id.as_str())
}
/// Sort key prefix of the marks on layers that are being taken down.
pub const TEARDOWN_MARK: &str = "teardown#";
/// The mark on a layer that is being taken down: nothing starts instances in it. Value: the teardown's id.
pub fn teardown_mark(stack: &StackId, layer: &LayerId) -> Key {
    Key::new(stack_pk(stack), format!("{TEARDOWN_MARK}{layer}"))
}
/// Teardowns that settings plan; the tick reads these.
pub const TEARDOWN_PLANS_PK: &str = "teardown-plans";
/// The plan of a layer, or of a stack's settings (`None`). Value: `teardown::planned::Planned`. Written in the commit that writes the settings; it
/// may outlive layer and stack until its time, and goes when the teardown has begun or is given up.
pub fn teardown_plan(stack: &StackId, layer: Option<&LayerId>) -> Key {
    Key::new(TEARDOWN_PLANS_PK, layer.map_or(stack.as_str(), LayerId::as_str))
}
/// Teardowns that have ended, so that a late repeat of their request begins nothing.
pub const ENDED_TEARDOWNS_PK: &str = "ended-teardowns";
/// A teardown that has ended.
pub fn ended_teardown(id: &TeardownId) -> Key {
    Key::new(ENDED_TEARDOWNS_PK, id.as_str())
}
/// Requests for campaigns that the API has accepted and security-updates has not yet heeded; the tick reads these.
pub const CAMPAIGN_REQUESTS_PK: &str = "campaign-requests";
/// A request for a campaign, those of a layer in the order in which they were made; value: `CampaignRequest`.
pub fn campaign_request(layer: &LayerId, at: jiff::Timestamp, verb: &str) -> Key {
    Key::new(CAMPAIGN_REQUESTS_PK, format!("{layer}#{at:.3}#{verb}"))
}
/// Requests for teardowns that the API has accepted and teardown has not yet heeded; the tick reads these.
pub const TEARDOWN_REQUESTS_PK: &str = "teardown-requests";
/// A request for a teardown, those of a layer in the order in which they were made; value: `TeardownRequest`.
pub fn teardown_request(layer: &LayerId, at: jiff::Timestamp, verb: &str) -> Key {
    Key::new(TEARDOWN_REQUESTS_PK, format!("{layer}#{at:.3}#{verb}"))
}
/// What became of the last request about each layer: a partition of its own, since a layer that was taken down has an answer too.
pub const JOB_ANSWERS_PK: &str = "job-answers";
/// The answer to the last request about a layer's campaign; value: `asked::JobAnswer`.
pub fn campaign_answer(layer: &str) -> Key {
    Key::new(JOB_ANSWERS_PK, format!("campaign#{layer}"))
}
/// The answer to the last request about a layer's teardown; value: `asked::JobAnswer`.
pub fn teardown_answer(layer: &str) -> Key {
    Key::new(JOB_ANSWERS_PK, format!("teardown#{layer}"))
}
/// What waits to be sent.
pub const OUTBOX_PK: &str = "outbox";
/// One message of the outbox.
pub fn outbox(id: &str) -> Key {
    Key::new(OUTBOX_PK, id)
}
/// What all partitions of the journal begin with.
pub const JOURNAL: &str = "journal";
/// The journal's partition: a stack's decisions, or the installation's.
pub fn journal_pk(stack: Option<&StackId>) -> String {
    stack.map_or_else(|| JOURNAL.to_owned(), |s| format!("{JOURNAL}#{s}"))
}
/// The last decision of a function about a subject, so that only changed decisions are written.
pub fn last_decision(function: &str, subject: &str) -> Key {
    Key::new(format!("last-decision#{function}"), subject)
}
