//! What stacks, layers and instances refer to, looked up in the account under the stack's service role [VAL-7].
//!
//! What was found counts as there for a minute, so a thousand calls do not empty EC2's bucket for descriptions. What was not found is
//! looked for again by the next call: whoever was told that a key pair is missing makes it and tries again at once.

use strata_domain::ClusterArn;
use strata_domain::model::Stack;
use strata_ports::{ImageView, RoleCheck, SecurityGroupView, StackScope, VpcView};

use super::call::Call;
use super::error::ApiError;
use super::remembered::Remembered;

/// By this it is seen whether a service role was widened for ECS at all [ECS-35].
const MAY_SEE_CLUSTERS: [&str; 1] = ["ecs:DescribeClusters"];

/// What a look-up is about: the role and the region that it is done with, and the id.
type Question = (String, String, String);

/// What the account was seen to have lately.
#[derive(Debug, Default)]
pub(crate) struct AccountMemory {
    vpcs: Remembered<Question, VpcView>,
    groups: Remembered<Question, SecurityGroupView>,
    key_pairs: Remembered<Question, ()>,
    images: Remembered<Question, ImageView>,
    /// Role and action.
    allowed: Remembered<(String, &'static str, Option<ClusterArn>), ()>,
}

fn question(scope: &StackScope, id: &str) -> Question {
    (scope.service_role_arn.clone(), scope.region.clone(), id.to_owned())
}

impl Call<'_> {
    /// The VPC with this id, or the region's default VPC.
    pub(crate) async fn vpc(&self, scope: &StackScope, id: Option<&str>) -> Result<VpcView, ApiError> {
        let question = question(scope, id.unwrap_or_default());
        if let Some(known) = self.account.vpcs.recall(&question, self.now) {
            return Ok(known);
        }
        let region = &scope.region;
        let missing = || match id {
            Some(id) => ApiError::field("VpcId", format!("there is no VPC \"{id}\" in {region}")),
            None => ApiError::field("VpcId", format!("is required, since {region} has no default VPC")),
        };
        let found = self.ports.inventory.vpc(scope, id).await?.ok_or_else(missing)?;
        self.account.vpcs.remember(question, self.now, found.clone());
        Ok(found)
    }

    /// Whether the groups are there, in the stack's VPC.
    pub(crate) async fn check_groups(&self, stack: &Stack, member: &str, ids: &[String]) -> Result<(), ApiError> {
        let scope = self.scope(stack);
        let recalled = |id: &String| self.account.groups.recall(&question(&scope, id), self.now);
        let mut groups: Vec<SecurityGroupView> = ids.iter().filter_map(recalled).collect();
        let unknown: Vec<String> = ids.iter().filter(|id| groups.iter().all(|g| g.id != **id)).cloned().collect();
        if !unknown.is_empty() {
            for group in self.ports.inventory.security_groups(&scope, &unknown).await? {
                self.account.groups.remember(question(&scope, &group.id), self.now, group.clone());
                groups.push(group);
            }
        }
        for id in ids {
            let missing = || ApiError::field(member, format!("there is no security group \"{id}\" in {}", stack.region));
            let group = groups.iter().find(|g| g.id == *id).ok_or_else(missing)?;
            if group.vpc_id != stack.vpc_id {
                let (of, vpc) = (&group.vpc_id, &stack.vpc_id);
                return Err(ApiError::field(member, format!("\"{id}\" is a group of the VPC {of}, not of the stack's {vpc}")));
            }
        }
        Ok(())
    }

    /// Whether the region has the EC2 key pair, if one is named.
    pub(crate) async fn check_key_pair(&self, scope: &StackScope, member: &str, name: Option<&str>) -> Result<(), ApiError> {
        let Some(name) = name else { return Ok(()) };
        let question = question(scope, name);
        if self.account.key_pairs.recall(&question, self.now).is_some() {
            return Ok(());
        }
        let found = self.ports.inventory.key_pairs(scope, &[name.to_owned()]).await?;
        if !found.iter().any(|n| n == name) {
            return Err(ApiError::field(member, format!("there is no EC2 key pair \"{name}\" in {}", scope.region)));
        }
        self.account.key_pairs.remember(question, self.now, ());
        Ok(())
    }

    /// An image of the region.
    pub(crate) async fn image(&self, stack: &Stack, id: &str) -> Result<ImageView, ApiError> {
        let scope = self.scope(stack);
        let question = question(&scope, id);
        if let Some(known) = self.account.images.recall(&question, self.now) {
            return Ok(known);
        }
        let found = self.ports.inventory.images(&scope, &[id.to_owned()]).await?;
        let missing = || ApiError::field("AmiId", format!("there is no image \"{id}\" in {}", stack.region));
        let image = found.into_iter().find(|image| image.id == id).ok_or_else(missing)?;
        self.account.images.remember(question, self.now, image.clone());
        Ok(image)
    }

    /// Whether a service role can be assumed and allows `actions`, which are needed `for_what` [IAM-3, 9] [LOAD-5].
    pub(crate) async fn check_role(&self, role: &str, actions: &[&'static str], for_what: &str) -> Result<(), ApiError> {
        self.check_role_on(role, actions, None, for_what).await
    }

    /// Whether a service role lets Strata work on this cluster [ECS-35]: a role may be narrowed to some.
    pub(crate) async fn check_role_for(&self, role: &str, cluster: &ClusterArn) -> Result<(), ApiError> {
        self.check_role_on(role, &MAY_SEE_CLUSTERS, Some(cluster), "ECS Cluster layers need").await
    }

    async fn check_role_on(
        &self,
        role: &str,
        actions: &[&'static str],
        cluster: Option<&ClusterArn>,
        for_what: &str,
    ) -> Result<(), ApiError> {
        let question = |action| (role.to_owned(), action, cluster.cloned());
        if actions.iter().all(|action| self.account.allowed.recall(&question(*action), self.now).is_some()) {
            return Ok(());
        }
        let text = match self.ports.identity.check_role(role, actions, cluster).await? {
            RoleCheck::Usable { missing } if missing.is_empty() => {
                for action in actions {
                    self.account.allowed.remember(question(*action), self.now, ());
                }
                return Ok(());
            }
            RoleCheck::Usable { missing } => format!(
                "could not validate IAM role permission: {role} does not allow {}{}, which {for_what}; add it to the role's policy",
                missing.join(", "),
                cluster.map_or_else(String::new, |cluster| format!(" on {cluster}")),
            ),
            RoleCheck::NotTrusted => "Credential has not the necessary trust relationship".to_owned(),
            RoleCheck::NotYetPropagated => format!("{role} is not yet propagated; try again in a minute"),
        };
        Err(ApiError::field("ServiceRoleArn", text))
    }
}
