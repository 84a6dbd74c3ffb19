//! All 74 actions: name, permission level, scope [ACT-1..74].

use strata_domain::permissions::Needed;

use super::error::ApiError;

/// In scope or not [SCP-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// An ECS Cluster layer needs it.
    Core,
    /// Generic clients call it.
    Edge,
    /// Refused [SCP-2]; the text says what to use instead.
    OutWriter(&'static str),
    /// Checks its arguments and answers an empty list [SCP-3].
    OutReader,
}

/// One action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    /// As in the target header.
    pub(crate) name: &'static str,
    /// What the caller needs.
    pub(crate) level: Needed,
    /// In scope or not.
    pub(crate) scope: Scope,
}

impl Action {
    /// Whether it changes nothing; the first look at the own profile apart, which makes it [USR-2].
    pub(crate) fn is_read(&self) -> bool {
        ["Describe", "Get", "List"].iter().any(|verb| self.name.starts_with(verb))
    }

    /// The OUT error for writers that are out of scope [SCP-2].
    pub(crate) fn refuse_out_of_scope(&self) -> Result<(), ApiError> {
        match self.scope {
            Scope::OutWriter(instead) => Err(ApiError::unsupported(self.name, instead)),
            Scope::Core | Scope::Edge | Scope::OutReader => Ok(()),
        }
    }
}

/// The action that a target header names, `OpsWorks_20130218.<Action>` [WIRE-1].
///
/// # Errors
/// UnknownOperationException.
pub(crate) fn of_target(target: Option<&str>) -> Result<&'static Action, ApiError> {
    let name = target.and_then(|t| t.strip_prefix("OpsWorks_20130218."));
    ACTIONS
        .iter()
        .find(|a| Some(a.name) == name)
        .ok_or_else(|| ApiError::UnknownOperation(format!("Unknown operation: {}", target.unwrap_or("no X-Amz-Target header"))))
}

const fn action(name: &'static str, level: Needed, scope: Scope) -> Action {
    Action { name, level, scope }
}

const APPS: Scope = Scope::OutWriter("Run applications as ECS services and tasks.");
const RDS: Scope = Scope::OutWriter("Use the Amazon RDS API.");

use Needed::{Any, Deploy, Iam, Manage, OwnProfile, Show};
use Scope::{Core, Edge, OutReader};

/// In the order of the spec.
pub(crate) const ACTIONS: [Action; 74] = [
    action("AssignInstance", Manage, Core),
    action("AssignVolume", Manage, Core),
    action("AssociateElasticIp", Manage, Core),
    action("AttachElasticLoadBalancer", Manage, Core),
    action("CloneStack", Iam, Edge),
    action("CreateApp", Manage, APPS),
    action("CreateDeployment", Deploy, Core),
    action("CreateInstance", Manage, Core),
    action("CreateLayer", Manage, Core),
    action("CreateStack", Iam, Core),
    action("CreateUserProfile", Iam, Core),
    action("DeleteApp", Manage, APPS),
    action("DeleteInstance", Manage, Core),
    action("DeleteLayer", Manage, Core),
    action("DeleteStack", Manage, Core),
    action("DeleteUserProfile", Iam, Core),
    action("DeregisterEcsCluster", Manage, Core),
    action("DeregisterElasticIp", Manage, Core),
    action("DeregisterInstance", Manage, Core),
    action("DeregisterRdsDbInstance", Manage, RDS),
    action("DeregisterVolume", Manage, Core),
    action("DescribeAgentVersions", Any, Edge),
    action("DescribeApps", Show, OutReader),
    action("DescribeCommands", Show, Core),
    action("DescribeDeployments", Show, Core),
    action("DescribeEcsClusters", Show, Core),
    action("DescribeElasticIps", Show, Core),
    action("DescribeElasticLoadBalancers", Show, Core),
    action("DescribeInstances", Show, Core),
    action("DescribeLayers", Show, Core),
    action("DescribeLoadBasedAutoScaling", Show, Core),
    action("DescribeMyUserProfile", OwnProfile, Core),
    action("DescribeOperatingSystems", Any, Edge),
    action("DescribePermissions", Manage, Core),
    action("DescribeRaidArrays", Show, Edge),
    action("DescribeRdsDbInstances", Show, OutReader),
    action("DescribeServiceErrors", Show, Core),
    action("DescribeStackProvisioningParameters", Manage, Edge),
    action("DescribeStackSummary", Show, Edge),
    action("DescribeStacks", Show, Core),
    action("DescribeTimeBasedAutoScaling", Show, Core),
    action("DescribeUserProfiles", Iam, Core),
    action("DescribeVolumes", Show, Core),
    action("DetachElasticLoadBalancer", Manage, Core),
    action("DisassociateElasticIp", Manage, Core),
    action("GetHostnameSuggestion", Manage, Core),
    action("GrantAccess", Manage, Scope::OutWriter("It serves Windows instances only; use SSH or Session Manager.")),
    action("ListTags", Show, Edge),
    action("RebootInstance", Manage, Core),
    action("RegisterEcsCluster", Manage, Core),
    action("RegisterElasticIp", Manage, Core),
    action("RegisterInstance", Manage, Core),
    action("RegisterRdsDbInstance", Manage, RDS),
    action("RegisterVolume", Manage, Core),
    action("SetLoadBasedAutoScaling", Manage, Core),
    action("SetPermission", Manage, Core),
    action("SetTimeBasedAutoScaling", Manage, Core),
    action("StartInstance", Manage, Core),
    action("StartStack", Manage, Core),
    action("StopInstance", Manage, Core),
    action("StopStack", Manage, Core),
    action("TagResource", Manage, Edge),
    action("UnassignInstance", Manage, Core),
    action("UnassignVolume", Manage, Core),
    action("UntagResource", Manage, Edge),
    action("UpdateApp", Deploy, APPS),
    action("UpdateElasticIp", Manage, Core),
    action("UpdateInstance", Manage, Core),
    action("UpdateLayer", Manage, Core),
    action("UpdateMyUserProfile", OwnProfile, Core),
    action("UpdateRdsDbInstance", Manage, RDS),
    action("UpdateStack", Manage, Core),
    action("UpdateUserProfile", Iam, Core),
    action("UpdateVolume", Manage, Core),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// [SCP-1]
    #[test]
    fn scp_1_56_core_9_edge_7_out_writers_2_out_readers() {
        let count = |is: fn(&Scope) -> bool| ACTIONS.iter().filter(|a| is(&a.scope)).count();
        assert_eq!(count(|s| matches!(s, Scope::Core)), 56);
        assert_eq!(count(|s| matches!(s, Scope::Edge)), 9);
        assert_eq!(count(|s| matches!(s, Scope::OutWriter(_))), 7);
        assert_eq!(count(|s| matches!(s, Scope::OutReader)), 2);
        assert!(ACTIONS.is_sorted_by(|a, b| a.name < b.name), "sorted and each once");
    }

    /// [WIRE-1]
    #[test]
    fn wire_1_the_target_header_alone_selects_the_action() {
        assert_eq!(of_target(Some("OpsWorks_20130218.StartInstance")).unwrap().name, "StartInstance");
        for other in [None, Some("StartInstance"), Some("OpsWorks_20130218.Nonsense"), Some("DynamoDB_20120810.GetItem")] {
            assert!(matches!(of_target(other), Err(ApiError::UnknownOperation(_))), "{other:?}");
        }
    }
}
