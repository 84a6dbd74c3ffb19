//! Credentials of a stack's service role: assumed with the installation's external id in a session that is named after the stack, and kept until
//! they are about to expire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::Client;
use strata_ports::StackScope;

use crate::Base;
use crate::error::{Effect, RoleRefused, sort};

/// Seconds; a role's own maximum may be an hour, which is also what a role that assumes another one is limited to.
const SESSION_SECONDS: i32 = 3_600;

/// One provider per role and stack, shared by all clients, so that they share its session; two stacks never share one [IAM-6].
#[derive(Clone, Debug)]
pub(crate) struct StackRoles {
    client: Client,
    external_id: Option<String>,
    known: Arc<Mutex<BTreeMap<(String, String), SharedCredentialsProvider>>>,
}

impl StackRoles {
    pub(crate) fn new(base: &Base) -> Self {
        let config = aws_sdk_sts::config::Builder::from(&base.own("STS")).interceptor(base.log().clone()).build();
        Self { client: Client::from_conf(config), external_id: base.settings().external_id.clone(), known: Arc::default() }
    }

    /// The credentials of a stack's role, assumed when they are first needed.
    pub(crate) fn of(&self, scope: &StackScope) -> SharedCredentialsProvider {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (role_arn, session_name) = (scope.service_role_arn.clone(), session_name(scope));
        let key = (role_arn.clone(), session_name.clone());
        let fresh = || SharedCredentialsProvider::new(ServiceRole { roles: self.clone(), role_arn, session_name });
        known.entry(key).or_insert_with(fresh).clone()
    }
}

/// `strata-<stack id>`: a role's trust policy may name the stacks that it is for, by `sts:RoleSessionName` [IAM-6].
fn session_name(scope: &StackScope) -> String {
    format!("strata-{}", scope.stack_id)
}

/// One role. The client's identity cache keeps what it gives until shortly before it expires.
struct ServiceRole {
    roles: StackRoles,
    role_arn: String,
    session_name: String,
}

impl std::fmt::Debug for ServiceRole {
    /// The roles hold each other, so only this one is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceRole").field("role_arn", &self.role_arn).finish_non_exhaustive()
    }
}

impl ServiceRole {
    async fn assume(&self) -> provider::Result {
        let request = self.roles.client.assume_role().role_arn(&self.role_arn).role_session_name(&self.session_name);
        let request = request.duration_seconds(SESSION_SECONDS).set_external_id(self.roles.external_id.clone());
        let answer = request.send().await.map_err(|error| self.refused(error))?;
        let keys =
            answer.credentials.ok_or_else(|| CredentialsError::unhandled("sts:AssumeRole answered without credentials"))?;
        let expiry = std::time::SystemTime::try_from(keys.expiration).map_err(CredentialsError::unhandled)?;
        Ok(Credentials::new(keys.access_key_id, keys.secret_access_key, Some(keys.session_token), Some(expiry), "stack-role"))
    }

    fn refused(
        &self,
        error: aws_sdk_sts::error::SdkError<aws_sdk_sts::operation::assume_role::AssumeRoleError>,
    ) -> CredentialsError {
        let error = sort("sts:AssumeRole", Effect::Read, error);
        match error.code() {
            Some(code) => {
                let refused = RoleRefused { role_arn: self.role_arn.clone(), code: code.to_owned(), why: error.to_string() };
                CredentialsError::provider_error(refused)
            }
            None => CredentialsError::provider_error(error),
        }
    }
}

impl ProvideCredentials for ServiceRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}
