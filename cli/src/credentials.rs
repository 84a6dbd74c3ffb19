//! The user's own credentials, found as the AWS CLI finds them, and read again before they expire.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::transport::chain;

/// Credentials that expire within this time are replaced, so that a signature lasts as long as its request.
const BEFORE_EXPIRY: SignedDuration = SignedDuration::from_mins(5);
/// Between two looks at least so long: a caller with a wrong key must not make us run a credential process for each request.
const BETWEEN_LOOKS: SignedDuration = SignedDuration::from_secs(5);
/// A look takes at most so long; a `credential_process` may ask its user something.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// Why there are no credentials; one sentence, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCredentials {
    /// Nobody has set any.
    #[error(
        "no AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile that has some (for a profile \
         that signs in by SSO: eval \"$(aws configure export-credentials --format env)\")"
    )]
    None,
    /// There are some, but they cannot be had.
    #[error("the AWS credentials cannot be read: {0}")]
    Unreadable(String),
    /// Those that there were have expired, and the place they came from has no newer ones.
    #[error("the AWS credentials have expired; sign in again")]
    Expired,
}

/// Where credentials come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Looks afresh: nothing of an earlier look is remembered.
    ///
    /// # Errors
    /// [`NoCredentials`].
    async fn look(&self) -> Result<Credentials, NoCredentials>;
}

/// The places that the AWS CLI looks at.
#[derive(Clone, Debug)]
pub struct AwsPlaces {
    /// A profile that the user has named. As in the AWS CLI, the environment's keys do not count then.
    pub profile: Option<String>,
    /// Whether to ask the machine's role (ECS, EC2) last. Off a machine of AWS that costs a second for nothing.
    pub machine_role: bool,
}

#[async_trait]
impl Source for AwsPlaces {
    async fn look(&self) -> Result<Credentials, NoCredentials> {
        let found = match tokio::time::timeout(LONGEST_LOOK, self.provide()).await {
            Ok(found) => found,
            Err(_) => return Err(NoCredentials::Unreadable(format!("nothing came within {} s", LONGEST_LOOK.as_secs()))),
        };
        found.map_err(|error| match error {
            CredentialsError::CredentialsNotLoaded(_) => NoCredentials::None,
            other => NoCredentials::Unreadable(chain(other)),
        })
    }
}

impl AwsPlaces {
    async fn provide(&self) -> provider::Result {
        if let Some(profile) = &self.profile {
            return ProfileFileCredentialsProvider::builder().profile_name(profile).build().provide_credentials().await;
        }
        if self.machine_role {
            let imds = imds::Client::builder().max_attempts(1).connect_timeout(Duration::from_secs(1)).build();
            return DefaultCredentialsChain::builder().imds_client(imds).build().await.provide_credentials().await;
        }
        CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
            .or_else("Profile", ProfileFileCredentialsProvider::builder().build())
            .provide_credentials()
            .await
    }
}

/// The credentials at hand.
pub struct Keys {
    source: Box<dyn Source>,
    held: Mutex<Held>,
}

struct Held {
    credentials: Credentials,
    looked_at: Timestamp,
}

/// Credentials are nobody's to see.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// The first look.
    ///
    /// # Errors
    /// [`NoCredentials`].
    pub async fn find(source: impl Source + 'static, now: Timestamp) -> Result<Self, NoCredentials> {
        let credentials = source.look().await?;
        Ok(Self { source: Box::new(source), held: Mutex::new(Held { credentials, looked_at: now }) })
    }

    /// The credentials that are good at `now`.
    ///
    /// # Errors
    /// [`NoCredentials`]: they have expired and no others came.
    pub async fn current(&self, now: Timestamp) -> Result<Credentials, NoCredentials> {
        self.at_hand(None, now).await
    }

    /// As [`current`](Self::current), for a caller who has signed with `access_key_id`: if that is not the one at hand, the user may have
    /// signed in anew since, so it is looked for. What comes back may still be another one.
    ///
    /// # Errors
    /// As [`current`](Self::current).
    pub async fn for_caller(&self, access_key_id: &str, now: Timestamp) -> Result<Credentials, NoCredentials> {
        self.at_hand(Some(access_key_id), now).await
    }

    async fn at_hand(&self, wanted: Option<&str>, now: Timestamp) -> Result<Credentials, NoCredentials> {
        let mut held = self.held.lock().await;
        let mut failure = NoCredentials::Expired;
        if is_look_due(&held.credentials, held.looked_at, wanted, now) {
            held.looked_at = now;
            match self.source.look().await {
                Ok(credentials) => held.credentials = credentials,
                // What is at hand may last a little longer.
                Err(error) => failure = error,
            }
        }
        if expires_within(&held.credentials, SignedDuration::ZERO, now) { Err(failure) } else { Ok(held.credentials.clone()) }
    }
}

fn is_look_due(held: &Credentials, looked_at: Timestamp, wanted: Option<&str>, now: Timestamp) -> bool {
    let is_another = wanted.is_some_and(|id| id != held.access_key_id());
    // A clock that went back must not keep us from looking.
    let rested = now.duration_since(looked_at).abs() >= BETWEEN_LOOKS;
    rested && (is_another || expires_within(held, BEFORE_EXPIRY, now))
}

fn expires_within(credentials: &Credentials, span: SignedDuration, now: Timestamp) -> bool {
    let expiry = credentials.expiry().and_then(|at| Timestamp::try_from(at).ok());
    expiry.is_some_and(|at| at.duration_since(now) <= span)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const NOW: &str = "2026-03-01T12:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        now() + SignedDuration::from_secs(seconds)
    }

    fn key(id: &str, expires_after: Option<i64>) -> Credentials {
        Credentials::new(id, "secret", None, expires_after.map(|s| after(s).try_into().unwrap()), "test")
    }

    /// Answers with `answers` in order, the last one again and again.
    struct Script {
        answers: Vec<Result<Credentials, NoCredentials>>,
        looks: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Source for Script {
        async fn look(&self) -> Result<Credentials, NoCredentials> {
            let n = self.looks.fetch_add(1, Ordering::SeqCst);
            self.answers[n.min(self.answers.len() - 1)].clone()
        }
    }

    async fn keys(answers: Vec<Result<Credentials, NoCredentials>>) -> (Keys, Arc<AtomicUsize>) {
        let looks = Arc::new(AtomicUsize::new(0));
        let keys = Keys::find(Script { answers, looks: looks.clone() }, now()).await.unwrap();
        (keys, looks)
    }

    #[test]
    fn a_look_is_due_five_minutes_before_expiry_or_for_another_key_but_not_twice_within_five_seconds() {
        for (expires, wanted, looked_before, due) in [
            (None, None, 3600, false),
            (None, Some("A"), 3600, false),
            (None, Some("B"), 3600, true),
            (None, Some("B"), 5, true),
            (None, Some("B"), 4, false),
            (Some(301), None, 3600, false),
            (Some(300), None, 3600, true),
            (Some(-1), Some("A"), 3600, true),
            (Some(300), None, 4, false),
            (Some(300), None, -3600, true),
        ] {
            let looked_at = now() - SignedDuration::from_secs(looked_before);
            assert_eq!(is_look_due(&key("A", expires), looked_at, wanted, now()), due, "{expires:?} {wanted:?} {looked_before}");
        }
    }

    #[tokio::test]
    async fn newer_credentials_replace_those_that_are_about_to_expire() {
        let (keys, looks) = keys(vec![Ok(key("A", Some(600))), Ok(key("B", None))]).await;
        assert_eq!(keys.current(after(299)).await.unwrap().access_key_id(), "A");
        assert_eq!(looks.load(Ordering::SeqCst), 1);
        assert_eq!(keys.current(after(300)).await.unwrap().access_key_id(), "B");
        assert_eq!(looks.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failed_look_leaves_what_is_at_hand_until_it_has_expired() {
        let why = NoCredentials::Unreadable("the process ended with 1".to_owned());
        let (keys, _) = keys(vec![Ok(key("A", Some(600))), Err(why.clone())]).await;
        assert_eq!(keys.current(after(599)).await.unwrap().access_key_id(), "A");
        assert_eq!(keys.current(after(600)).await.unwrap_err(), NoCredentials::Expired);
        assert_eq!(keys.current(after(605)).await.unwrap_err(), why);
    }

    #[tokio::test]
    async fn a_caller_with_another_key_makes_us_look_once() {
        let (keys, looks) = keys(vec![Ok(key("A", None))]).await;
        for second in [5, 6, 7, 8, 9] {
            assert_eq!(keys.for_caller("B", after(second)).await.unwrap().access_key_id(), "A");
        }
        assert_eq!(looks.load(Ordering::SeqCst), 2);
    }
}
