//! Pages, on SNS: each protocol gets its form, filter policies their attributes.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::types::MessageAttributeValue;
use strata_domain::decision::Page;
use strata_domain::pages::{Message, Origin};
use strata_ports::{CloudError, Pager};

use crate::error::{Effect, sort};
use crate::{Base, Role, Settings, SettingsError, Uses};

const ACTION: &str = "sns:Publish";

/// What the methods need.
pub const USES: &[Uses] = &[Uses { method: "publish", role: Role::Function, actions: &[ACTION] }];

/// SNS, under the function's own role.
pub struct SnsPager {
    client: Client,
    topic: Topic,
    installation: String,
}

impl SnsPager {
    /// To the topic that the settings name.
    ///
    /// # Errors
    /// [`SettingsError`]: it names none, or something that is no topic.
    pub fn new(base: &Base) -> Result<Self, SettingsError> {
        const EXPECTED: &str = "the ARN of on-call's SNS topic";
        let config = Builder::from(&base.own("SNS")).interceptor(base.log().clone()).build();
        let arn = Settings::required(&base.settings().topic_arn, "STRATA_TOPIC_ARN", EXPECTED)?;
        let malformed = || SettingsError::Malformed { name: "STRATA_TOPIC_ARN", value: arn.to_owned(), expected: EXPECTED };
        let topic = Topic::of(arn).ok_or_else(malformed)?;
        Ok(Self { client: Client::from_conf(config), topic, installation: base.settings().installation.clone() })
    }
}

/// A topic, and whose it is: pages are of the account and the region that the topic is in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Topic {
    arn: String,
    region: String,
    account: String,
}

impl Topic {
    /// `arn:aws:sns:<region>:<account>:<name>`.
    fn of(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        match parts.as_slice() {
            ["arn", _, "sns", region, account, name] if ![region, account, name].iter().any(|part| part.is_empty()) => {
                Some(Self { arn: arn.to_owned(), region: (*region).to_owned(), account: (*account).to_owned() })
            }
            _ => None,
        }
    }
}

#[async_trait]
impl Pager for SnsPager {
    async fn publish(&self, page: &Page) -> Result<(), CloudError> {
        let origin = Origin { installation: &self.installation, account: &self.topic.account, region: &self.topic.region };
        let message = Message::of(page, &origin);
        let mut request = self.client.publish().topic_arn(&self.topic.arn).subject(&message.subject);
        request = request.message_structure("json").message(message.by_protocol());
        for (name, value) in &message.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            let wrong = |error: aws_sdk_sns::error::BuildError| CloudError::Wrong {
                action: ACTION,
                code: "InvalidParameter".to_owned(),
                why: error.to_string(),
            };
            request = request.message_attributes(*name, value.map_err(wrong)?);
        }
        request.send().await.map_err(|error| sort(ACTION, Effect::Write, error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_tells_whose_pages_they_are() {
        let topic = Topic::of("arn:aws-cn:sns:cn-north-1:123456789012:on-call").unwrap();
        assert_eq!((topic.region.as_str(), topic.account.as_str()), ("cn-north-1", "123456789012"));
        for no_topic in
            ["on-call", "arn:aws:sqs:eu-west-1:123456789012:q", "arn:aws:sns:eu-west-1::on-call", "arn:aws:sns:a:b:c:d"]
        {
            assert_eq!(Topic::of(no_topic), None, "{no_topic}");
        }
    }
}
