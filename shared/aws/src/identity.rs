//! Identity on IAM and STS, and by EC2's signed identity documents.
//!
//! IAM is asked by SimulatePrincipalPolicy, which knows a principal's own policies, its groups' and its boundary; conditions see the keys
//! that [`context`] gives. What it cannot be asked about (the root user of another account, federated users) is an error, and an error
//! denies.

mod document;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType};
use aws_smithy_async::time::SharedTimeSource;
use strata_domain::ClusterArn;
use strata_domain::service_role::resource_of;
use strata_ports::{CloudError, IamDecision, Identity, InstanceIdentity, RoleCheck};

use crate::error::{Effect, sort};
use crate::{Base, Role, Uses};

const SIMULATE: &str = "iam:SimulatePrincipalPolicy";
/// Seconds: the shortest session, since nothing is done with it.
const SESSION_SECONDS: i32 = 900;
/// Our choice: so long after a role was made, a refusal may be IAM telling its own machines of it.
const PROPAGATION: Duration = Duration::from_secs(60);
/// Who a role is passed to where a policy asks: stacks' roles were made for OpsWorks.
const PASSED_TO: &str = "opsworks.amazonaws.com";

/// What the methods need.
pub const USES: &[Uses] = &[
    Uses { method: "decide", role: Role::Function, actions: &["iam:GetRole", SIMULATE] },
    Uses { method: "check_role", role: Role::Function, actions: &["iam:GetRole", SIMULATE, "sts:AssumeRole"] },
    Uses { method: "verify_instance", role: Role::Function, actions: &[] },
];

/// IAM and STS, under the function's own role.
pub struct IamIdentity {
    iam: Client,
    sts: aws_sdk_sts::Client,
    account: Option<String>,
    external_id: Option<String>,
    session_name: String,
    region: String,
    clock: SharedTimeSource,
}

impl IamIdentity {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        Self::at(base, SharedTimeSource::default())
    }

    /// With a clock of its own, for tests.
    pub fn at(base: &Base, clock: SharedTimeSource) -> Self {
        let iam = aws_sdk_iam::config::Builder::from(&base.own("IAM")).interceptor(base.log().clone()).build();
        let sts = aws_sdk_sts::config::Builder::from(&base.own("STS")).interceptor(base.log().clone()).build();
        let settings = base.settings();
        Self {
            iam: Client::from_conf(iam),
            sts: aws_sdk_sts::Client::from_conf(sts),
            account: settings.account.clone(),
            external_id: settings.external_id.clone(),
            session_name: settings.installation.clone(),
            region: settings.region.clone(),
            clock,
        }
    }

    /// What IAM says of each of `actions`, in the answer's order. `resource` may be `*`.
    async fn simulate(&self, principal: &str, actions: &[&str], resource: &str) -> Result<Vec<EvaluationResult>, CloudError> {
        self.simulate_for(principal, actions, resource, None).await
    }

    /// As [`simulate`](Self::simulate); ECS's key `ecs:cluster` is `cluster`.
    async fn simulate_for(
        &self,
        principal: &str,
        actions: &[&str],
        resource: &str,
        cluster: Option<&ClusterArn>,
    ) -> Result<Vec<EvaluationResult>, CloudError> {
        let request = self.iam.simulate_principal_policy().policy_source_arn(principal).resource_arns(resource);
        let request = request.set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()));
        let mut entries = context(principal, &self.region, actions);
        entries.extend(cluster.map(|cluster| entry("ecs:cluster", ContextKeyTypeEnum::String, cluster.as_str())));
        let request = request.set_context_entries(Some(entries));
        let results = request.into_paginator().items().send();
        results.try_collect().await.map_err(|error| sort(SIMULATE, Effect::Read, error))
    }

    /// As [`simulate`](Self::simulate), for a role that is named without its path: a session's ARN does not tell it.
    async fn simulate_named(&self, principal: &str, action: &str, resource: &str) -> Result<Vec<EvaluationResult>, CloudError> {
        let first = self.simulate(principal, &[action], resource).await;
        let Some(name) = principal.split_once(":role/").map(|(_, name)| name) else { return first };
        match first {
            Err(error) if error.code() == Some("NoSuchEntity") && self.is_ours(principal) && !name.contains('/') => {
                let role = self.iam.get_role().role_name(name).send().await;
                let role = role.map_err(|error| sort("iam:GetRole", Effect::Read, error))?.role;
                match role.map(|role| role.arn).filter(|arn| arn != principal) {
                    Some(arn) => self.simulate(&arn, &[action], resource).await,
                    None => Err(error),
                }
            }
            other => other,
        }
    }

    /// Whether a principal is of our account, as far as we know which that is.
    fn is_ours(&self, principal: &str) -> bool {
        self.account.as_deref().is_none_or(|ours| account_of(principal) == Some(ours))
    }

    /// Whether a role that would not be assumed was made a moment ago. A role whose trust was changed a moment ago looks like one that
    /// does not trust us.
    async fn why_refused(&self, role_arn: &str) -> RoleCheck {
        let name = role_arn.rsplit('/').next().filter(|_| self.is_ours(role_arn));
        let Some(name) = name else { return RoleCheck::NotTrusted };
        let Ok(answer) = self.iam.get_role().role_name(name).send().await else { return RoleCheck::NotTrusted };
        let made = answer.role.and_then(|role| std::time::SystemTime::try_from(role.create_date).ok());
        let age = made.map(|made| self.clock.now().duration_since(made).unwrap_or_default());
        if age.is_some_and(|age| age < PROPAGATION) { RoleCheck::NotYetPropagated } else { RoleCheck::NotTrusted }
    }
}

#[async_trait]
impl Identity for IamIdentity {
    async fn decide(&self, principal: &str, action: &str, resource: &str) -> Result<IamDecision, CloudError> {
        if principal.ends_with(":root") {
            return root(principal, self.account.as_deref());
        }
        let found = self.simulate_named(principal, action, resource).await?;
        match found.first() {
            Some(result) => decision(result),
            None => Err(CloudError::RetryLater { action: SIMULATE, why: format!("no answer about {action}") }),
        }
    }

    async fn check_role(&self, role_arn: &str, actions: &[&str], cluster: Option<&ClusterArn>) -> Result<RoleCheck, CloudError> {
        let request = self.sts.assume_role().role_arn(role_arn).role_session_name(&self.session_name);
        let request = request.duration_seconds(SESSION_SECONDS).set_external_id(self.external_id.clone());
        match request.send().await.map_err(|error| sort("sts:AssumeRole", Effect::Read, error)) {
            Ok(_) => {}
            Err(error) if matches!(error.code(), Some("AccessDenied" | "AccessDeniedException")) => {
                return Ok(self.why_refused(role_arn).await);
            }
            Err(error) => return Err(error),
        }
        let mut found = Vec::new();
        for (resource, actions) in by_resource(actions, cluster) {
            match self.simulate_for(role_arn, &actions, &resource, cluster).await {
                Err(error) if error.code() == Some("NoSuchEntity") => return Ok(RoleCheck::NotYetPropagated),
                other => found.extend(other?),
            }
        }
        let mut missing = Vec::new();
        for action in actions {
            let result = found.iter().find(|result| result.eval_action_name().eq_ignore_ascii_case(action));
            if result.map(decision).transpose()? != Some(IamDecision::Allowed) {
                missing.push((*action).to_owned());
            }
        }
        Ok(RoleCheck::Usable { missing })
    }

    async fn verify_instance(&self, document: &str, signature: &str) -> Result<Option<InstanceIdentity>, CloudError> {
        document::verify(document, signature)
    }
}

/// The actions, each beside the resource that it is asked about.
fn by_resource<'a>(actions: &[&'a str], cluster: Option<&ClusterArn>) -> BTreeMap<String, Vec<&'a str>> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for action in actions {
        let resource = cluster.map_or_else(|| "*".to_owned(), |cluster| resource_of(action, cluster));
        groups.entry(resource).or_default().push(action);
    }
    groups
}

/// `arn:<partition>:<service>:<region>:<account>:...`
fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}

/// The root user may do all in its account, and IAM cannot be asked about it.
fn root(principal: &str, account: Option<&str>) -> Result<IamDecision, CloudError> {
    if account.is_some() && account_of(principal) == account {
        return Ok(IamDecision::Allowed);
    }
    let why = format!("IAM cannot be asked about {principal}: it is not the root user of this account");
    Err(CloudError::Wrong { action: SIMULATE, code: "InvalidInput".to_owned(), why })
}

fn decision(result: &EvaluationResult) -> Result<IamDecision, CloudError> {
    let is_ruled_out = result.organizations_decision_detail().is_some_and(|detail| !detail.allowed_by_organizations());
    match result.eval_decision() {
        PolicyEvaluationDecisionType::ExplicitDeny => Ok(IamDecision::ExplicitlyDenied),
        PolicyEvaluationDecisionType::Allowed if is_ruled_out => Ok(IamDecision::ExplicitlyDenied),
        PolicyEvaluationDecisionType::Allowed => Ok(IamDecision::Allowed),
        PolicyEvaluationDecisionType::ImplicitDeny => Ok(IamDecision::Silent),
        other => Err(CloudError::Wrong {
            action: SIMULATE,
            code: "UnknownDecision".to_owned(),
            why: format!("{} about {}", other.as_str(), result.eval_action_name()),
        }),
    }
}

/// What is known of a call to us when its caller's policies are evaluated. A condition on any other key does not match.
fn context(principal: &str, region: &str, actions: &[&str]) -> Vec<ContextEntry> {
    let text = |name: &str, value: &str| entry(name, ContextKeyTypeEnum::String, value);
    let mut entries = vec![
        text("aws:PrincipalArn", principal),
        text("aws:RequestedRegion", region),
        entry("aws:SecureTransport", ContextKeyTypeEnum::Boolean, "true"),
    ];
    entries.extend(account_of(principal).map(|account| text("aws:PrincipalAccount", account)));
    let user = principal.split_once(":user/").and_then(|(_, path)| path.rsplit('/').next());
    entries.extend(user.map(|name| text("aws:username", name)));
    if actions.contains(&"iam:PassRole") {
        entries.push(text("iam:PassedToService", PASSED_TO));
    }
    entries
}

fn entry(name: &str, kind: ContextKeyTypeEnum, value: &str) -> ContextEntry {
    ContextEntry::builder().context_key_name(name).context_key_type(kind).context_key_values(value).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_root_user_of_our_own_account_is_known_to_be_allowed() {
        let root_user = "arn:aws:iam::123456789012:root";
        assert_eq!(root(root_user, Some("123456789012")), Ok(IamDecision::Allowed));
        assert!(root(root_user, Some("123456789013")).is_err());
        assert!(root(root_user, None).is_err(), "an account that we do not know is not ours");
        assert!(root(":root", Some("")).is_err());
    }

    #[test]
    fn conditions_see_who_calls_from_where_and_who_a_role_is_passed_to() {
        let keys = |principal: &str, actions: &[&str]| {
            let entries = context(principal, "eu-west-1", actions);
            let pair = |e: &ContextEntry| format!("{}={}", e.context_key_name().unwrap(), e.context_key_values().join(","));
            entries.iter().map(pair).collect::<Vec<_>>()
        };
        let user = "arn:aws:iam::123456789012:user/dev/ann";
        assert_eq!(
            keys(user, &["opsworks:StartInstance"]),
            [
                format!("aws:PrincipalArn={user}").as_str(),
                "aws:RequestedRegion=eu-west-1",
                "aws:SecureTransport=true",
                "aws:PrincipalAccount=123456789012",
                "aws:username=ann",
            ]
        );
        let role = keys("arn:aws:iam::123456789012:role/dev", &["iam:PassRole"]);
        assert_eq!(role.last().map(String::as_str), Some("iam:PassedToService=opsworks.amazonaws.com"));
        assert!(!role.iter().any(|key| key.starts_with("aws:username")));
    }
}
