//! What an installation has on AWS, looked at for `strata doctor`, under the caller's own rights. It reads only.

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use aws_sdk_dynamodb::types::{KeyType, PointInTimeRecoveryStatus};
use aws_sdk_eventbridge::types::RuleState;
use strata_ports::CloudError;

use crate::Base;
use crate::error::{Effect, sort};

/// What the caller needs.
pub const ACTIONS: [&str; 9] = [
    "cloudwatch:DescribeAlarms",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "events:DescribeRule",
    "events:ListRuleNamesByTarget",
    "sns:ListSubscriptionsByTopic",
    "ssm:DescribeDocument",
    "ssm:GetParameter",
    "sts:GetCallerIdentity",
];

/// A look at the services that an installation is made of.
pub struct Checkup {
    cloudwatch: aws_sdk_cloudwatch::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    sns: aws_sdk_sns::Client,
    ssm: aws_sdk_ssm::Client,
    sts: aws_sdk_sts::Client,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account, 12 digits.
    pub account: String,
    /// The caller's ARN.
    pub arn: String,
}

/// A table, as far as Strata leans on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSeen {
    /// `ACTIVE`, ...
    pub status: String,
    /// Key attributes with their type, the partition key first: `pk S`.
    pub keys: Vec<String>,
    /// What its stream carries, for example `KEYS_ONLY`; `None`: it has none.
    pub stream: Option<String>,
    /// Whether it can be set back to a moment of the last days.
    pub has_point_in_time_recovery: bool,
}

/// A subscription of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSeen {
    /// `email`, `https`, ...
    pub protocol: String,
    /// Whether the subscriber has agreed; until then nothing is delivered.
    pub is_confirmed: bool,
}

/// A rule of the event bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSeen {
    /// Name.
    pub name: String,
    /// Whether it sends.
    pub is_enabled: bool,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmSeen {
    /// Name.
    pub name: String,
    /// `OK`, `ALARM`, `INSUFFICIENT_DATA`.
    pub state: String,
    /// What CloudWatch says about it.
    pub reason: String,
}

impl Checkup {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        Self {
            cloudwatch: aws_sdk_cloudwatch::Client::new(&base.own("CLOUDWATCH")),
            dynamodb: aws_sdk_dynamodb::Client::new(&base.own("DYNAMODB")),
            eventbridge: aws_sdk_eventbridge::Client::new(&base.own("EVENTBRIDGE")),
            sns: aws_sdk_sns::Client::new(&base.own("SNS")),
            ssm: aws_sdk_ssm::Client::new(&base.own("SSM")),
            sts: aws_sdk_sts::Client::new(&base.own("STS")),
        }
    }

    /// Who calls.
    ///
    /// # Errors
    /// [`CloudError`]: STS does not answer, or does not take the credentials.
    pub async fn caller(&self) -> Result<Caller, CloudError> {
        let answer = self.sts.get_caller_identity().send().await;
        let answer = answer.map_err(|error| sort("sts:GetCallerIdentity", Effect::Read, error))?;
        Ok(Caller { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() })
    }

    /// The table of that name; `None`: there is none.
    ///
    /// # Errors
    /// [`CloudError`]: DynamoDB does not answer, or not to this caller.
    pub async fn table(&self, name: &str) -> Result<Option<TableSeen>, CloudError> {
        let described = match self.dynamodb.describe_table().table_name(name).send().await {
            Ok(answer) => answer.table,
            Err(error) => return unless_absent(sort("dynamodb:DescribeTable", Effect::Read, error), "ResourceNotFoundException"),
        };
        let Some(table) = described else { return Ok(None) };
        let backups = self.dynamodb.describe_continuous_backups().table_name(name).send().await;
        let backups = backups.map_err(|error| sort("dynamodb:DescribeContinuousBackups", Effect::Read, error))?;
        let recovery = backups.continuous_backups_description.and_then(|d| d.point_in_time_recovery_description);
        let recovery = recovery.and_then(|d| d.point_in_time_recovery_status);
        let mut keys: Vec<_> = table.key_schema().iter().collect();
        keys.sort_by_key(|key| *key.key_type() != KeyType::Hash);
        let type_of = |name: &str| {
            let all = table.attribute_definitions().iter();
            all.filter(|a| a.attribute_name() == name).map(|a| a.attribute_type().as_str().to_owned()).next()
        };
        let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
        Ok(Some(TableSeen {
            status: table.table_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            keys: keys
                .iter()
                .map(|key| format!("{} {}", key.attribute_name(), type_of(key.attribute_name()).unwrap_or_default()))
                .collect(),
            stream: stream.and_then(|stream| stream.stream_view_type()).map(|view| view.as_str().to_owned()),
            has_point_in_time_recovery: recovery == Some(PointInTimeRecoveryStatus::Enabled),
        }))
    }

    /// The rules that send to a function (the ARN of its alias) or a queue.
    ///
    /// # Errors
    /// [`CloudError`]: EventBridge does not answer, or not to this caller.
    pub async fn rules_of(&self, target_arn: &str) -> Result<Vec<RuleSeen>, CloudError> {
        let mut rules = Vec::new();
        let mut token = None;
        loop {
            let request = self.eventbridge.list_rule_names_by_target().target_arn(target_arn).set_next_token(token);
            let answer = request.send().await.map_err(|error| sort("events:ListRuleNamesByTarget", Effect::Read, error))?;
            for name in answer.rule_names() {
                let rule = self.eventbridge.describe_rule().name(name).send().await;
                let rule = rule.map_err(|error| sort("events:DescribeRule", Effect::Read, error))?;
                rules.push(RuleSeen { name: name.clone(), is_enabled: rule.state != Some(RuleState::Disabled) });
            }
            token = answer.next_token;
            if token.is_none() {
                return Ok(rules);
            }
        }
    }

    /// A topic's subscriptions; `None`: there is no such topic.
    ///
    /// # Errors
    /// [`CloudError`]: SNS does not answer, or not to this caller.
    pub async fn subscriptions(&self, topic_arn: &str) -> Result<Option<Vec<SubscriptionSeen>>, CloudError> {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let request = self.sns.list_subscriptions_by_topic().topic_arn(topic_arn).set_next_token(token);
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) => return unless_absent(sort("sns:ListSubscriptionsByTopic", Effect::Read, error), "NotFound"),
            };
            found.extend(answer.subscriptions().iter().map(|subscription| SubscriptionSeen {
                protocol: subscription.protocol().unwrap_or_default().to_owned(),
                is_confirmed: subscription.subscription_arn().is_some_and(|arn| arn.starts_with("arn:")),
            }));
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(Some(found));
            }
        }
    }

    /// Whether there is a document of that name, and it can be run.
    ///
    /// # Errors
    /// [`CloudError`]: SSM does not answer, or not to this caller.
    pub async fn has_document(&self, name: &str) -> Result<bool, CloudError> {
        match self.ssm.describe_document().name(name).send().await {
            Ok(answer) => Ok(answer.document.and_then(|d| d.status).is_none_or(|status| status.as_str() == "Active")),
            Err(error) => unless_absent(sort("ssm:DescribeDocument", Effect::Read, error), "InvalidDocument")
                .map(|found: Option<()>| found.is_some()),
        }
    }

    /// The alarms, metric and composite, whose names begin so.
    ///
    /// # Errors
    /// [`CloudError`]: CloudWatch does not answer, or not to this caller.
    pub async fn alarms(&self, prefix: &str) -> Result<Vec<AlarmSeen>, CloudError> {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let request = self.cloudwatch.describe_alarms().alarm_name_prefix(prefix).set_next_token(token);
            let request = request.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
            let answer = request.send().await.map_err(|error| sort("cloudwatch:DescribeAlarms", Effect::Read, error))?;
            let seen = |name: Option<&str>, state: Option<&StateValue>, reason: Option<&str>| AlarmSeen {
                name: name.unwrap_or_default().to_owned(),
                state: state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
                reason: reason.unwrap_or_default().to_owned(),
            };
            found.extend(answer.metric_alarms().iter().map(|a| seen(a.alarm_name(), a.state_value(), a.state_reason())));
            found.extend(answer.composite_alarms().iter().map(|a| seen(a.alarm_name(), a.state_value(), a.state_reason())));
            token = answer.next_token;
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}

fn unless_absent<T>(error: CloudError, absent: &str) -> Result<Option<T>, CloudError> {
    if error.code() == Some(absent) { Ok(None) } else { Err(error) }
}
